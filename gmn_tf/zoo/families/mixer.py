"""MLP-Mixers: Dense layers along the patches and along the channels in turn.

Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision" (NeurIPS 2021), section 2.
"""

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
from gmn_tf.zoo.families.shared import Patch, SequenceArchitecture
from gmn_tf.zoo.stacked import ACTIVATIONS

_DEPTHS = (1, 2, 1, 3, 2, 2, 1, 3)
_MAX_MORE_EDGES = 9000
"""Edges of the parameter graph beyond one per parameter. Patches that are mixed have nodes of their own in
every channel: a block adds about 4 edges per channel and hidden unit, and 17 per channel and patch."""


@dataclasses.dataclass(frozen=True)
class MixerArchitecture(SequenceArchitecture):
    """Patch embedding, Mixer blocks, mean over the patches and a Dense classifier.

    Attributes:
        patch: pixels of one patch.
        units: channels, the width of the residual stream.
        depth: number of blocks, each token mixing and channel mixing, with residual connections.
        token_hidden: hidden width of token mixing.
        hidden: hidden width of channel mixing.
        activation: of the hidden layers.
        norm: before each mixing and at the end: "layer" or "none".
        dropout: of what each mixing adds.
    """

    family: ClassVar[str] = "mixer"

    patch: Patch
    units: int
    depth: int = 1
    token_hidden: int = 16
    hidden: int = 32
    activation: str = "gelu"
    norm: str = "layer"
    dropout: bool = False

    @property
    def width(self) -> int:
        return self.units

    @property
    def has_dropout(self) -> bool:
        return self.dropout

    def variables(self) -> list[Variable]:
        units, tokens = self.units, shared.num_patches(self.image_shape, self.patch)
        embedding = [
            Variable("kernel", (*self.patch, self.image_shape[2], units)),
            Variable("bias", (units,)),
        ]
        norm = shared.norm(self.norm, units)
        token_mixing = shared.dense(tokens, self.token_hidden) + shared.dense(self.token_hidden, tokens)
        channel_mixing = shared.dense(units, self.hidden) + shared.dense(self.hidden, units)
        blocks = self.depth * (norm + token_mixing + norm + channel_mixing)
        return embedding + blocks + norm + shared.dense(units, self.num_classes)

    def keras_model(self, *, name: str = "mixer") -> keras.Model:
        tokens = shared.num_patches(self.image_shape, self.patch)
        inputs = keras.Input(self.image_shape, name="image")
        x = layers.Conv2D(self.units, self.patch, strides=self.patch, name="patches")(inputs)
        x = layers.Reshape((tokens, self.units), name="sequence")(x)
        for number in range(self.depth):
            y = self._norm(x, f"tokens_{number}_norm")
            y = layers.Permute((2, 1), name=f"tokens_{number}_last")(y)
            y = self._mlp(y, f"tokens_{number}", self.token_hidden, tokens)
            y = layers.Permute((2, 1), name=f"tokens_{number}_first")(y)
            x = self._add(x, y, f"tokens_{number}")
            y = self._norm(x, f"channels_{number}_norm")
            y = self._mlp(y, f"channels_{number}", self.hidden, self.units)
            x = self._add(x, y, f"channels_{number}")
        x = shared.keras_pool(self._norm(x, "norm"), "mean", name="pool")
        return keras.Model(inputs, layers.Dense(self.num_classes, name="classifier")(x), name=name)

    def _norm(self, x: Any, name: str) -> Any:
        return shared.keras_norm(x, self.norm, name=name)

    def _mlp(self, x: Any, name: str, hidden: int, units: int) -> Any:
        x = layers.Dense(hidden, activation=self.activation, name=f"{name}_hidden")(x)
        return layers.Dense(units, name=f"{name}_out")(x)

    def _add(self, x: Any, y: Any, name: str) -> Any:
        if self.dropout:
            y = layers.Dropout(0.0, name=f"{name}_dropout")(y)
        return layers.Add(name=f"{name}_add")([x, y])

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        weights = sequences.Weights(flat, self.variables(), training=training)
        activate = ACTIVATIONS[self.activation]
        x = sequences.embed_patches(images, self.patch, weights.next(), weights.next())
        for number in range(2 * self.depth):
            along_tokens = number % 2 == 0
            y = sequences.normalise(x, weights, self.norm)
            y = tf.transpose(y, [0, 1, 3, 2]) if along_tokens else y
            y = sequences.mlp(y, weights, activate)
            y = tf.transpose(y, [0, 1, 3, 2]) if along_tokens else y
            x += dropout(y, number) if self.dropout and dropout is not None else y
        x = sequences.pool(sequences.normalise(x, weights, self.norm), "mean")
        return sequences.dense(x, weights.next(), weights.next()), weights.moments


def sample(
    rng: np.random.Generator, *, image_shape: tuple[int, int, int], num_classes: int, number: int
) -> MixerArchitecture:
    """Architecture `number` of a population: depth goes round with the number, the rest is drawn.

    Raises:
        ZooError: no network within the bounds fits the images and classes.
    """
    bounds = shared.draw_bounds(rng)
    depth = _DEPTHS[number % len(_DEPTHS)]

    def draw() -> MixerArchitecture | None:
        patch = shared.draw_patch(rng, image_shape, patches=range(8, 37))
        if patch is None:
            return None
        units = 4 * int(rng.integers(2, 10))
        token_hidden = 4 * int(rng.integers(2, 9))
        tokens = shared.num_patches(image_shape, patch)
        if depth * units * (4 * token_hidden + 17 * tokens) > _MAX_MORE_EDGES:
            return None
        return MixerArchitecture(
            image_shape,
            num_classes,
            patch=patch,
            units=units,
            depth=depth,
            token_hidden=token_hidden,
            hidden=4 * int(rng.integers(2, units // 2 + 1)),
            activation=str(rng.choice(["gelu", "gelu", "relu", "silu"])),
            norm=str(rng.choice(["layer", "layer", "layer", "none"])),
            dropout=bool(rng.random() < 0.4),
        )

    return draw_within(draw, family="mixer", image_shape=image_shape, num_classes=num_classes, **bounds)
