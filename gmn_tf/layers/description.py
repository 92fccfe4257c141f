"""What a network's parameter graph looks like from outside: counts of labels and scales of weights."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.layers.features import NUM_ACTIVATIONS, NUM_EDGE_TYPES, NUM_NODE_TYPES, num_components
from gmn_tf.layers.label_statistics import FIRST_PARAMETERLESS_TYPE

NUM_FEATURES = NUM_NODE_TYPES + NUM_ACTIVATIONS + 3 * NUM_EDGE_TYPES + 1 + 2 * FIRST_PARAMETERLESS_TYPE

_SMALLEST = 1e-2
"""Below this scale weights count as nearly zero: freshly made biases are, and it means nothing."""


def describe(graph: tfgnn.GraphTensor) -> tf.Tensor:
    """Features of each component that nothing was learnt for; no order of nodes or edges enters.

    `log(1 + n)` of its nodes by type and by activation, of its edges by type, of the coordinates that these
    edges' kernel positions and entry positions have, and of its layers; for every edge type with parameters
    the log of the root mean square of its values (those that are not 0), and how far, in logs, the largest
    lies above it. All are logs, so that a difference of 1 is a factor of e.

    Args:
        graph: scalar GraphTensor as of `gmn_tf.graph.tensor`, bundled or not.

    Returns:
        float32 [num_components, NUM_FEATURES].
    """
    nodes, edges = graph.node_sets[schema.NODE_SET], graph.edge_sets[schema.EDGE_SET]
    components = num_components(graph)
    numbers = tf.range(components, dtype=tf.int32)
    of_node = tfgnn.broadcast_context_to_nodes(graph, schema.NODE_SET, feature_value=numbers)
    of_edge = tfgnn.broadcast_context_to_edges(graph, schema.EDGE_SET, feature_value=numbers)

    def counts(component: tf.Tensor, label: tf.Tensor, size: int, of: tf.Tensor | None = None) -> tf.Tensor:
        cell = component * size + tf.clip_by_value(label, 0, size - 1)
        of = tf.ones_like(cell, tf.float32) if of is None else of
        found = tf.math.unsorted_segment_sum(of, cell, components * size)
        return tf.math.log1p(tf.reshape(found, [components, size]))

    def coordinates(position: tf.Tensor) -> tf.Tensor:
        used = tf.reduce_sum(tf.cast(position != schema.NO_POSITION, tf.float32), axis=1)
        return counts(of_edge, edges[schema.TYPE], NUM_EDGE_TYPES, used)

    layers = tf.math.unsorted_segment_max(nodes[schema.LAYER], of_node, components)
    return tf.concat(
        [
            counts(of_node, nodes[schema.TYPE], NUM_NODE_TYPES),
            counts(of_node, nodes[schema.ACTIVATION], NUM_ACTIVATIONS),
            counts(of_edge, edges[schema.TYPE], NUM_EDGE_TYPES),
            coordinates(edges[schema.KERNEL_POSITION]),
            coordinates(edges[schema.ENTRY_POSITION]),
            tf.math.log1p(tf.cast(tf.maximum(layers, 0), tf.float32))[:, tf.newaxis],
            _scales(edges[schema.VALUE], of_edge, edges[schema.TYPE], components),
        ],
        axis=1,
    )


def _scales(
    value: tf.Tensor, component: tf.Tensor, edge_type: tf.Tensor, components: int | tf.Tensor
) -> tf.Tensor:
    """Logs of root mean square and of peak over it, by edge type: [components, 2 * types]."""
    types = FIRST_PARAMETERLESS_TYPE
    # Edges without a parameter go to a last cell, which is dropped.
    cell = tf.where(edge_type < types, component * types + tf.maximum(edge_type, 0), components * types)
    cells = components * types + 1
    size = tf.abs(value)
    peak = tf.maximum(tf.math.unsorted_segment_max(tf.reduce_max(size, axis=1), cell, cells), 0.0)
    # Squares are taken of shares of the peak: those of very large weights would overflow.
    share = size / tf.maximum(tf.gather(peak, cell), 1e-30)[:, tf.newaxis]
    there = tf.reduce_sum(tf.cast(value != 0, tf.float32), axis=1)
    count = tf.math.unsorted_segment_sum(there, cell, cells)
    squares = tf.math.unsorted_segment_sum(tf.reduce_sum(tf.square(share), axis=1), cell, cells)
    scale = peak * tf.sqrt(squares / tf.maximum(count, 1.0))

    def log(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.math.log(x[:-1] + _SMALLEST), [components, types])

    return tf.concat([log(scale), log(peak) - log(scale)], axis=1)
