"""Layers of N networks at once, for TensorFlow graphs; what the families' `logits` are built of.

Activations of convolutions are [batch, height, width, N * channels]: network n owns a run of channels, so a
convolution of all networks is one grouped convolution, and a BatchNorm of all networks is one BatchNorm. A
sequence is an image of height 1. The weights come piece by piece from a flat [N, P], see `Pieces`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from gmn_tf.zoo.families.architecture import NORM_EPSILON, Dropout, Variable

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": tf.nn.relu,
    "tanh": tf.nn.tanh,
    "gelu": lambda x: tf.nn.gelu(x, approximate=False),
    "silu": tf.nn.silu,
}


class Pieces:
    """The weights of N networks, variable by variable, and the moments that BatchNorms leave on the way."""

    def __init__(self, flat: Any, variables: Sequence[Variable], *, training: bool) -> None:
        self.count = tf.shape(flat)[0]
        self.training = training
        self.moments: list[Any] = []
        self._pieces = iter(tf.split(flat, [variable.size for variable in variables], axis=1))

    def next(self) -> Any:
        """The next variable, [N, size]."""
        return next(self._pieces)


def stack_images(images: Any) -> Any:
    """[N, B, H, W, C] -> [B, H, W, N * C]."""
    shape = tf.shape(images)
    merged = tf.transpose(images, [1, 2, 3, 0, 4])
    return tf.reshape(merged, [shape[1], images.shape[2], images.shape[3], shape[0] * images.shape[4]])


def convolution(
    x: Any, pieces: Pieces, *, channels: int, filters: int, kernel: tuple[int, int], stride: tuple[int, int]
) -> Any:
    """Convolution ("same") and bias: [B, H, W, N * channels] -> [B, H', W', N * filters]."""
    weights = tf.reshape(pieces.next(), [pieces.count, *kernel, channels, filters])
    merged = tf.transpose(weights, [1, 2, 3, 0, 4])
    merged = tf.reshape(merged, [*kernel, channels, pieces.count * filters])
    return tf.nn.bias_add(tf.nn.conv2d(x, merged, stride, "SAME"), tf.reshape(pieces.next(), [-1]))


def batch_norm(x: Any, pieces: Pieces, *, channels: int) -> Any:
    """BatchNormalization over [B, H, W, N * channels]; in training its moments go to `pieces.moments`."""
    scale, shift, mean, variance = (tf.reshape(pieces.next(), [-1]) for _ in range(4))  # [N * C]
    training = pieces.training
    empty = tf.zeros([0])
    y, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=shift,
        mean=empty if training else mean,
        variance=empty if training else variance,
        epsilon=NORM_EPSILON,
        is_training=training,
    )
    if training:
        entries = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
        # TensorFlow answers the unbiased variance, Keras keeps the biased one.
        biased = batch_variance * (entries - 1.0) / entries
        shape = [pieces.count, channels]
        pieces.moments += [tf.reshape(batch_mean, shape), tf.reshape(biased, shape)]
    return y


def group_norm(x: Any, pieces: Pieces, *, channels: int, groups: int) -> Any:
    """GroupNormalization over [B, H, W, N * channels]."""
    scale, shift = (tf.reshape(pieces.next(), [-1]) for _ in range(2))  # [N * C]
    height, width = x.shape[1], x.shape[2]
    grouped = tf.reshape(x, [-1, height * width, pieces.count * groups, channels // groups])
    mean, variance = tf.nn.moments(grouped, axes=[1, 3], keepdims=True)
    grouped = (grouped - mean) * tf.math.rsqrt(variance + NORM_EPSILON)
    return tf.reshape(grouped, [-1, height, width, pieces.count * channels]) * scale + shift


def apart(x: Any, *, channels: int, count: Any) -> Any:
    """[B, H, W, N * C] -> [B, H, W, N, C]."""
    return tf.reshape(x, [-1, x.shape[1], x.shape[2], count, channels])


def classifier(
    x: Any,
    pieces: Pieces,
    *,
    head: str,
    channels: int,
    num_classes: int,
    dropout: Dropout | None = None,
    number: int = 0,
) -> Any:
    """Pooling over space ("average") or not ("flatten"), dropout, Dense.

    Args:
        x: [B, H, W, N, channels].
        dropout: None for none; `number` is that of this dropout layer.

    Returns:
        [N, B, classes].
    """
    if head == "average":
        x = tf.reduce_mean(x, axis=[1, 2], keepdims=True)  # [B, 1, 1, N, C]
    if dropout is not None:
        x = dropout(x, number, axis=3)
    features = x.shape[1] * x.shape[2] * channels
    x = tf.reshape(tf.transpose(x, [3, 0, 1, 2, 4]), [pieces.count, -1, features])  # [N, B, F]
    return dense(x, pieces, features=features, units=num_classes)


def dense(x: Any, pieces: Pieces, *, features: int, units: int) -> Any:
    """Kernel and bias: [N, ..., features] -> [N, ..., units], with one axis between."""
    kernel = tf.reshape(pieces.next(), [pieces.count, features, units])
    return tf.matmul(x, kernel) + pieces.next()[:, tf.newaxis, :]
