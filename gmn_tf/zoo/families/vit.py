"""Vision transformers: patches, learnt positions, encoder blocks, pooling over the patches.

Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021), without a class token: the mean (or
maximum) over the patches is classified, as in its appendix D.3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers

from gmn_tf.zoo import stacked_sequences as sequences
from gmn_tf.zoo.families import shared
from gmn_tf.zoo.families.architecture import Dropout, Variable, draw_within
from gmn_tf.zoo.families.shared import Patch, SequenceArchitecture
from gmn_tf.zoo.stacked import ACTIVATIONS

_DEPTHS = (1, 2, 1, 3, 2, 1, 2, 3)


@dataclasses.dataclass(frozen=True)
class VitArchitecture(SequenceArchitecture):
    """Patch embedding with learnt positions, transformer blocks, pooling and a Dense classifier.

    Attributes:
        patch: pixels of one patch.
        units: width of the residual stream, a multiple of `heads`.
        depth: number of blocks, each attention and two Dense layers, with residual connections.
        heads: of the attention, `units / heads` wide each.
        hidden: width of the hidden layer of each block.
        activation: of that layer.
        pre_norm: LayerNorm before attention and Dense layers, and once at the end; else after each sum.
        pooling: "mean" or "max" over the patches.
        dropout: of what each attention and each pair of Dense layers adds.
    """

    family: ClassVar[str] = "vit"

    patch: Patch
    units: int
    depth: int = 1
    heads: int = 2
    hidden: int = 32
    activation: str = "gelu"
    pre_norm: bool = True
    pooling: str = "mean"
    dropout: bool = False

    @property
    def width(self) -> int:
        return self.units

    @property
    def has_dropout(self) -> bool:
        return self.dropout

    @property
    def _grid(self) -> tuple[int, int]:
        return self.image_shape[0] // self.patch[0], self.image_shape[1] // self.patch[1]

    def variables(self) -> list[Variable]:
        units, dim = self.units, self.units // self.heads
        variables = [
            Variable("kernel", (*self.patch, self.image_shape[2], units)),
            Variable("kernel", (*self._grid, units)),  # positions: drawn at random and decayed as kernels are
        ]
        projection = [Variable("kernel", (units, self.heads, dim)), Variable("bias", (self.heads, dim))]
        attention = 3 * projection + [
            Variable("kernel", (self.heads, dim, units)),
            Variable("bias", (units,)),
        ]
        mlp = shared.dense(units, self.hidden) + shared.dense(self.hidden, units)
        norm = shared.norm("layer", units)
        block = norm + attention + norm + mlp if self.pre_norm else attention + norm + mlp + norm
        last = norm if self.pre_norm else []
        return variables + self.depth * block + last + shared.dense(units, self.num_classes)

    def keras_model(self, *, name: str = "vit") -> keras.Model:
        inputs = keras.Input(self.image_shape, name="image")
        (rows, columns), (height, width) = self._grid, self.patch
        x = layers.Reshape((rows, height, columns, width, self.image_shape[2]), name="cut")(inputs)
        # One kernel for all patches, and a bias for each: the table of positions.
        x = layers.EinsumDense(
            "brhcwi,hwiu->brcu", (rows, columns, self.units), bias_axes="rcu", name="patches"
        )(x)
        x = layers.Reshape((rows * columns, self.units), name="sequence")(x)
        for number in range(self.depth):
            x = self._add(x, self._attention, f"attention_{number}")
            x = self._add(x, self._mlp, f"mlp_{number}")
        if self.pre_norm:
            x = shared.keras_norm(x, "layer", name="norm")
        x = shared.keras_pool(x, self.pooling, name="pool")
        return keras.Model(inputs, layers.Dense(self.num_classes, name="classifier")(x), name=name)

    def _attention(self, x: Any, name: str) -> Any:
        return layers.MultiHeadAttention(self.heads, self.units // self.heads, name=name)(x, x)

    def _mlp(self, x: Any, name: str) -> Any:
        x = layers.Dense(self.hidden, activation=self.activation, name=f"{name}_hidden")(x)
        return layers.Dense(self.units, name=f"{name}_out")(x)

    def _add(self, x: Any, branch: Callable[[Any, str], Any], name: str) -> Any:
        """A residual connection around a branch."""
        y = shared.keras_norm(x, "layer", name=f"{name}_norm") if self.pre_norm else x
        y = branch(y, name)
        if self.dropout:
            y = layers.Dropout(0.0, name=f"{name}_dropout")(y)
        x = layers.Add(name=f"{name}_add")([x, y])
        return x if self.pre_norm else shared.keras_norm(x, "layer", name=f"{name}_norm")

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        weights = sequences.Weights(flat, self.variables(), training=training)
        activate = ACTIVATIONS[self.activation]
        x = sequences.embed_patches(images, self.patch, weights.next(), weights.next())
        for number in range(2 * self.depth):
            y = sequences.normalise(x, weights, "layer") if self.pre_norm else x
            y = sequences.mlp(y, weights, activate) if number % 2 else sequences.attention(y, weights)
            x += dropout(y, number) if self.dropout and dropout is not None else y
            if not self.pre_norm:
                x = sequences.normalise(x, weights, "layer")
        if self.pre_norm:
            x = sequences.normalise(x, weights, "layer")
        x = sequences.pool(x, self.pooling)
        return sequences.dense(x, weights.next(), weights.next()), weights.moments


def sample(
    rng: np.random.Generator, *, image_shape: tuple[int, int, int], num_classes: int, number: int
) -> VitArchitecture:
    """Architecture `number` of a population: depth goes round with the number, the rest is drawn.

    Raises:
        ZooError: no network within the bounds fits the images and classes.
    """
    bounds = shared.draw_bounds(rng)

    def draw() -> VitArchitecture | None:
        patch = shared.draw_patch(rng, image_shape, patches=range(8, 37))
        if patch is None:
            return None
        units = 4 * int(rng.integers(2, 8))
        return VitArchitecture(
            image_shape,
            num_classes,
            patch=patch,
            units=units,
            depth=_DEPTHS[number % len(_DEPTHS)],
            heads=int(rng.choice([1, 2, 4])),
            hidden=4 * int(rng.integers(2, units // 2 + 1)),
            activation=str(rng.choice(["gelu", "gelu", "relu", "silu"])),
            pre_norm=bool(rng.random() < 0.7),
            pooling=str(rng.choice(["mean", "mean", "max"])),
            dropout=bool(rng.random() < 0.4),
        )

    return draw_within(draw, family="vit", image_shape=image_shape, num_classes=num_classes, **bounds)
