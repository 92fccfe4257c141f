"""Edges in an order that their labels decide, however they are stored; for models that read lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.layers.features import NUM_EDGE_TYPES, edge_components
from gmn_tf.layers.label_statistics import FIRST_PARAMETERLESS_TYPE

_POSITION_BITS, _NODE_BITS, _LAYER_BITS, _TYPE_BITS = 10, 31, 16, 8
_BLOCK = 256


@dataclass(frozen=True)
class EdgeLabels:
    """What the order of edges goes by, [E] each: component, layer, type, source and target int32, positions.

    Attributes:
        position: int64, kernel position and entry position in one number, in lexicographic order (of
            coordinates up to 1,021; what is beyond keeps the order it is stored in).
    """

    component: tf.Tensor
    layer: tf.Tensor
    type: tf.Tensor
    source: tf.Tensor
    target: tf.Tensor
    position: tf.Tensor

    def gather(self, order: tf.Tensor) -> EdgeLabels:
        """The labels of the edges `order`."""
        return EdgeLabels(*(tf.gather(column, order) for column in vars(self).values()))


def edge_labels(graph: tfgnn.GraphTensor) -> EdgeLabels:
    """The labels of a scalar GraphTensor's edges, in the order they are stored in."""
    edges = graph.edge_sets[schema.EDGE_SET]
    position = tf.zeros_like(edges[schema.TYPE], tf.int64)
    for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
        for axis in range(schema.POSITION_SIZE):
            coordinate = tf.clip_by_value(edges[name][:, axis] + 1, 0, 2**_POSITION_BITS - 1)
            position = position * 2**_POSITION_BITS + tf.cast(coordinate, tf.int64)
    return EdgeLabels(
        component=edge_components(graph),
        layer=tf.clip_by_value(edges[schema.LAYER], 0, 2**_LAYER_BITS - 1),
        type=tf.clip_by_value(edges[schema.TYPE], 0, NUM_EDGE_TYPES - 1),
        source=tf.cast(edges.adjacency[tfgnn.SOURCE], tf.int32),
        target=tf.cast(edges.adjacency[tfgnn.TARGET], tf.int32),
        position=position,
    )


def by_variable(labels: EdgeLabels) -> tf.Tensor:
    """Order of a flattened list of weights: by component, layer, type, target, source, position; int32 [E].

    In networks of dense and convolutional layers that is layer after layer the kernel and the bias, the
    kernel filter by filter, with the taps of one pair of channels side by side.
    """
    return lexicographic([_variable(labels), pair_key(labels), labels.position])


def by_neuron(labels: EdgeLabels) -> tf.Tensor:
    """Order by component, layer, target, type, source, position; int32 [E]: neuron by neuron."""
    place = _join(labels.component, labels.layer, _LAYER_BITS)
    neuron = _join(labels.target, labels.type, _TYPE_BITS)
    return lexicographic([place, neuron, labels.source, labels.position])


def pair_key(labels: EdgeLabels) -> tf.Tensor:
    """One number per (target, source), rising by target first; int64 [E]."""
    return _join(labels.target, labels.source, _NODE_BITS)


def lexicographic(keys: Sequence[tf.Tensor]) -> tf.Tensor:
    """Stable order of rows by integer keys [E], the first of which decides most; int32 [E]."""
    order = tf.argsort(keys[-1], stable=True)
    for key in reversed(keys[:-1]):
        order = tf.gather(order, tf.argsort(tf.gather(key, order), stable=True))
    return order


def starts_run(*keys: tf.Tensor) -> tf.Tensor:
    """Which rows of sorted keys [E] differ from the row before; int32 [E], 1 or 0, 1 for the first."""
    changed = tf.zeros_like(keys[0][1:], tf.bool)
    for key in keys:
        changed |= key[1:] != key[:-1]
    return tf.concat([tf.ones_like(keys[0][:1], tf.int32), tf.cast(changed, tf.int32)], axis=0)


def running_sum(counts: tf.Tensor) -> tf.Tensor:
    """Sums of counts [E] up to and with each row; int32.

    Block by block, since XLA's cumulative sum does quadratic work on long axes.
    """
    size = tf.shape(counts)[0] if counts.shape[0] is None else counts.shape[0]
    blocks = -(-size // _BLOCK)
    padded = tf.pad(counts, [[0, blocks * _BLOCK - size]])
    within = tf.cumsum(tf.reshape(padded, [blocks, _BLOCK]), axis=1)
    before = tf.cumsum(within[:, -1], exclusive=True)
    return tf.reshape(within + before[:, tf.newaxis], [-1])[:size]


def present_values(labels: EdgeLabels, values: tf.Tensor) -> tf.Tensor:
    """Which of the values [E, channels] are weights; bool.

    Not those of parameterless edges, and not a channel but the first that is 0 on all edges of a component
    that share layer, type and positions: a bundle of edges has no such tap there.
    """
    carries = (labels.type < FIRST_PARAMETERLESS_TYPE)[:, tf.newaxis]
    if values.shape[-1] == 1:
        return carries
    size = tf.shape(values)[0] if values.shape[0] is None else values.shape[0]
    keys = [_variable(labels), labels.position]
    order = lexicographic(keys)
    run = running_sum(starts_run(*(tf.gather(key, order) for key in keys))) - 1
    run = tf.math.unsorted_segment_sum(run, order, size)  # back to the order of storage
    seen = tf.math.unsorted_segment_sum(tf.cast(values != 0, tf.int32), run, size) > 0
    seen = tf.concat([tf.ones_like(seen[:, :1]), seen[:, 1:]], axis=-1)
    return tf.gather(seen, run) & carries


def _variable(labels: EdgeLabels) -> tf.Tensor:
    return _join(_join(labels.component, labels.layer, _LAYER_BITS), labels.type, _TYPE_BITS)


def _join(high: tf.Tensor, low: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.cast(high, tf.int64) * 2**bits + tf.cast(low, tf.int64)
