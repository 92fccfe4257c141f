"""Recurrent networks that read an image row by row: SimpleRNN, GRU and LSTM layers."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gmn_tf.zoo import stacked_sequences as sequences
from gmn_tf.zoo.families import shared
from gmn_tf.zoo.families.architecture import Dropout, Variable, draw_within
from gmn_tf.zoo.families.shared import SequenceArchitecture
from gmn_tf.zoo.stacked_recurrent import recurrent_layer

CELLS = ("simple", "gru", "lstm")
_GATES = {"simple": 1, "gru": 3, "lstm": 4}


@dataclasses.dataclass(frozen=True)
class RecurrentArchitecture(SequenceArchitecture):
    """Recurrent layers over the rows, pooling over them, a Dense layer if wanted, and a Dense classifier.

    Attributes:
        cell: "simple" (SimpleRNN), "gru" (GRU with `reset_after`) or "lstm" (LSTM).
        units: width of each recurrent layer.
        both_ways: each layer is `Bidirectional`, with twice the features.
        activation: of simple cells, "tanh" or "relu"; gated cells have tanh.
        norm: after each recurrent layer: "layer" or "none".
        pooling: "last" state of the last layer, or "mean" or "max" over its states.
        head_units: width of a hidden layer (relu) before the classifier, 0 for none.
        dropout: after each recurrent layer; after the last one, once its states are pooled.
    """

    family: ClassVar[str] = "recurrent"

    cell: str
    units: tuple[int, ...]
    both_ways: bool = False
    activation: str = "tanh"
    norm: str = "none"
    pooling: str = "last"
    head_units: int = 0
    dropout: bool = False

    @property
    def width(self) -> int:
        return max(*self.units, self.head_units)

    @property
    def has_dropout(self) -> bool:
        return self.dropout

    def _returns_sequences(self, number: int) -> bool:
        """Whether layer `number` hands on all its states."""
        return number + 1 < len(self.units) or self.pooling != "last"

    def variables(self) -> list[Variable]:
        variables = []
        features = self.image_shape[1] * self.image_shape[2]
        gates = _GATES[self.cell]
        for units in self.units:
            # A GRU with `reset_after` has biases of its own for what the state adds.
            bias = (2, gates * units) if self.cell == "gru" else (gates * units,)
            layer = [
                Variable("kernel", (features, gates * units)),
                Variable("kernel", (units, gates * units)),
                Variable("bias", bias),
            ]
            variables += layer * (1 + self.both_ways)
            features = units * (1 + self.both_ways)
            variables += shared.norm(self.norm, features)
        for units in (self.head_units, self.num_classes):
            if units:
                variables += shared.dense(features, units)
                features = units
        return variables

    def keras_model(self, *, name: str = "recurrent") -> keras.Model:
        inputs = keras.Input(self.image_shape, name="image")
        height, width, channels = self.image_shape
        x = layers.Reshape((height, width * channels), name="rows")(inputs)
        for number in range(len(self.units)):
            x = self._layer(number)(x)
            x = shared.keras_norm(x, self.norm, name=f"norm_{number}")
            if number + 1 == len(self.units) and self.pooling != "last":
                x = shared.keras_pool(x, self.pooling, name="pool")
            if self.dropout:
                x = layers.Dropout(0.0, name=f"dropout_{number}")(x)
        if self.head_units:
            x = layers.Dense(self.head_units, activation="relu", name="hidden")(x)
        return keras.Model(inputs, layers.Dense(self.num_classes, name="classifier")(x), name=name)

    def _layer(self, number: int) -> Any:
        settings: dict[str, Any] = {
            "return_sequences": self._returns_sequences(number),
            "name": f"{self.cell}_{number}",
        }
        if self.cell == "simple":
            layer = layers.SimpleRNN(self.units[number], activation=self.activation, **settings)
        elif self.cell == "gru":
            layer = layers.GRU(self.units[number], **settings)
        else:
            layer = layers.LSTM(self.units[number], **settings)
        return layers.Bidirectional(layer, name=f"both_ways_{number}") if self.both_ways else layer

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        weights = sequences.Weights(flat, self.variables(), training=training)
        height, width, channels = self.image_shape
        shape = tf.shape(images)
        x = tf.reshape(images, [shape[0], shape[1], height, width * channels])
        x = tf.transpose(x, [0, 2, 1, 3])  # [N, time, B, features]
        for number in range(len(self.units)):
            x = recurrent_layer(
                x,
                weights,
                cell=self.cell,
                activation=self.activation,
                both_ways=self.both_ways,
                sequences=self._returns_sequences(number),
            )
            x = sequences.normalise(x, weights, self.norm)
            if number + 1 == len(self.units) and self.pooling != "last":
                x = (tf.reduce_max if self.pooling == "max" else tf.reduce_mean)(x, axis=1)
            if self.dropout and dropout is not None:
                x = dropout(x, number)
        if self.head_units:
            x = tf.nn.relu(sequences.dense(x, weights.next(), weights.next()))
        return sequences.dense(x, weights.next(), weights.next()), weights.moments


def sample(
    rng: np.random.Generator, *, image_shape: tuple[int, int, int], num_classes: int, number: int
) -> RecurrentArchitecture:
    """Architecture `number` of a population: the cell goes round with the number, the rest is drawn.

    Raises:
        ZooError: no network within the bounds fits the images and classes.
    """
    bounds = shared.draw_bounds(rng)

    def draw() -> RecurrentArchitecture:
        cell = CELLS[number % len(CELLS)]
        return RecurrentArchitecture(
            image_shape,
            num_classes,
            cell=cell,
            units=tuple(4 * int(rng.integers(2, 13)) for _ in range(rng.integers(1, 3))),
            both_ways=bool(rng.random() < 0.3),
            activation=str(rng.choice(["tanh", "relu"])) if cell == "simple" else "tanh",
            norm=str(rng.choice(["none", "layer"])),
            pooling=str(rng.choice(["last", "mean", "max"])),
            head_units=int(rng.choice([0, 0, 16, 32])),
            dropout=bool(rng.random() < 0.4),
        )

    return draw_within(draw, family="recurrent", image_shape=image_shape, num_classes=num_classes, **bounds)
