"""Family "resnet": residual blocks of two 3 x 3 convolutions (He et al. 2016), small."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np

from gmn_tf.zoo import stacked
from gmn_tf.zoo.families import conv_blocks
from gmn_tf.zoo.families.architecture import Dropout, Variable, draw_within


@dataclasses.dataclass(frozen=True)
class Residual:
    """Convolution, norm, activation, convolution, norm, plus the shortcut, activation.

    The first convolution has the stride. The shortcut is a 1 x 1 convolution where the shape changes.
    """

    filters: int
    stride: int = 1


@dataclasses.dataclass(frozen=True)
class ResnetArchitecture:
    """A stem (convolution 3 x 3, norm, activation), residual blocks, global average, dropout, Dense."""

    family: ClassVar[str] = "resnet"

    image_shape: tuple[int, int, int]
    num_classes: int
    stem: Residual
    blocks: tuple[Residual, ...]
    norm: str = "batch"  # "none", "batch", "group"
    groups: int = 1  # of the GroupNorms
    activation: str = "relu"
    dropout: bool = False

    @property
    def width(self) -> int:
        return max(block.filters for block in self.blocks)

    @property
    def has_dropout(self) -> bool:
        return self.dropout

    def variables(self) -> list[Variable]:
        found = self._convolution(3, self.image_shape[2], self.stem.filters)
        channels = self.stem.filters
        for block in self.blocks:
            found += self._convolution(3, channels, block.filters)
            found += self._convolution(3, block.filters, block.filters)
            if _projects(block, channels):
                found.append(Variable("kernel", (1, 1, channels, block.filters)))
                found.append(Variable("bias", (block.filters,)))
            channels = block.filters
        found.append(Variable("kernel", (channels, self.num_classes)))
        return [*found, Variable("bias", (self.num_classes,))]

    def _convolution(self, kernel: int, channels: int, filters: int) -> list[Variable]:
        return [
            Variable("kernel", (kernel, kernel, channels, filters)),
            Variable("bias", (filters,)),
            *conv_blocks.norm_variables(self.norm, filters),
        ]

    @property
    def num_parameters(self) -> int:
        return sum(variable.size for variable in self.variables())

    def keras_model(self, *, name: str = "resnet") -> keras.Model:
        layers = keras.layers
        inputs = keras.Input(self.image_shape, name="image")
        x = self._keras_step(inputs, self.stem, "stem")
        x = layers.Activation(self.activation, name="stem_activation")(x)
        channels = self.stem.filters
        for number, block in enumerate(self.blocks):
            y = self._keras_step(x, block, f"block_{number}_a")
            y = layers.Activation(self.activation, name=f"block_{number}_a_activation")(y)
            y = self._keras_step(y, Residual(block.filters), f"block_{number}_b")
            if _projects(block, channels):
                x = layers.Conv2D(
                    block.filters, 1, strides=block.stride, padding="same", name=f"block_{number}_shortcut"
                )(x)
            x = layers.Add(name=f"block_{number}_add")([y, x])
            x = layers.Activation(self.activation, name=f"block_{number}_activation")(x)
            channels = block.filters
        outputs = conv_blocks.keras_classifier(
            x, head="average", dropout=self.dropout, num_classes=self.num_classes, dims=2
        )
        return keras.Model(inputs, outputs, name=name)

    def _keras_step(self, x: Any, block: Residual, name: str) -> Any:
        x = keras.layers.Conv2D(block.filters, 3, strides=block.stride, padding="same", name=name)(x)
        if self.norm == "none":
            return x
        return conv_blocks.keras_norm(self.norm, self.groups, name=f"{name}_norm")(x)

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        pieces = stacked.Pieces(flat, self.variables(), training=training)
        activation = stacked.ACTIVATIONS[self.activation]
        x = activation(
            self._step(stacked.stack_images(images), pieces, self.image_shape[2], self.stem)
        )  # [B, H, W, N * C]
        channels = self.stem.filters
        for block in self.blocks:
            y = activation(self._step(x, pieces, channels, block))
            y = self._step(y, pieces, block.filters, Residual(block.filters))
            if _projects(block, channels):
                x = self._convolve(x, pieces, channels, block, 1)
            x = activation(y + x)
            channels = block.filters
        scores = stacked.classifier(
            stacked.apart(x, channels=channels, count=pieces.count),
            pieces,
            head="average",
            channels=channels,
            num_classes=self.num_classes,
            dropout=dropout if self.dropout else None,
        )
        return scores, pieces.moments

    def _step(self, x: Any, pieces: stacked.Pieces, channels: int, block: Residual) -> Any:
        x = self._convolve(x, pieces, channels, block, 3)
        return conv_blocks.apply_norm(self.norm, x, pieces, channels=block.filters, groups=self.groups)

    def _convolve(self, x: Any, pieces: stacked.Pieces, channels: int, block: Residual, kernel: int) -> Any:
        return stacked.convolution(
            x,
            pieces,
            channels=channels,
            filters=block.filters,
            kernel=(kernel, kernel),
            stride=(block.stride, block.stride),
        )


def _projects(block: Residual, channels: int) -> bool:
    return block.stride > 1 or block.filters != channels


def sample(
    rng: np.random.Generator, *, image_shape: tuple[int, int, int], num_classes: int, number: int
) -> ResnetArchitecture:
    """One to three residual blocks of 4 to 24 channels; a block that halves the image may double them."""
    depth = (2, 1, 3)[number % 3]
    norm = ("batch", "none", "batch", "group")[number % 4]

    def draw() -> ResnetArchitecture:
        filters = 4 * int(rng.integers(1, 6))
        stem = Residual(filters, stride=2 if min(image_shape[:2]) > 8 else int(rng.choice([1, 2, 2])))
        size, blocks = -(-min(image_shape[:2]) // stem.stride), []
        for _ in range(depth):
            # Large images are expensive, see the family cnn.
            shrink = size > 8 or (size > 2 and rng.random() < 0.5)
            size = -(-size // 2) if shrink else size
            if shrink and rng.random() < 0.5:
                filters = min(2 * filters, 24)
            blocks.append(Residual(filters, stride=2 if shrink else 1))
        return ResnetArchitecture(
            image_shape,
            num_classes,
            stem,
            tuple(blocks),
            norm=norm,
            groups=int(rng.choice([2, 4])) if norm == "group" else 1,
            activation=str(rng.choice(["relu", "relu", "relu", "gelu", "silu"])),
            dropout=bool(rng.random() < 0.4),
        )

    return draw_within(draw, family="resnet", image_shape=image_shape, num_classes=num_classes)
