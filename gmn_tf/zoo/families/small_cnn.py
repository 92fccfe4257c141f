"""Family "small_cnn": the one network of the Small CNN Zoo (Unterthiner et al. 2020, section 4).

Three 3 x 3 convolutions of 16 channels with stride 2 on one channel, global average pooling, 10 logits: 4,970
parameters on images of any size. The published networks do not pad; images of fewer than 15 pixels a side are
padded ("same"), as nothing would be left of them. Not in `FAMILIES`: its populations have a recipe and a
format of their own, see `gmn_tf.zoo.small_cnn_generate`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import keras
import tensorflow as tf

from gmn_tf.errors import ZooError
from gmn_tf.zoo import stacked
from gmn_tf.zoo.families.architecture import Dropout, Variable

UNITS, LAYERS, KERNEL, STRIDE = 16, 3, 3, 2
MIN_UNPADDED = 15  # 15 -> 7 -> 3 -> 1
MIN_PADDED = 4
ACTIVATIONS = ("relu", "tanh")

_FUNCTIONS = {
    "relu": tf.nn.relu,
    "tanh": tf.nn.tanh,
    "sigmoid": tf.nn.sigmoid,
    "selu": tf.nn.selu,
}


@dataclasses.dataclass(frozen=True)
class SmallCnnArchitecture:
    """1-16-16-16-10 channels; `activation` is "relu" or "tanh" in the published runs."""

    family: ClassVar[str] = "small_cnn"
    width: ClassVar[int] = UNITS
    has_dropout: ClassVar[bool] = True

    image_shape: tuple[int, int, int]
    num_classes: int
    activation: str = "relu"

    def __post_init__(self) -> None:
        if self.activation not in _FUNCTIONS:
            raise ZooError(
                f'Received the activation "{self.activation}", expected one of {", ".join(_FUNCTIONS)}.'
            )
        height, width, channels = self.image_shape
        if channels != 1 or min(height, width) < MIN_PADDED:
            raise ZooError(
                f"Images of shape {self.image_shape} do not fit the family small_cnn: expected one channel "
                f'(put "@grey" behind the name of the data) and at least {MIN_PADDED} pixels a side.'
            )

    @property
    def padding(self) -> str:
        return "valid" if min(self.image_shape[:2]) >= MIN_UNPADDED else "same"

    def variables(self) -> list[Variable]:
        found: list[Variable] = []
        channels = self.image_shape[2]
        for _ in range(LAYERS):
            found.append(Variable("kernel", (KERNEL, KERNEL, channels, UNITS)))
            found.append(Variable("bias", (UNITS,)))
            channels = UNITS
        return [*found, Variable("kernel", (UNITS, self.num_classes)), Variable("bias", (self.num_classes,))]

    @property
    def num_parameters(self) -> int:
        return sum(math.prod(variable.shape) for variable in self.variables())

    def keras_model(self, *, name: str = "small_cnn") -> keras.Model:
        layers = keras.layers
        inputs = x = keras.Input(self.image_shape, name="image")
        for number in range(LAYERS):
            x = layers.Conv2D(
                UNITS,
                KERNEL,
                strides=STRIDE,
                padding=self.padding,
                activation=self.activation,
                name=f"conv_{number}",
            )(x)
            x = layers.Dropout(0.0, name=f"dropout_{number}")(x)
        x = layers.GlobalAveragePooling2D(name="head")(x)
        return keras.Model(inputs, layers.Dense(self.num_classes, name="classifier")(x), name=name)

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        del training  # no BatchNorm
        pieces = iter(tf.split(flat, [variable.size for variable in self.variables()], axis=1))
        count, channels = tf.shape(flat)[0], self.image_shape[2]
        x = stacked.stack_images(images)  # [B, H, W, N * C]
        for number in range(LAYERS):
            kernel = tf.reshape(next(pieces), [count, KERNEL, KERNEL, channels, UNITS])
            kernel = tf.transpose(kernel, [1, 2, 3, 0, 4])
            kernel = tf.reshape(kernel, [KERNEL, KERNEL, channels, count * UNITS])
            x = tf.nn.conv2d(x, kernel, STRIDE, self.padding.upper())
            x = _FUNCTIONS[self.activation](tf.nn.bias_add(x, tf.reshape(next(pieces), [-1])))
            channels = UNITS
            if dropout is not None:
                apart = tf.reshape(x, [-1, x.shape[1], x.shape[2], count, UNITS])  # [B, H, W, N, C]
                x = tf.reshape(dropout(apart, number, axis=3), tf.shape(x))
        pooled = tf.reshape(tf.reduce_mean(x, axis=[1, 2]), [-1, count, UNITS])  # [B, N, C]
        kernel = tf.reshape(next(pieces), [count, UNITS, self.num_classes])
        return tf.einsum("bnc,nck->nbk", pooled, kernel) + next(pieces)[:, tf.newaxis, :], []
