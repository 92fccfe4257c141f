"""Variables as operands: what a model's own code does with its weights, drawn one edge per weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmn_tf.convert.elementwise import Parameter, apply_parameters, broadcast_entries, combine
from gmn_tf.convert.entries import Composed, Entries, Weights, index_along, varying_axes
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.products import product_sum
from gmn_tf.convert.relations import first_along
from gmn_tf.graph.canvas import Stage
from gmn_tf.graph.schema import EdgeType, NodeType


def apply_weights(
    pen: Pen,
    x: Entries,
    weights: Weights,
    shape: tuple[int, ...],
    *,
    edge_type: EdgeType,
    node_type: NodeType,
) -> Entries:
    """`x` combined entry by entry with a variable: each weight is an edge into the result it acts on."""
    x = broadcast_entries(x, shape)
    if np.any(weights.via != weights.via.reshape(-1)[:1]):
        lead = (1,) * (len(shape) - weights.ndim)
        x = x.with_coordinates(np.broadcast_to(weights.via.reshape(lead + weights.shape), shape))
    parameter = Parameter(weights.node, edge_type, node_type, "variable")
    layer = pen.canvas.new_layer()
    return apply_parameters(pen, x, [parameter], layer=layer, stage=Stage.NORMALIZATION)


def materialized(pen: Pen, item: Any) -> Any:
    """Variables as entries with nodes: a node per index of the last axis, an edge per weight into it.

    The edges start from location nodes, one per index of the other axes, so that (N, D) is N * D edges
    from N locations (design: Variables as operands). Anything but variables passes through.
    """
    if isinstance(item, Composed):
        return entrywise(pen, item)
    if not isinstance(item, Weights):
        return item
    axes = varying_axes(item.node)
    still = set(range(item.ndim)) - set(axes)
    core = first_along(item.node, still)
    name = core.tobytes() + str(core.shape).encode()
    if name not in pen.materials:
        pen.materials[name] = _draw_material(pen, core)
    drawn = pen.materials[name]
    repeated = [a for a in still if item.shape[a] > 1]
    result = Entries(
        np.broadcast_to(drawn.node, item.shape),
        tuple(np.broadcast_to(c, item.shape) for c in drawn.coordinates),
        via=item.via,
    )
    return result.with_coordinates(*(index_along(item.shape, a) for a in repeated))


def _draw_material(pen: Pen, slots: np.ndarray) -> Entries:
    layer = pen.canvas.new_layer()
    distinct, inverse = np.unique(slots, return_inverse=True)
    if distinct.size != slots.size:
        value = pen.canvas.add_nodes(distinct.size, type=NodeType.VALUE, layer=layer)
        source = pen.canvas.add_nodes(1, type=NodeType.LOCATION, layer=layer, index=0)
        pen.canvas.add_edges(source, value, type=EdgeType.LOCATION, layer=layer, slot=distinct)
        numbers = np.arange(slots.size).reshape(slots.shape)
        return Entries(value[inverse.reshape(slots.shape)], (numbers,))
    table = slots.reshape(-1, slots.shape[-1] if slots.ndim else 1)
    value = pen.canvas.add_nodes(table.shape[1], type=NodeType.VALUE, layer=layer)
    locations = pen.canvas.add_nodes(
        len(table), type=NodeType.LOCATION, layer=layer, index=np.arange(len(table))
    )
    pen.canvas.add_edges(locations[:, None], value[None, :], type=EdgeType.LOCATION, layer=layer, slot=table)
    node = np.broadcast_to(value if slots.ndim else value.reshape(()), slots.shape)
    return Entries(node, tuple(index_along(slots.shape, a) for a in range(slots.ndim - 1)))


def entrywise(pen: Pen, item: Any) -> Any:
    """Variables that a model computes with, as entries with a node per weight.

    What is computed from weights alone (a kernel divided by its norm, a product of two variables) has
    free rows and columns, which locations would pin. A weight has one such node, however often it is
    used, fed by its edge. Anything but variables passes through.
    """
    if isinstance(item, Composed):
        terms = [_multiplied(pen, term) for term in item.terms]
        if len(terms) == 1:
            return terms[0]
        return combine(pen, terms, edge_type=EdgeType.RESIDUAL, commutative=True, shape=item.shape)
    if not isinstance(item, Weights):
        return item
    still = set(range(item.ndim)) - set(varying_axes(item.node))
    core = first_along(item.node, still)
    _give_nodes(pen, np.unique(core))
    result = Entries(np.broadcast_to(pen.value_nodes[core], item.shape), via=item.via)
    if np.unique(core).size != core.size:
        number = np.arange(core.size).reshape(core.shape)
        result = result.with_coordinates(np.broadcast_to(number, item.shape))
    return result.with_coordinates(*(index_along(item.shape, a) for a in still if item.shape[a] > 1))


def _multiplied(pen: Pen, factors: tuple[Weights, ...]) -> Entries:
    if len(factors) == 1:
        return entrywise(pen, factors[0])
    lead = "abcdefgh"[: factors[0].ndim - 1]
    first, second = (entrywise(pen, f) for f in factors)
    return product_sum(pen, (first, second), f"{lead}y,yz->{lead}z")


def _give_nodes(pen: Pen, slots: np.ndarray) -> None:
    """Makes the value nodes that these weights lack, and draws their edges."""
    known = pen.value_nodes
    if slots[-1] >= known.size:
        known = np.concatenate([known, np.full(int(slots[-1]) + 1 - known.size, -1, np.int64)])
    missing = slots[known[slots] < 0]
    if missing.size:
        layer = pen.canvas.new_layer()
        source = pen.canvas.add_nodes(1, type=NodeType.LOCATION, layer=layer, index=0)
        value = pen.canvas.add_nodes(missing.size, type=NodeType.VALUE, layer=layer)
        pen.canvas.add_edges(source, value, type=EdgeType.LOCATION, layer=layer, slot=missing)
        known = known.copy()
        known[missing] = value
    pen.value_nodes = known
