"""The weights of each component as one vector, or as tokens of one neuron's weights; fixed sizes."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.layers import edge_order
from gmn_tf.layers.edge_order import EdgeLabels, running_sum, starts_run
from gmn_tf.layers.features import num_components


@dataclass(frozen=True)
class WeightVectors:
    """Weights of C components, flattened in the order `edge_order.by_variable`.

    Attributes:
        values: float32 [C, length], 0 beyond a component's weights; weights beyond `length` are left out.
        there: float32 [C, length], 1 where there is a weight.
        count: int32 [C], weights of the component, those left out included.
        place: int32 [E, channels], where in the flattened [C * length] values each value of the graph's edges
            lies, in their order; C * length for what is left out.
    """

    values: tf.Tensor
    there: tf.Tensor
    count: tf.Tensor
    place: tf.Tensor


@dataclass(frozen=True)
class WeightTokens:
    """Weights of C components, cut into tokens; the weights of a token enter one neuron in one layer.

    Attributes:
        values: float32 [C, tokens, size], 0 where there is no weight.
        there: float32 [C, tokens], 1 for a token that is used.
        layer: int32 [C, tokens], number of the layer; 0 for unused tokens.
        neuron: int32 [C, tokens], number of the neuron within its layer; 0 for unused tokens.
        count: int32 [C], tokens that the component needs, those left out included.
    """

    values: tf.Tensor
    there: tf.Tensor
    layer: tf.Tensor
    neuron: tf.Tensor
    count: tf.Tensor


def weight_vectors(graph: tfgnn.GraphTensor, values: tf.Tensor, *, length: int) -> WeightVectors:
    """The weights of each component of `graph` in one vector.

    Args:
        graph: scalar GraphTensor as of `gmn_tf.graph.tensor`; its own values tell which weights exist.
        values: float32 [E, channels], what is laid out: the graph's values, or a function of each.
        length: of the vectors.
    """
    components = num_components(graph)
    labels = edge_order.edge_labels(graph)
    order = edge_order.by_variable(labels)
    labels, values, present = _sorted(graph, labels, values, order)
    offset, count = _offsets(labels, present, components)
    there = tf.cast(present, values.dtype)
    place = labels.component[:, tf.newaxis] * length + offset
    dropped = components * length
    place = tf.where(present & (offset < length), place, dropped)
    placed = _scatter(tf.stack([values, there], axis=-1), place, dropped)
    placed = tf.reshape(placed, [components, length, 2])
    size = tf.shape(values)[0] if values.shape[0] is None else values.shape[0]
    stored = tf.math.unsorted_segment_sum(place, order, size)  # back to the order of storage
    return WeightVectors(placed[..., 0], placed[..., 1], count, stored)


def weight_tokens(
    graph: tfgnn.GraphTensor, values: tf.Tensor, *, num_tokens: int, token_size: int
) -> WeightTokens:
    """The weights of each component in tokens, in the order `edge_order.by_neuron`.

    The weights that enter a neuron in one layer (kernel, then bias) fill as many tokens as they need; the
    last one is filled up with zeros.

    Args:
        graph, values: as of `weight_vectors`.
        num_tokens: per component; tokens beyond are left out.
        token_size: weights in a token.
    """
    components = num_components(graph)
    labels = edge_order.edge_labels(graph)
    labels, values, present = _sorted(graph, labels, values, edge_order.by_neuron(labels))
    size = tf.shape(values)[0] if values.shape[0] is None else values.shape[0]
    there = tf.cast(present, values.dtype)

    row = running_sum(starts_run(labels.component, labels.layer, labels.target)) - 1  # [E]
    per_edge = tf.reduce_sum(tf.cast(present, tf.int32), axis=1)
    before = running_sum(per_edge) - per_edge
    row_start = tf.math.unsorted_segment_min(before, row, size)
    row_count = tf.math.unsorted_segment_sum(per_edge, row, size)
    row_tokens = -(-row_count // token_size)  # [rows], 0 behind the last row
    row_component = tf.maximum(tf.math.unsorted_segment_max(labels.component, row, size), 0)
    count = tf.math.unsorted_segment_sum(row_tokens, row_component, components)
    first_token = running_sum(row_tokens) - row_tokens
    first_token -= tf.gather(tf.cumsum(count, exclusive=True), row_component)

    within = (before - tf.gather(row_start, row))[:, tf.newaxis] + _within_edge(present)
    token = tf.gather(first_token, row)[:, tf.newaxis] + within // token_size
    token_place = labels.component[:, tf.newaxis] * num_tokens + token
    dropped = components * num_tokens
    token_place = tf.where(present & (token < num_tokens), token_place, dropped)
    place = token_place * token_size + within % token_size
    placed = _scatter(values[..., tf.newaxis], place, dropped * token_size, spare=token_size)

    layer_start = running_sum(starts_run(labels.component, labels.layer)) - 1
    neuron = row - tf.gather(tf.math.unsorted_segment_min(row, layer_start, size), layer_start)

    def of_tokens(column: tf.Tensor) -> tf.Tensor:
        column = tf.broadcast_to(column[:, tf.newaxis], tf.shape(token_place))
        found = tf.math.unsorted_segment_max(
            tf.reshape(column, [-1]), tf.reshape(token_place, [-1]), dropped + 1
        )
        return tf.reshape(tf.maximum(found[:dropped], 0), [components, num_tokens])

    used = of_tokens(tf.cast(tf.reduce_max(there, axis=1), tf.int32))
    return WeightTokens(
        tf.reshape(placed, [components, num_tokens, token_size]),
        tf.cast(used, values.dtype),
        of_tokens(labels.layer),
        of_tokens(neuron),
        count,
    )


def _sorted(
    graph: tfgnn.GraphTensor,
    labels: EdgeLabels,
    values: tf.Tensor,
    order: tf.Tensor,
) -> tuple[EdgeLabels, tf.Tensor, tf.Tensor]:
    raw = graph.edge_sets[schema.EDGE_SET][schema.VALUE]
    present = edge_order.present_values(labels, raw)
    return labels.gather(order), tf.gather(values, order), tf.gather(present, order)


def _offsets(
    labels: EdgeLabels, present: tf.Tensor, components: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Offset of each value within its component, weights per component."""
    per_edge = tf.reduce_sum(tf.cast(present, tf.int32), axis=1)
    count = tf.math.unsorted_segment_sum(per_edge, labels.component, components)
    before = running_sum(per_edge) - per_edge
    before -= tf.gather(tf.cumsum(count, exclusive=True), labels.component)
    return before[:, tf.newaxis] + _within_edge(present), count


def _within_edge(present: tf.Tensor) -> tf.Tensor:
    return tf.cumsum(tf.cast(present, tf.int32), axis=1, exclusive=True)


def _scatter(values: tf.Tensor, place: tf.Tensor, rows: int | tf.Tensor, *, spare: int = 1) -> tf.Tensor:
    """[E, channels, d] to [rows, d]; what is to be dropped goes to one of `spare` rows behind them."""
    flat = tf.reshape(values, [-1, values.shape[-1]])
    return tf.math.unsorted_segment_sum(flat, tf.reshape(place, [-1]), rows + spare)[:rows]
