"""Variables as operands: what a model's own code does with its weights, drawn one edge per weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmn_tf.convert.elementwise import Parameter, apply_parameters, broadcast_entries
from gmn_tf.convert.entries import Entries, Weights, index_along, varying_axes
from gmn_tf.convert.pen import Pen
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
    from N locations (design: Variables as operands). Anything but `Weights` passes through.
    """
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
