"""Bundling inside a served function: parallel edges of a pair of nodes become one edge with several values.

The same as `gmn_tf.training.structure.Structure.of(graph, channels=...)`, in TensorFlow operations, so that
an export takes parameter graphs as they are drawn, however its metanetwork was trained to read them.
"""

from __future__ import annotations

import math

import tensorflow as tf

from gmn_tf.graph import schema

_KEYS = (schema.SOURCE, schema.TARGET, schema.TYPE, schema.LAYER)


def bundle(
    edges: dict[str, tf.Tensor], edge_sizes: tf.Tensor, *, channels: int
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Edges of a batch, up to `channels` values each, from edges of one value each.

    Args:
        edges: source, target, type, layer, depth [E], kernel_position and entry_position [E, 3] and value
            [E, 1]; sources and targets count nodes over the whole batch.
        edge_sizes: int32 [networks].
        channels: places for values on an edge.

    Returns:
        The same columns for the bundles, value [bundles, channels], and their sizes per network.
    """
    tile, channel, has_kernel = _tiles(edges, channels)
    kernel = tf.where(has_kernel, tile, edges[schema.KERNEL_POSITION])
    entry = tf.where(has_kernel, edges[schema.ENTRY_POSITION], tile)
    keys = tf.concat([tf.stack([edges[name] for name in _KEYS], axis=1), kernel, entry], axis=1)
    rows, number = tf.raw_ops.UniqueV2(x=keys, axis=[0])
    count = tf.shape(rows)[0]

    place = (number * channels + channel)[:, tf.newaxis]
    taken = tf.scatter_nd(place, tf.ones_like(channel), [count * channels])
    single = tf.debugging.assert_less(taken, 2, message="parallel edges of equal labels cannot be bundled")
    with tf.control_dependencies([single] if single is not None else []):
        values = tf.scatter_nd(place, edges[schema.VALUE][:, 0], [count * channels])

    network = tf.repeat(tf.range(tf.shape(edge_sizes)[0]), edge_sizes)
    network = tf.math.unsorted_segment_max(network, number, count)
    columns = dict(zip(_KEYS, tf.unstack(rows[:, : len(_KEYS)], num=len(_KEYS), axis=1), strict=True))
    columns[schema.KERNEL_POSITION], columns[schema.ENTRY_POSITION] = tf.split(
        rows[:, len(_KEYS) :], 2, axis=1
    )
    columns[schema.DEPTH] = tf.math.unsorted_segment_max(edges[schema.DEPTH], number, count)
    columns[schema.VALUE] = tf.reshape(values, [count, channels])
    sizes = tf.math.unsorted_segment_sum(tf.ones_like(network), network, tf.shape(edge_sizes)[0])
    return columns, sizes


def _tiles(edges: dict[str, tf.Tensor], channels: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Number of the tile [E, 3] and place in it [E] of each edge; whether it has a kernel position [E, 1]."""
    has_kernel = tf.reduce_any(edges[schema.KERNEL_POSITION] != schema.NO_POSITION, axis=1, keepdims=True)
    position = tf.where(has_kernel, edges[schema.KERNEL_POSITION], edges[schema.ENTRY_POSITION])
    used = position != schema.NO_POSITION
    sides = [1, *(_root(channels, degree) for degree in range(1, schema.POSITION_SIZE + 1))]
    rank = tf.reduce_sum(tf.cast(used, tf.int32), axis=1)
    side = tf.gather(tf.constant(sides, tf.int32), rank)
    tile = tf.where(used, position // side[:, tf.newaxis], position)
    within = tf.where(used, position % side[:, tf.newaxis], 0)
    channel = tf.zeros_like(rank)
    for axis in range(schema.POSITION_SIZE):
        channel = tf.where(used[:, axis], channel * side + within[:, axis], channel)
    return tile, channel, has_kernel


def _root(number: int, degree: int) -> int:
    """The largest integer whose power `degree` is at most `number`."""
    root = math.floor(number ** (1 / degree)) + 1
    while root**degree > number:
        root -= 1
    return root
