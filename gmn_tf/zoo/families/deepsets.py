"""DeepSets: an image as the set of its pixels, or small patches, with their coordinates.

Zaheer et al., "Deep Sets" (NeurIPS 2017): layers shared by all elements, pooling, a classifier of the
pooled features; with `equivariant`, the layers also see what is pooled over the set (section 3.1 there).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gmn_tf.keras_layers import SetEquivariantDense
from gmn_tf.zoo import stacked_sequences as sequences
from gmn_tf.zoo.families import shared
from gmn_tf.zoo.families.architecture import Dropout, Variable, draw_within
from gmn_tf.zoo.families.shared import Patch, SequenceArchitecture
from gmn_tf.zoo.stacked import ACTIVATIONS

_DEPTHS = (2, 1, 3, 2, 2, 3, 1, 3)


@dataclasses.dataclass(frozen=True)
class DeepSetsArchitecture(SequenceArchitecture):
    """Layers on every element, pooling over the set, Dense layers and a Dense classifier.

    Attributes:
        patch: pixels of one element.
        element_units: width of each layer on the elements.
        head_units: width of each hidden layer after the pooling.
        equivariant: the layers on the elements are `SetEquivariantDense`, not `Dense`.
        activation: of all hidden layers.
        norm: between a layer on the elements and its activation, and of what is pooled: "none", "layer"
            or "batch".
        pooling: "mean", "max", or "sum" over the root of the number of elements.
        dropout: after the pooling and after each hidden layer that follows.
    """

    family: ClassVar[str] = "deepsets"

    patch: Patch
    element_units: tuple[int, ...]
    head_units: tuple[int, ...] = ()
    equivariant: bool = False
    activation: str = "relu"
    norm: str = "none"
    pooling: str = "mean"
    dropout: bool = False

    @property
    def width(self) -> int:
        return max(self.element_units + self.head_units)

    @property
    def has_dropout(self) -> bool:
        return self.dropout

    @property
    def num_elements(self) -> int:
        return shared.num_patches(self.image_shape, self.patch)

    @property
    def _values(self) -> int:
        """Numbers in one patch."""
        return self.patch[0] * self.patch[1] * self.image_shape[2]

    @property
    def _pooling_inside(self) -> str:
        return "max" if self.pooling == "max" else "mean"

    def coordinates(self) -> np.ndarray:
        """Centre of each element, row and column from -1 to 1, float32 [elements, 2]."""
        rows, columns = (
            (2 * np.arange(number) + 1) / number - 1
            for number in (self.image_shape[0] // self.patch[0], self.image_shape[1] // self.patch[1])
        )
        return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)

    def variables(self) -> list[Variable]:
        variables = []
        features = self._values + 2
        for units in self.element_units:
            if self.equivariant:
                variables += [Variable("kernel", (2, features, units)), Variable("bias", (units,))]
            else:
                variables += shared.dense(features, units)
            variables += shared.norm(self.norm, units)
            features = units
        variables += shared.norm(self.norm, features)
        for units in (*self.head_units, self.num_classes):
            variables += shared.dense(features, units)
            features = units
        return variables

    def keras_model(self, *, name: str = "deepsets") -> keras.Model:
        inputs = keras.Input(self.image_shape, name="image")
        x = self._elements(inputs)
        for number, units in enumerate(self.element_units):
            x = self._element_layer(units, name=f"element_{number}")(x)
            if self.norm != "none":
                x = shared.keras_norm(x, self.norm, name=f"norm_{number}")
                x = layers.Activation(self.activation, name=f"activation_{number}")(x)
        x = shared.keras_pool(x, self.pooling, name="pool")
        if self.pooling == "sum":
            x = layers.Rescaling(self.num_elements**0.5, name="sum")(x)
        x = shared.keras_norm(x, self.norm, name="norm")
        for number in range(len(self.head_units) + 1):
            if self.dropout:
                x = layers.Dropout(0.0, name=f"dropout_{number}")(x)
            if number < len(self.head_units):
                units = self.head_units[number]
                x = layers.Dense(units, activation=self.activation, name=f"hidden_{number}")(x)
        return keras.Model(inputs, layers.Dense(self.num_classes, name="classifier")(x), name=name)

    def _element_layer(self, units: int, *, name: str) -> keras.layers.Layer:
        activation = self.activation if self.norm == "none" else None
        if not self.equivariant:
            return layers.Dense(units, activation=activation, name=name)
        return SetEquivariantDense(units, pooling=self._pooling_inside, activation=activation, name=name)

    def _elements(self, images: Any) -> Any:
        """[batch, height, width, C] -> [batch, elements, values and coordinates], of layers with names."""
        height, width = self.patch
        rows, columns = self.image_shape[0] // height, self.image_shape[1] // width
        x = layers.Reshape((rows, height, columns, width, self.image_shape[2]), name="cut")(images)
        x = layers.Permute((2, 4, 5, 1, 3), name="values_first")(x)
        x = layers.Reshape((self._values, self.num_elements), name="elements")(x)
        x = layers.ZeroPadding1D((0, 2), name="room_for_coordinates")(x)
        x = layers.Permute((2, 1), name="values_last")(x)
        offset = np.pad(self.coordinates(), [(0, 0), (self._values, 0)])
        return layers.Rescaling(1.0, offset=offset, name="coordinates")(x)

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        weights = sequences.Weights(flat, self.variables(), training=training)
        activate = ACTIVATIONS[self.activation]
        x = sequences.with_coordinates(sequences.patches(images, self.patch), self.coordinates())
        for _ in self.element_units:
            kernel, bias = weights.next(), weights.next()
            if self.equivariant:
                pooled = sequences.pool(x, self._pooling_inside)
                x = sequences.dense(x, kernel[:, 0], bias)
                x += sequences.dense(pooled, kernel[:, 1])[:, :, tf.newaxis]
            else:
                x = sequences.dense(x, kernel, bias)
            x = activate(sequences.normalise(x, weights, self.norm))
        x = sequences.pool(x, self.pooling)
        if self.pooling == "sum":
            x *= self.num_elements**0.5
        x = sequences.normalise(x, weights, self.norm)
        for number in range(len(self.head_units) + 1):
            if self.dropout and dropout is not None:
                x = dropout(x, number)
            x = sequences.dense(x, weights.next(), weights.next())
            if number < len(self.head_units):
                x = activate(x)
        return x, weights.moments


def sample(
    rng: np.random.Generator, *, image_shape: tuple[int, int, int], num_classes: int, number: int
) -> DeepSetsArchitecture:
    """Architecture `number` of a population: depth and norm go round with the number, the rest is drawn.

    Raises:
        ZooError: no network within the bounds fits the images and classes.
    """
    bounds = shared.draw_bounds(rng)
    norm = ("none", "layer", "batch")[number % 3]
    # Means of many elements hardly differ between images: without a norm little is learnt from them.
    poolings = ["max", "max", "sum"] if norm == "none" else ["mean", "max", "sum"]

    def draw() -> DeepSetsArchitecture | None:
        patch = shared.draw_patch(rng, image_shape, patches=range(8, 65))
        if patch is None:
            return None
        depth = _DEPTHS[number % len(_DEPTHS)]
        return DeepSetsArchitecture(
            image_shape,
            num_classes,
            patch=patch,
            element_units=tuple(4 * int(rng.integers(2, 13)) for _ in range(depth)),
            head_units=tuple(4 * int(rng.integers(2, 13)) for _ in range(rng.integers(0, 3))),
            equivariant=bool(rng.random() < 0.5),
            activation=str(rng.choice(["relu", "relu", "tanh", "gelu", "silu"])),
            norm=norm,
            pooling=str(rng.choice(poolings)),
            dropout=bool(rng.random() < 0.4),
        )

    return draw_within(draw, family="deepsets", image_shape=image_shape, num_classes=num_classes, **bounds)
