"""Family "cnn1d": 1-D convolutions over an image read as a sequence, row by row or pixel by pixel."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from gmn_tf.zoo import stacked
from gmn_tf.zoo.families import conv_blocks
from gmn_tf.zoo.families.architecture import Dropout, Variable, draw_within
from gmn_tf.zoo.families.conv_blocks import Block


@dataclasses.dataclass(frozen=True)
class Cnn1dArchitecture:
    """Reshape, blocks of 1-D convolutions, global average pooling or Flatten, optional dropout, Dense.

    Read by "rows", a step is a row of the image and its features are the row's numbers; by "pixels", a step
    is a pixel.
    """

    family: ClassVar[str] = "cnn1d"

    image_shape: tuple[int, int, int]
    num_classes: int
    blocks: tuple[Block, ...]
    reading: str = "rows"  # "rows", "pixels"
    head: str = "average"  # "average", "flatten"
    dropout: bool = False

    @property
    def sequence_shape(self) -> tuple[int, int]:
        """(steps, features of a step)."""
        height, width, channels = self.image_shape
        return (height, width * channels) if self.reading == "rows" else (height * width, channels)

    def steps(self) -> list[int]:
        """Steps after each block."""
        size = (1, self.sequence_shape[0])
        return [steps for _, steps in conv_blocks.sizes(self.blocks, size, dims=1)]

    @property
    def width(self) -> int:
        return max(block.filters for block in self.blocks)

    @property
    def has_dropout(self) -> bool:
        return self.dropout or any(block.dropout for block in self.blocks)

    def variables(self) -> list[Variable]:
        channels = self.blocks[-1].filters
        features = channels if self.head == "average" else channels * self.steps()[-1]
        return [
            *conv_blocks.variables(self.blocks, self.sequence_shape[1], dims=1),
            Variable("kernel", (features, self.num_classes)),
            Variable("bias", (self.num_classes,)),
        ]

    @property
    def num_parameters(self) -> int:
        return sum(variable.size for variable in self.variables())

    def keras_model(self, *, name: str = "cnn1d") -> keras.Model:
        inputs = keras.Input(self.image_shape, name="image")
        x = keras.layers.Reshape(self.sequence_shape, name="sequence")(inputs)
        x = conv_blocks.keras_layers(self.blocks, x, dims=1)
        outputs = conv_blocks.keras_classifier(
            x, head=self.head, dropout=self.dropout, num_classes=self.num_classes, dims=1
        )
        return keras.Model(inputs, outputs, name=name)

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        pieces = stacked.Pieces(flat, self.variables(), training=training)
        steps, features = self.sequence_shape
        sequences = tf.reshape(images, [pieces.count, -1, 1, steps, features])
        x = conv_blocks.apply(
            self.blocks, stacked.stack_images(sequences), pieces, features, dims=1, dropout=dropout
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
) -> Cnn1dArchitecture:
    """One to four blocks of convolutions of length 3 to 7 and 8 to 40 channels."""
    depth = (2, 3, 1, 4)[number % 4]
    norm = ("none", "batch", "group")[number % 3]

    def draw() -> Cnn1dArchitecture | None:
        activation = str(rng.choice(["relu", "relu", "relu", "tanh", "gelu", "silu"]))
        reading = str(rng.choice(["rows", "rows", "pixels"]))
        pool = str(rng.choice(["max", "average"]))
        dropout = str(rng.choice(["none", "head", "blocks"]))
        kernel = int(rng.choice([3, 3, 5, 7]))
        width = 4 * round(float(np.exp(rng.uniform(np.log(2.0), np.log(10.0)))))
        steps = image_shape[0] if reading == "rows" else image_shape[0] * image_shape[1]
        blocks = []
        for index in range(depth):
            # Long sequences are expensive: they are shortened until 32 steps are left.
            shrink = steps > 32 or (steps > 4 and rng.random() < 0.5)
            by_pool = bool(shrink and rng.random() < 0.4)
            stride = 1 if not shrink else 4 if steps > 64 else 1 if by_pool else 2
            steps = -(-steps // stride) // (2 if by_pool else 1)
            block = Block(
                filters=max(4, 4 * round(width * float(rng.choice([0.5, 0.75, 1.0, 1.0])) / 4)),
                stride=stride,
                norm=norm,
                groups=int(rng.choice([2, 4])) if norm == "group" else 1,
                activation=activation,
                pool=pool if by_pool else "none",
                dropout=dropout == "blocks" and index > 0,
                kernel=kernel,
            )
            blocks.append(block)
        head = "average" if depth > 1 and rng.random() < 0.5 else "flatten"
        return Cnn1dArchitecture(image_shape, num_classes, tuple(blocks), reading, head, dropout != "none")

    return draw_within(draw, family="cnn1d", image_shape=image_shape, num_classes=num_classes)
