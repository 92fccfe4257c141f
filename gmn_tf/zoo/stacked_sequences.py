"""Layers on sets and sequences of N networks of one architecture at once, for TensorFlow graphs.

Activations are [N, B, ..., features]: the network comes first, so that a Dense layer of all networks is one
batched matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.zoo import stacked
from gmn_tf.zoo.families.architecture import NORM_EPSILON, Variable
from gmn_tf.zoo.families.shared import Patch


class Weights(stacked.Pieces):
    """The same weights, each in the shape of its variable."""

    def __init__(self, flat: Any, variables: Sequence[Variable], *, training: bool) -> None:
        super().__init__(flat, variables, training=training)
        self._shapes = iter([variable.shape for variable in variables])

    def next(self) -> Any:
        """The next variable, [N, *shape]."""
        return tf.reshape(super().next(), [-1, *next(self._shapes)])


def dense(x: Any, kernel: Any, bias: Any | None = None) -> Any:
    """x [N, ..., features], kernel [N, features, units], bias [N, units] -> [N, ..., units]."""
    shape = tf.shape(x)
    y = tf.matmul(tf.reshape(x, [shape[0], -1, x.shape[-1]]), kernel)
    if bias is not None:
        y += bias[:, tf.newaxis]
    y = tf.reshape(y, tf.concat([shape[:-1], [kernel.shape[-1]]], axis=0))
    return tf.ensure_shape(y, [*x.shape[:-1], kernel.shape[-1]])


def mlp(x: Any, weights: Weights, activation: Callable[[Any], Any]) -> Any:
    """Two Dense layers, an activation between them."""
    hidden = activation(dense(x, weights.next(), weights.next()))
    return dense(hidden, weights.next(), weights.next())


def normalise(x: Any, weights: Weights, kind: str) -> Any:
    """Normalises the features: "none", "layer", or "batch", whose moments go to `weights.moments`."""
    if kind == "none":
        return x
    scale, shift = weights.next(), weights.next()
    if kind == "layer":
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    else:
        mean, variance = weights.next(), weights.next()
        if weights.training:
            mean, variance = tf.nn.moments(x, axes=list(range(1, x.shape.rank - 1)))
            weights.moments += [mean, variance]
        mean, variance = _spread(mean, x), _spread(variance, x)
    factor = tf.math.rsqrt(variance + NORM_EPSILON) * _spread(scale, x)
    return (x - mean) * factor + _spread(shift, x)


def _spread(parameter: Any, x: Any) -> Any:
    """[N, features] -> [N, 1, ..., 1, features], to meet `x`."""
    return tf.reshape(parameter, [-1, *(1,) * (x.shape.rank - 2), parameter.shape[-1]])


def patches(images: Any, patch: Patch) -> Any:
    """[N, B, height, width, C] -> [N, B, patches, values], a patch's values row by row, channels last."""
    height, width, channels = images.shape[2:]
    rows, columns = height // patch[0], width // patch[1]
    shape = tf.shape(images)
    cut = tf.reshape(images, [-1, rows, patch[0], columns, patch[1], channels])
    cut = tf.transpose(cut, [0, 1, 3, 2, 4, 5])
    return tf.reshape(cut, [shape[0], shape[1], rows * columns, patch[0] * patch[1] * channels])


def with_coordinates(x: Any, coordinates: np.ndarray) -> Any:
    """Adds the same coordinates [elements, C] to the features of every set x [N, B, elements, features]."""
    shape = tf.concat([tf.shape(x)[:2], coordinates.shape], axis=0)
    return tf.concat([x, tf.broadcast_to(tf.constant(coordinates, x.dtype), shape)], axis=-1)


def embed_patches(images: Any, patch: Patch, kernel: Any, bias: Any) -> Any:
    """Linear map of each patch, [N, B, height, width, C] -> [N, B, patches, units].

    `kernel` is [N, height, width, C, units] of a patch; `bias` [N, units], or [N, rows, columns, units]
    with one for each patch.
    """
    units = kernel.shape[-1]
    values = patches(images, patch)
    y = dense(values, tf.reshape(kernel, [-1, values.shape[-1], units]))
    return y + tf.reshape(bias, [-1, 1, int(np.prod(bias.shape[1:-1])), units])


def attention(x: Any, weights: Weights) -> Any:
    """Self-attention [N, B, T, features] -> the same shape, as `keras.layers.MultiHeadAttention` does it."""
    projections = [(weights.next(), weights.next()) for _ in range(3)]  # query, key, value
    out_kernel, out_bias = weights.next(), weights.next()
    time, features = x.shape[2:]
    heads, dim = out_kernel.shape[1:3]
    kernel = tf.concat([tf.reshape(k, [-1, features, heads * dim]) for k, _ in projections], axis=2)
    bias = tf.concat([tf.reshape(b, [-1, heads * dim]) for _, b in projections], axis=1)
    shape = tf.shape(x)
    projected = tf.reshape(dense(x, kernel, bias), [-1, time, 3, heads, dim])
    query, key, value = tf.unstack(tf.transpose(projected, [2, 0, 3, 1, 4]))  # each [N * B, heads, T, dim]
    scores = tf.matmul(query * dim**-0.5, key, transpose_b=True)
    attended = tf.matmul(tf.nn.softmax(scores), value)
    attended = tf.transpose(attended, [0, 2, 1, 3])
    attended = tf.reshape(attended, [shape[0], shape[1], time, heads * dim])
    return dense(attended, tf.reshape(out_kernel, [-1, heads * dim, features]), out_bias)


def pool(x: Any, kind: str) -> Any:
    """ "mean" or "max" over the elements, [N, B, elements, features] -> [N, B, features]."""
    return tf.reduce_max(x, axis=2) if kind == "max" else tf.reduce_mean(x, axis=2)
