"""Choosing among entries: the largest ones, their indices, and what is read or written at computed indices.

Along an axis of positions every node stays itself: an index is a number like any other. Along an axis
of free nodes, such as the experts of a mixture, an index changes when the nodes are reordered; it is kept
as `Choices` until it meets them again (one-hot, gather), so that the nodes stay exchangeable.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gmn_tf.convert.elementwise import broadcast_entries, combine
from gmn_tf.convert.entries import Choices, Entries, fresh, relabel, varying_axes
from gmn_tf.convert.groups import along
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.relations import first_along
from gmn_tf.graph.schema import EdgeType, NodeType


def places(pen: Pen, x: Entries, ranked: Entries, axis: int) -> Entries:
    """Where along `axis` the entries `ranked` of `x`, an order of them by value, stand in it.

    They carry what the ranked entries carry, a symmetric function of the nodes along the axis, beside
    the nodes that they choose among.
    """
    indices = pen.local(ranked, result=1)
    if x.separates([axis]):
        return indices
    line = first_along(x.node, set(range(x.ndim)) - {axis}).reshape(-1)
    if varying_axes(x.node) != (axis,) or np.unique(line).size != line.size:
        return _pin(pen, indices, np.unique(x.node))
    return Choices(indices.node, indices.coordinates, indices.via, indices.copied, line)


def pinned(pen: Pen, item: Any) -> Any:
    """Choices as plain numbers: edges say which index each of the nodes has, which pins these."""
    if not isinstance(item, Choices):
        return item
    return _pin(pen, Entries(item.node, item.coordinates, item.via, item.copied), item.among)


def _pin(pen: Pen, x: Entries, among: np.ndarray) -> Entries:
    source = np.unique(x.node)
    layer = pen.canvas.new_layer()
    out = pen.canvas.add_nodes(source.size, type=NodeType.NEURON, layer=layer)
    pen.canvas.add_edges(source, out, type=EdgeType.OPERAND, layer=layer)
    pen.canvas.add_edges(
        among[:, None],
        out[None, :],
        type=EdgeType.OPERAND,
        layer=layer,
        entry_position=[np.arange(1, among.size + 1)[:, None]],
    )
    return x.rearrange_nodes(source, out)


def chosen_nodes(pen: Pen, choices: Choices, shape: tuple[int, ...]) -> Entries:
    """One-hot indices, [..., size]: a node per node that is chosen among, fed by it and by what chose."""
    layer = pen.canvas.new_layer()
    out = pen.canvas.add_nodes(choices.among.size, type=NodeType.NEURON, layer=layer)
    pen.canvas.add_edges(choices.among, out, type=EdgeType.OPERAND, layer=layer)
    pen.canvas.add_edges(np.unique(choices.node)[:, None], out[None, :], type=EdgeType.GROUP, layer=layer)
    return fresh(out, shape, range(len(shape) - 1))


def read_at(pen: Pen, x: Entries, indices: Entries, axis: int, shape: tuple[int, ...]) -> Entries:
    """`x` at indices that the network computes, [..., m, ...] along `axis`, as in `take_along_axis`."""
    x = pen.with_nodes(x)
    if isinstance(indices, Choices):
        if x.shape[axis] != indices.among.size or varying_axes(x.node) != (axis,):
            indices = pinned(pen, indices)
        else:
            scores = Entries(_along(indices.among, axis, x.shape))
            line = first_along(x.node, set(range(x.ndim)) - {axis}).reshape(-1)
            if not np.array_equal(line, indices.among):
                x = combine(pen, [x, scores], edge_type=EdgeType.OPERAND, commutative=False)
            return along(pen, x, [axis], shape, ordered=False)
    x = _joined(pen, x, [axis])
    there = (*x.shape[:axis], indices.shape[axis], *x.shape[axis + 1 :])
    operands = [broadcast_entries(e, shape) for e in (relabel(x, [axis], there, pen.call.number), indices)]
    return combine(pen, operands, edge_type=EdgeType.OPERAND, commutative=False, shape=shape)


def _joined(pen: Pen, x: Entries, axes: list[int]) -> Entries:
    """`x` with nodes that do not vary along `axes`: where they do, each result may be any of them."""
    return x if x.separates(axes) else along(pen, x, axes, x.shape, ordered=True)


def _along(nodes: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    view = [1] * len(shape)
    view[axis] = nodes.size
    return np.broadcast_to(nodes.reshape(view), shape)


def write_at(pen: Pen, x: Entries, indices: Entries | None, updates: Entries, axes: list[int]) -> Entries:
    """`x` with entries along its leading `axes` replaced or added to by rows of `updates`.

    Each result node is one function of its node in `x`, in `updates` and of the indices.
    """
    x, updates = pen.with_nodes(x), pen.with_nodes(updates)
    rows = list(range(updates.ndim - (x.ndim - len(axes))))
    x, updates = _joined(pen, x, axes), _joined(pen, updates, rows)
    one = updates.rearrange(lambda a: a[(slice(0, 1),) * len(rows)].reshape(1, *a.shape[len(rows) :]))
    spread = one.rearrange(lambda a: np.broadcast_to(a.reshape((1,) * len(axes) + a.shape[1:]), x.shape))
    spread = relabel(spread, axes, x.shape, pen.call.number)
    operands = [x, spread]
    if indices is not None:
        nodes = np.unique(pen.with_nodes(indices).node)
        source = combine_all(pen, nodes)
        operands.append(Entries(np.broadcast_to(source, x.shape), x.coordinates, x.via))
    return combine(pen, operands, edge_type=EdgeType.OPERAND, commutative=False, shape=x.shape)


def combine_all(pen: Pen, nodes: np.ndarray) -> np.ndarray:
    """One node fed by all of `nodes`, each by its own label: what depends on every one of them."""
    if nodes.size == 1:
        return nodes.reshape(())
    layer = pen.canvas.new_layer()
    out = pen.canvas.add_nodes(1, type=NodeType.NEURON, layer=layer)
    pen.canvas.add_edges(
        nodes, out, type=EdgeType.OPERAND, layer=layer, entry_position=[np.arange(nodes.size)]
    )
    return out.reshape(())
