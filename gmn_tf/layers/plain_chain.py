"""Graphs of plain chains: layer after layer a kernel, and the vectors beside it."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.graph.schema import EdgeType
from gmn_tf.layers import edge_order
from gmn_tf.layers.edge_order import running_sum, starts_run
from gmn_tf.layers.features import num_components

KERNEL_TYPES = (EdgeType.LINEAR, EdgeType.CONV)
VECTOR_TYPES = (
    EdgeType.BIAS,
    EdgeType.NORM_SCALE,
    EdgeType.NORM_SHIFT,
    EdgeType.NORM_MEAN,
    EdgeType.NORM_VARIANCE,
)
"""Edges that carry one number per neuron: the bias, and what a normalisation adds."""

PASSED_OVER_TYPES = (EdgeType.GROUP,)
"""Edges that are not read: which channels a normalisation takes its statistics over."""


@dataclass(frozen=True)
class PlainChain:
    """C components as chains of weight layers; M places for layers, P = E rows for pairs of neurons.

    A network's layers have the places 0, 1, ... from the input on and its last layer has place M - 1; hidden
    layers beyond share place M - 2.

    Attributes:
        taps: float32 [P, taps], the kernel's values of each pair of neurons, in order of their positions.
        vectors: float32 [N, len(VECTOR_TYPES)], the vectors' values of each neuron, 0 where it has none.
        source, target: int32 [P], the neurons of a pair; 0 in unused rows.
        pair_place: float32 [P, M], one-hot place of a pair's layer; 0 in unused rows.
        into_place, out_place: float32 [N, M], one-hot place of the layer that a neuron ends, and of the one
            that it feeds; 0 where there is none.
        pair_component, node_component: int32 [P], [N].
        num_components: C.
        broken: bool [C], whether the component is no plain chain.
        foreign: bool [E], edges of types that no plain chain has.
        widest: int32 [C], taps of the component's largest kernel, those left out included.
        edge_kind: int32 [E], -1 for an edge of a kernel, the number of its type in `VECTOR_TYPES` for a
            vector's, -2 for others.
        edge_pair: int32 [E], the pair of a kernel's edge.
        edge_tap: int32 [E, channels], the tap that each value of a kernel's edge is; num_taps for none.
    """

    taps: tf.Tensor
    vectors: tf.Tensor
    source: tf.Tensor
    target: tf.Tensor
    pair_place: tf.Tensor
    into_place: tf.Tensor
    out_place: tf.Tensor
    pair_component: tf.Tensor
    node_component: tf.Tensor
    num_components: int | tf.Tensor
    broken: tf.Tensor
    foreign: tf.Tensor
    widest: tf.Tensor
    edge_kind: tf.Tensor
    edge_pair: tf.Tensor
    edge_tap: tf.Tensor


def plain_chain(
    graph: tfgnn.GraphTensor, values: tf.Tensor, *, num_places: int, num_taps: int, max_layers: int = 64
) -> PlainChain:
    """Reads the chains from a scalar GraphTensor; integer work, no learnt weights.

    A component is a plain chain if its edges are of `KERNEL_TYPES` and `VECTOR_TYPES` alone, each kernel
    joins all ends of the layer before to all of its own, and vectors stand on ends of kernels. Edges of
    `PASSED_OVER_TYPES` may be there, and edges from a node to itself whose labels are 0, as
    padding has them.

    Args:
        graph: as of `gmn_tf.graph.tensor`.
        values: float32 [E, channels], values of the edges; a vector's is in channel 0.
        num_places: M, at least 2.
        num_taps: taps of a pair; those beyond are added to the last one.
        max_layers: room for layer numbers of the graph.
    """
    components = num_components(graph)
    labels = edge_order.edge_labels(graph)
    nodes = graph.node_sets[schema.NODE_SET]
    some = nodes[schema.TYPE]
    num_nodes = tf.shape(some)[0] if some.shape[0] is None else some.shape[0]
    num_edges = tf.shape(values)[0] if values.shape[0] is None else values.shape[0]
    numbers = tf.range(components, dtype=tf.int32)
    node_component = tfgnn.broadcast_context_to_nodes(graph, schema.NODE_SET, feature_value=numbers)

    padding = (labels.source == labels.target) & (labels.type == 0) & (labels.layer == 0)
    is_kernel = _is_one_of(labels.type, KERNEL_TYPES) & ~padding
    is_vector = _is_one_of(labels.type, VECTOR_TYPES)
    foreign = ~(is_kernel | is_vector | padding | _is_one_of(labels.type, PASSED_OVER_TYPES))

    # Places: how many layers with kernels come before an edge's layer, and how many there are.
    layer = tf.minimum(labels.layer, max_layers - 1)
    cell = labels.component * max_layers + layer
    seen = tf.math.unsorted_segment_sum(tf.cast(is_kernel, tf.int32), cell, components * max_layers)
    seen = tf.reshape(tf.cast(seen > 0, tf.int32), [components, max_layers])
    until = tf.cumsum(seen, axis=1)
    rank = tf.gather(tf.reshape(until - seen, [-1]), cell)  # [E]
    last = until[:, -1] - 1  # [C]

    # Pairs: kernel edges by (target, source, position), all others behind them.
    key = tf.where(is_kernel, edge_order.pair_key(labels), tf.int64.max)
    order = edge_order.lexicographic([key, labels.position])
    kernel = tf.gather(is_kernel, order)
    start = starts_run(tf.gather(key, order))
    pair = running_sum(start) - 1
    rows = tf.range(num_edges, dtype=tf.int32)
    first = tf.math.unsorted_segment_min(rows, pair, num_edges)
    used = tf.math.unsorted_segment_max(tf.cast(kernel, tf.int32), pair, num_edges) > 0
    of_pair = tf.gather(order, tf.clip_by_value(first, 0, num_edges - 1))  # an edge of each pair

    raw = graph.edge_sets[schema.EDGE_SET][schema.VALUE]
    there = edge_order.present_values(labels, raw)
    there = tf.gather(there, order) & kernel[:, tf.newaxis]
    counted = tf.cast(there, tf.int32)
    per_edge = tf.reduce_sum(counted, axis=1)
    before = running_sum(per_edge) - per_edge
    before -= tf.gather(tf.math.unsorted_segment_min(before, pair, num_edges), pair)
    tap = before[:, tf.newaxis] + tf.cumsum(counted, axis=1, exclusive=True)
    needed = tf.reduce_max(tf.where(there, tap + 1, 0), axis=1)
    component = tf.gather(labels.component, order)
    widest = tf.maximum(tf.math.unsorted_segment_max(needed, component, components), 0)
    place = pair[:, tf.newaxis] * num_taps + tf.minimum(tap, num_taps - 1)
    place = tf.where(there, place, num_edges * num_taps)
    taps = tf.math.unsorted_segment_sum(
        tf.reshape(tf.gather(values, order), [-1]), tf.reshape(place, [-1]), num_edges * num_taps + 1
    )
    taps = tf.reshape(taps[:-1], [num_edges, num_taps])
    stored = tf.where(there, tf.minimum(tap, num_taps - 1), num_taps)
    edge_tap = tf.math.unsorted_segment_sum(stored, order, num_edges)  # back to the order of storage
    edge_pair = tf.math.unsorted_segment_sum(pair, order, num_edges)

    source = tf.where(used, tf.gather(labels.source, of_pair), 0)
    target = tf.where(used, tf.gather(labels.target, of_pair), 0)
    pair_rank = tf.gather(rank, of_pair)
    pair_component = tf.gather(labels.component, of_pair)

    kind = labels.type - int(VECTOR_TYPES[0])
    where = tf.where(is_vector, labels.target * len(VECTOR_TYPES) + kind, num_nodes * len(VECTOR_TYPES))
    vectors = tf.math.unsorted_segment_sum(values[:, 0], where, num_nodes * len(VECTOR_TYPES) + 1)
    vectors = tf.reshape(vectors[:-1], [num_nodes, len(VECTOR_TYPES)])

    # A neuron's layers: the one it ends (-1: it is an input), the one it feeds (-1: it is an output).
    drop = tf.constant(-1)
    ends = tf.where(used, target, drop)
    feeds = tf.where(used, source, drop)
    into = tf.maximum(tf.math.unsorted_segment_max(pair_rank, ends, num_nodes), -1)
    out = tf.maximum(tf.math.unsorted_segment_max(pair_rank, feeds, num_nodes), -1)

    def count(cells: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        total = tf.math.unsorted_segment_sum(tf.cast(counts, tf.int32), cells, components * max_layers)
        return tf.reshape(total, [components, max_layers])

    pair_cell = pair_component * max_layers + pair_rank
    node_cell = node_component * max_layers
    pairs = count(pair_cell, used)
    complete = count(node_cell + out, out >= 0) * count(node_cell + into, into >= 0) == pairs
    wrong_pair = used & (
        (tf.gather(into, source) != pair_rank - 1)
        | (tf.gather(into, target) != pair_rank)
        | (tf.gather(out, source) != pair_rank)
    )
    wrong_vector = is_vector & (tf.gather(into, labels.target) < 0)
    wrong = tf.math.unsorted_segment_sum(tf.cast(wrong_pair, tf.int32), pair_component, components)
    wrong += tf.math.unsorted_segment_sum(
        tf.cast(foreign | wrong_vector, tf.int32), labels.component, components
    )
    broken = (wrong > 0) | ~tf.reduce_all(complete, axis=1)

    def one_hot(ranks: tf.Tensor, component: tf.Tensor) -> tf.Tensor:
        chosen = tf.where(
            ranks == tf.gather(last, component), num_places - 1, tf.minimum(ranks, num_places - 2)
        )
        return tf.one_hot(tf.where(ranks < 0, -1, chosen), num_places, dtype=values.dtype)

    return PlainChain(
        taps=taps,
        vectors=vectors,
        source=source,
        target=target,
        pair_place=one_hot(tf.where(used, pair_rank, drop), pair_component),
        into_place=one_hot(into, node_component),
        out_place=one_hot(out, node_component),
        pair_component=pair_component,
        node_component=node_component,
        num_components=components,
        broken=broken,
        foreign=foreign,
        widest=widest,
        edge_kind=tf.where(is_kernel, -1, tf.where(is_vector, kind, -2)),
        edge_pair=edge_pair,
        edge_tap=edge_tap,
    )


def _is_one_of(types: tf.Tensor, chosen: tuple[EdgeType, ...]) -> tf.Tensor:
    return tf.reduce_any(types[:, tf.newaxis] == tf.constant([int(t) for t in chosen]), axis=1)
