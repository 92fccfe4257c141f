"""Layer normalisation as functions of tensors, for use inside functions of chunks of edges."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

EPSILON = 1e-3


def layer_normalize(x: tf.Tensor, gain: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """`(x - mean) / sqrt(variance + EPSILON) * gain + shift` over the last axis (Ba et al. 2016).

    Moments are taken in float32 at least; the result has the type of x.
    """
    return standardize(x, *moments(x)) * gain + shift


def moments(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and `1 / sqrt(variance + EPSILON)` of each row, [K, 1], in float32 at least, without gradients."""
    x = tf.stop_gradient(_wide(x))
    mean = _row_mean(x)
    # EPSILON inside the mean: XLA sums a product along rows by a slow program, and a sum by a quick one.
    return mean, tf.math.rsqrt(_row_mean(tf.square(x - mean) + EPSILON))


@tf.custom_gradient
def standardize(x: tf.Tensor, mean: tf.Tensor, inverse: tf.Tensor) -> Any:
    """`(x - mean) * inverse` of `moments(x)`, whose dependence on x the gradient of x includes."""

    def standardized() -> tf.Tensor:
        return (_wide(x) - mean) * inverse

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
        given, rows = _wide(upstream), standardized()
        level = _row_mean(given)
        slope = _row_mean(given * rows - level * rows)  # not factored out: see `moments`
        return tf.cast(inverse * (given - level - slope * rows), x.dtype), None, None

    return tf.cast(standardized(), x.dtype), gradient


def _row_mean(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, axis=-1, keepdims=True)


def _wide(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32) if x.dtype.size < 4 else x
