"""What the layers need to know of how a batch of graphs hangs together, found once per batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.layers.edge_stream import Columns, EdgeStream
from gmn_tf.layers.features import num_components

SOURCE, TARGET, COMPONENT = "source", "target", "component"
"""Columns of the stream: nodes at the edge's ends, the component it is in."""

ENDS = {tfgnn.SOURCE: SOURCE, tfgnn.TARGET: TARGET}


@dataclass(frozen=True, repr=False)
class Topology:
    """N nodes, E edges, C components.

    Attributes:
        stream: the edges, with at least the columns SOURCE, TARGET and COMPONENT.
        num_nodes, num_components: N, C, ints where they are static.
        node_component: int32 [N].
        degree: float32 [N, 1] by TF-GNN tag: edges that have the node as their target, as their source.
        component_edges, component_nodes: float32 [C, 1], how many there are; at least 1, to divide by.
    """

    stream: EdgeStream
    num_nodes: int | tf.Tensor
    num_components: int | tf.Tensor
    node_component: tf.Tensor
    degree: dict[int, tf.Tensor]
    component_edges: tf.Tensor
    component_nodes: tf.Tensor

    def mean_of_nodes(self, states: tf.Tensor) -> tf.Tensor:
        """[N, d] to the mean over each component's nodes, [C, d]."""
        total = tf.math.unsorted_segment_sum(states, self.node_component, self.num_components)
        return total / tf.cast(self.component_nodes, states.dtype)


def topology(
    graph: tfgnn.GraphTensor, columns: Columns, make_stream: Callable[[Columns], EdgeStream]
) -> Topology:
    """The topology of a scalar GraphTensor.

    Args:
        columns: further int32 [E, ...] columns that the stream shall carry.
        make_stream: from all columns to the stream, such as `EdgeStream.of` with a chunk size.
    """
    nodes, edges = graph.node_sets[schema.NODE_SET], graph.edge_sets[schema.EDGE_SET]
    some = next(iter(nodes.features.values()))
    num_nodes = tf.shape(some)[0] if some.shape[0] is None else some.shape[0]
    components = num_components(graph)
    numbers = tf.range(components, dtype=tf.int32)
    component = tfgnn.broadcast_context_to_edges(graph, schema.EDGE_SET, feature_value=numbers)
    source, target = (edges.adjacency[tag] for tag in (tfgnn.SOURCE, tfgnn.TARGET))
    ones = tf.ones_like(source, tf.float32)[:, tf.newaxis]

    def count(ends: tf.Tensor) -> tf.Tensor:
        return tf.math.unsorted_segment_sum(ones, ends, num_nodes)

    def sizes(of: tf.Tensor) -> tf.Tensor:
        return tf.maximum(tf.cast(of, tf.float32), 1.0)[:, tf.newaxis]

    ends = {SOURCE: tf.cast(source, tf.int32), TARGET: tf.cast(target, tf.int32), COMPONENT: component}
    return Topology(
        stream=make_stream({**ends, **columns}),
        num_nodes=num_nodes,
        num_components=components,
        node_component=tfgnn.broadcast_context_to_nodes(graph, schema.NODE_SET, feature_value=numbers),
        degree={tfgnn.SOURCE: count(source), tfgnn.TARGET: count(target)},
        component_edges=sizes(edges.sizes),
        component_nodes=sizes(nodes.sizes),
    )
