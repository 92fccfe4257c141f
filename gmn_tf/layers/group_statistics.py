"""Moments and quantiles of the values within each edge group, the statistics StatNN judges by."""

from __future__ import annotations

import tensorflow as tf

from gmn_tf.layers.groups import EdgeGroups

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)

NUM_STATISTICS = 2 + 2 * len(QUANTILES)
"""Per channel: mean, log deviation, the quantiles, the quantiles in units of the deviation."""

_SMALLEST = 1e-4
"""Floor of a group's standard deviation: a group of equal values must not divide by rounding noise."""


def group_statistics(groups: EdgeGroups, values: tf.Tensor) -> tf.Tensor:
    """[E, channels] to [C * S, channels * NUM_STATISTICS]; 0 in unused slots.

    Exact quantiles (linear interpolation between the sorted values), so invariant to any order of the
    edges. One sort per channel; differentiable in the values wherever no two are equal.
    """
    columns = [_column(groups, values[:, k]) for k in range(values.shape[-1])]
    return tf.concat(columns, axis=-1)


def _column(groups: EdgeGroups, values: tf.Tensor) -> tf.Tensor:
    mean = groups.mean(values[:, tf.newaxis])  # [C * S, 1]
    variance = groups.mean(tf.square(values[:, tf.newaxis] - groups.gather(mean)))
    deviation = tf.sqrt(variance + _SMALLEST**2)
    quantiles = _quantiles(groups, values)  # [C * S, Q]
    features = [mean, tf.math.log(deviation), quantiles, (quantiles - mean) / deviation]
    used = tf.cast(groups.count > 0, values.dtype)[:, tf.newaxis]
    return tf.concat(features, axis=-1) * used


def _quantiles(groups: EdgeGroups, values: tf.Tensor) -> tf.Tensor:
    # Sort by (group, value): one 64-bit key, its upper half the group, its lower half the bits of the
    # float made monotone (negative floats count downwards).
    bits = tf.bitcast(values, tf.int32)
    bits = tf.where(bits < 0, tf.bitwise.bitwise_xor(bits, 0x7FFFFFFF), bits)
    key = tf.cast(groups.of_edge, tf.int64) * 2**32 + tf.cast(bits, tf.int64)
    order = tf.argsort(key)
    start = tf.cumsum(groups.count, exclusive=True)  # [C * S]
    last = tf.cast(tf.maximum(groups.count - 1, 0), values.dtype)
    place = last[:, tf.newaxis] * tf.constant(QUANTILES, values.dtype)  # [C * S, Q]
    below = tf.cast(tf.floor(place), tf.int32)
    above = tf.cast(tf.math.ceil(place), tf.int32)
    final = tf.shape(values)[0] - 1

    def at(offset: tf.Tensor) -> tf.Tensor:
        row = tf.clip_by_value(start[:, tf.newaxis] + offset, 0, tf.maximum(final, 0))
        return tf.gather(values, tf.gather(order, row))

    low, high = at(below), at(above)
    return low + (high - low) * (place - tf.floor(place))
