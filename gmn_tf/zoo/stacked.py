"""The function of N networks of one architecture at once, for TensorFlow graphs.

The weights of a network are one flat vector in the order of Keras' `get_weights()`; a group is [N, P].
Images and activations are [batch, height, width, N * channels]: network n owns a run of channels, so a
convolution of all networks is one grouped convolution, and a BatchNorm of all networks is one BatchNorm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from gmn_tf.zoo import recipe
from gmn_tf.zoo.recipe import Architecture, Block

Dropout = Callable[[Any, int], Any]
"""(activations [B, H, W, N, C], number of the dropout layer) -> the same shape."""

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": tf.nn.relu,
    "tanh": tf.nn.tanh,
    "gelu": lambda x: tf.nn.gelu(x, approximate=False),
}


def stack_images(images: Any) -> Any:
    """[B, N, H, W, C], image b of network n -> [B, H, W, N * C]."""
    shape = tf.shape(images)
    merged = tf.transpose(images, [0, 2, 3, 1, 4])
    return tf.reshape(merged, [shape[0], images.shape[2], images.shape[3], shape[1] * images.shape[4]])


def logits(
    architecture: Architecture,
    flat: Any,
    images: Any,
    *,
    dropout: Dropout | None = None,
    training: bool = False,
) -> tuple[Any, list[Any]]:
    """Class scores of every network on its own images.

    Args:
        flat: float32 [N, P].
        images: float32 [B, H, W, N * C], see `stack_images`.
        dropout: applied where the architecture has dropout; None for none.
        training: BatchNorm uses the statistics of the batch.

    Returns:
        [N, B, classes], and for each BatchNorm, in order, mean and (biased) variance of the batch, each
        [N, C]; an empty list unless `training`.
    """
    pieces = iter(tf.split(flat, [variable.size for variable in architecture.variables()], axis=1))
    count = tf.shape(flat)[0]
    moments: list[Any] = []
    dropped = 0
    x, channels = images, architecture.image_shape[2]
    for block, size in zip(architecture.blocks, architecture.sizes(), strict=True):
        x = _convolution(x, next(pieces), next(pieces), count, channels, block)
        channels = block.filters
        if block.norm == "batch":
            x, found = _batch_norm(x, pieces, count, channels, training)
            moments += found
        elif block.norm == "group":
            x = _group_norm(x, pieces, count, channels, block.groups)
        x = _ACTIVATIONS[block.activation](x)
        if block.pool != "none":
            x = (tf.nn.max_pool2d if block.pool == "max" else tf.nn.avg_pool2d)(x, 2, 2, "VALID")
        x = tf.reshape(x, [-1, size[0], size[1], count, channels])  # [B, H, W, N, C]
        if block.dropout:
            x = dropout(x, dropped) if dropout is not None else x
            dropped += 1
        if block is not architecture.blocks[-1]:
            x = tf.reshape(x, [-1, size[0], size[1], count * channels])
    if architecture.head == "average":
        x = tf.reduce_mean(x, axis=[1, 2], keepdims=True)  # [B, 1, 1, N, C]
    if architecture.dropout and dropout is not None:
        x = dropout(x, dropped)
    features = x.shape[1] * x.shape[2] * channels
    x = tf.reshape(tf.transpose(x, [3, 0, 1, 2, 4]), [count, -1, features])  # [N, B, F]
    kernel = tf.reshape(next(pieces), [count, features, architecture.num_classes])
    return tf.matmul(x, kernel) + next(pieces)[:, tf.newaxis, :], moments


def _convolution(x: Any, kernel: Any, bias: Any, count: Any, channels: int, block: Block) -> Any:
    kernel = tf.reshape(kernel, [count, 3, 3, channels, block.filters])
    kernel = tf.reshape(tf.transpose(kernel, [1, 2, 3, 0, 4]), [3, 3, channels, count * block.filters])
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, block.stride, "SAME"), tf.reshape(bias, [-1]))


def _batch_norm(
    x: Any, pieces: Iterator[Any], count: Any, channels: int, training: bool
) -> tuple[Any, list[Any]]:
    scale, shift, mean, variance = (tf.reshape(next(pieces), [-1]) for _ in range(4))  # [N * C]
    empty = tf.zeros([0])
    y, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=shift,
        mean=empty if training else mean,
        variance=empty if training else variance,
        epsilon=recipe.BATCH_NORM_EPSILON,
        is_training=training,
    )
    if not training:
        return y, []
    entries = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
    biased = (
        batch_variance * (entries - 1.0) / entries
    )  # TensorFlow answers the unbiased one, Keras keeps this
    return y, [tf.reshape(batch_mean, [count, channels]), tf.reshape(biased, [count, channels])]


def _group_norm(x: Any, pieces: Iterator[Any], count: Any, channels: int, groups: int) -> Any:
    scale, shift = (tf.reshape(next(pieces), [-1]) for _ in range(2))  # [N * C]
    height, width = x.shape[1], x.shape[2]
    grouped = tf.reshape(x, [-1, height * width, count * groups, channels // groups])
    mean, variance = tf.nn.moments(grouped, axes=[1, 3], keepdims=True)
    grouped = (grouped - mean) * tf.math.rsqrt(variance + recipe.GROUP_NORM_EPSILON)
    return tf.reshape(grouped, [-1, height, width, count * channels]) * scale + shift
