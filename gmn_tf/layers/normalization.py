"""Layer normalisation as a function of tensors, for use inside functions of chunks of edges."""

from __future__ import annotations

import tensorflow as tf

EPSILON = 1e-3


def layer_normalize(x: tf.Tensor, gain: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """`(x - mean) / sqrt(variance + EPSILON) * gain + shift` over the last axis (Ba et al. 2016).

    Moments are taken in float32 at least; the result has the type of x.
    """
    wide = tf.cast(x, tf.float32) if x.dtype.size < 4 else x
    centred = wide - tf.reduce_mean(wide, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    normalized = tf.cast(centred * tf.math.rsqrt(variance + EPSILON), x.dtype)
    return normalized * gain + shift
