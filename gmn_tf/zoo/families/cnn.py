"""Family "cnn": stacks of 2-D convolutions (the Varying CNNs of Lim et al. 2024, appendix C.1)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np

from gmn_tf.zoo import stacked
from gmn_tf.zoo.families import conv_blocks
from gmn_tf.zoo.families.architecture import Dropout, Variable, draw_within
from gmn_tf.zoo.families.conv_blocks import Block

SMALL_MIN, SMALL_TYPICAL, SMALL_MAX = 500, 2000, 6000


@dataclasses.dataclass(frozen=True)
class CnnArchitecture:
    """Blocks, then global average pooling or Flatten, optional dropout, and a Dense classifier (logits)."""

    family: ClassVar[str] = "cnn"

    image_shape: tuple[int, int, int]
    num_classes: int
    blocks: tuple[Block, ...]
    head: str = "average"  # "average", "flatten"
    dropout: bool = False

    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) after each block."""
        return conv_blocks.sizes(self.blocks, self.image_shape[:2], dims=2)

    @property
    def width(self) -> int:
        return max(block.filters for block in self.blocks)

    @property
    def has_dropout(self) -> bool:
        return self.dropout or any(block.dropout for block in self.blocks)

    def variables(self) -> list[Variable]:
        height, width = self.sizes()[-1]
        channels = self.blocks[-1].filters
        features = channels if self.head == "average" else channels * height * width
        return [
            *conv_blocks.variables(self.blocks, self.image_shape[2], dims=2),
            Variable("kernel", (features, self.num_classes)),
            Variable("bias", (self.num_classes,)),
        ]

    @property
    def num_parameters(self) -> int:
        return sum(variable.size for variable in self.variables())

    def keras_model(self, *, name: str = "cnn") -> keras.Model:
        inputs = keras.Input(self.image_shape, name="image")
        x = conv_blocks.keras_layers(self.blocks, inputs, dims=2)
        outputs = conv_blocks.keras_classifier(
            x, head=self.head, dropout=self.dropout, num_classes=self.num_classes, dims=2
        )
        return keras.Model(inputs, outputs, name=name)

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        pieces = stacked.Pieces(flat, self.variables(), training=training)
        x = conv_blocks.apply(
            self.blocks,
            stacked.stack_images(images),
            pieces,
            self.image_shape[2],
            dims=2,
            dropout=dropout,
        )
        scores = stacked.classifier(
            x,
            pieces,
            head=self.head,
            channels=self.blocks[-1].filters,
            num_classes=self.num_classes,
            dropout=dropout if self.dropout else None,
            number=sum(block.dropout for block in self.blocks),
        )
        return scores, pieces.moments


def sample(
    rng: np.random.Generator, *, image_shape: tuple[int, int, int], num_classes: int, number: int
) -> CnnArchitecture:
    """One to five blocks of 3 x 3 (a few 5 x 5 or 1 x 1) convolutions of 4 to 32 channels."""
    depth = (3, 2, 4, 1, 5)[number % 5]
    norm = ("none", "batch", "group")[number % 3]

    def draw() -> CnnArchitecture | None:
        shared = {
            "norm": norm,
            "activation": str(rng.choice(["relu", "relu", "relu", "tanh", "gelu", "silu"])),
        }
        pool = str(rng.choice(["max", "average"]))
        dropout = str(rng.choice(["none", "head", "blocks"]))
        width = 4 * round(float(np.exp(rng.uniform(np.log(1.5), np.log(8.0)))))
        size, blocks = min(image_shape[:2]), []
        for index in range(depth):
            # Full-size images are expensive: at most the first block leaves 8 or more pixels a side.
            shrink = size > 8 or (size > 2 and rng.random() < (0.6 if size > 4 else 0.3))
            by_pool = bool(shrink and rng.random() < 0.4)
            stride = 2 if shrink and (not by_pool or size > 16) else 1
            size = -(-size // stride) // (2 if by_pool else 1)
            block = Block(
                filters=max(4, 4 * round(width * float(rng.choice([0.5, 0.75, 1.0, 1.0])) / 4)),
                stride=stride,
                groups=int(rng.choice([2, 4])) if norm == "group" else 1,
                pool=pool if by_pool else "none",
                dropout=dropout == "blocks" and index > 0,
                kernel=int(rng.choice([3, 3, 3, 3, 3, 3, 5, 1])) if index else 3,
                **shared,
            )
            blocks.append(block)
        head = "average" if depth > 1 and rng.random() < 0.5 else "flatten"
        found = CnnArchitecture(image_shape, num_classes, tuple(blocks), head, dropout != "none")
        return found if min(found.sizes()[-1]) >= 2 else None

    return draw_within(draw, family="cnn", image_shape=image_shape, num_classes=num_classes)


def sample_small(
    rng: np.random.Generator, *, image_shape: tuple[int, int, int], num_classes: int, number: int
) -> CnnArchitecture:
    """One to four blocks of 8 to 28 channels, 500 to 6,000 parameters: the population "cnn"."""
    depth = (3, 2, 4, 1, 3, 4, 2, 3)[number % 8]
    norm = ("none", "batch", "group")[number % 3]
    low = SMALL_TYPICAL if rng.random() < 0.8 else SMALL_MIN

    def draw() -> CnnArchitecture | None:
        found = _draw_small(rng, depth, norm, image_shape, num_classes)
        return found if min(found.sizes()[-1]) >= 2 else None

    return draw_within(
        draw, family="cnn", image_shape=image_shape, num_classes=num_classes, low=low, high=SMALL_MAX
    )


def _draw_small(
    rng: np.random.Generator, depth: int, norm: str, image_shape: tuple[int, int, int], num_classes: int
) -> CnnArchitecture:
    activation = str(rng.choice(["relu", "relu", "relu", "tanh", "gelu"]))
    pool = str(rng.choice(["max", "average"]))
    dropout = str(rng.choice(["none", "head", "blocks"]))
    size = min(image_shape[:2])
    blocks = []
    for index in range(depth):
        filters = 4 * int(rng.integers(2, 8))
        shrink = (
            size > 8 or (size > 4 and (index > 0 or rng.random() < 0.6)) or (size > 2 and rng.random() < 0.3)
        )
        by_pool = bool(shrink and rng.random() < 0.4)
        stride = 2 if shrink and (not by_pool or size > 16) else 1
        size = -(-size // stride)
        size = size // 2 if by_pool else size
        blocks.append(
            Block(
                filters=filters,
                stride=stride,
                norm=norm,
                groups=int(rng.choice([2, 4])) if norm == "group" else 1,
                activation=activation,
                pool=pool if by_pool else "none",
                dropout=dropout == "blocks" and index > 0,
            )
        )
    head = "average" if depth > 1 and rng.random() < 0.5 else "flatten"
    return CnnArchitecture(image_shape, num_classes, tuple(blocks), head, dropout != "none")
