"""Moments and quantiles of the values within each edge group, the statistics StatNN judges by."""

from __future__ import annotations

import tensorflow as tf

from gmn_tf.layers.groups import EdgeGroups

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)

NUM_STATISTICS = 2 + 2 * len(QUANTILES)
"""Mean, log deviation, the quantiles, the quantiles in units of the deviation."""

_SMALLEST = 1e-4
"""Floor of a group's standard deviation: a group of equal values must not divide by rounding noise."""


def group_statistics(groups: EdgeGroups, values: tf.Tensor, *, bundled: bool = False) -> tf.Tensor:
    """Statistics of [E, channels] per group; 0 in unused slots.

    Exact quantiles (linear interpolation between the sorted values), so invariant to any order of the
    edges. One sort; differentiable in the values wherever no two are equal.

    Args:
        groups: which edges belong together.
        values: float32 [E, channels].
        bundled: channels are parallel edges in one (the taps of a kernel), so their values count alike,
            as if the edges were apart. A channel but the first that is 0 throughout a group is one that
            the group does not have.

    Returns:
        [C * S, NUM_STATISTICS] if bundled, else [C * S, channels * NUM_STATISTICS].
    """
    channels = values.shape[-1]
    if not bundled or channels == 1:
        columns = [_statistics(values[:, k], groups.of_edge, groups.num_groups) for k in range(channels)]
        return tf.concat(columns, axis=-1)
    there = groups.sum(tf.cast(values != 0, tf.int32)) > 0  # [C * S, channels]
    there = tf.concat([tf.ones_like(there[:, :1]), there[:, 1:]], axis=-1)
    group = tf.where(groups.gather(there), groups.of_edge[:, tf.newaxis], groups.num_groups)
    return _statistics(tf.reshape(values, [-1]), tf.reshape(group, [-1]), groups.num_groups)


def _statistics(values: tf.Tensor, group: tf.Tensor, num_groups: int | tf.Tensor) -> tf.Tensor:
    """[n] values of groups [n] to [num_groups, NUM_STATISTICS]; those of group `num_groups` are left out."""
    count = tf.math.unsorted_segment_sum(tf.ones_like(group), group, num_groups + 1)
    share = 1.0 / tf.cast(tf.maximum(count, 1), values.dtype)

    def average(column: tf.Tensor) -> tf.Tensor:
        return tf.math.unsorted_segment_sum(column, group, num_groups + 1) * share

    mean = average(values)
    deviation = tf.sqrt(average(tf.square(values - tf.gather(mean, group))) + _SMALLEST**2)
    mean, deviation = mean[:num_groups, tf.newaxis], deviation[:num_groups, tf.newaxis]
    count = count[:num_groups]
    quantiles = _quantiles(values, group, count)
    features = [mean, tf.math.log(deviation), quantiles, (quantiles - mean) / deviation]
    return tf.concat(features, axis=-1) * tf.cast(count > 0, values.dtype)[:, tf.newaxis]


def _quantiles(values: tf.Tensor, group: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    # Sort by (group, value): one 64-bit key, its upper half the group, its lower half the bits of the
    # float made monotone (negative floats count downwards).
    bits = tf.bitcast(values, tf.int32)
    bits = tf.where(bits < 0, tf.bitwise.bitwise_xor(bits, 0x7FFFFFFF), bits)
    key = tf.cast(group, tf.int64) * 2**32 + tf.cast(bits, tf.int64)
    order = tf.argsort(key)
    start = tf.cumsum(count, exclusive=True)[:, tf.newaxis]  # [groups, 1]
    last = tf.cast(tf.maximum(count - 1, 0), values.dtype)
    place = last[:, tf.newaxis] * tf.constant(QUANTILES, values.dtype)  # [groups, quantiles]
    final = tf.maximum(tf.shape(values)[0] - 1, 0)

    def at(offset: tf.Tensor) -> tf.Tensor:
        row = tf.clip_by_value(start + tf.cast(offset, tf.int32), 0, final)
        return tf.gather(values, tf.gather(order, row))

    below = tf.floor(place)
    low, high = at(below), at(tf.math.ceil(place))
    return low + (high - low) * (place - below)
