"""Kernels: one edge per weight from the node it reads to the node it writes.

A kernel is applied along all axes but its feature axes; that takes one node per feature along them.
Where nodes differ there, they meet first: in join nodes, labelled by position, or, where the rows are
free nodes of the network such as heads, in unlabelled joins with a node per row (design: Sharing).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from gmn_tf.convert.entries import Entries, fresh, index_along
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.relations import (
    first_along,
    in_order,
    outside,
    pack,
    shared_axes,
    signatures,
    unique_rows,
)
from gmn_tf.errors import ConversionError
from gmn_tf.graph import schema


@dataclasses.dataclass(frozen=True)
class Columns:
    """What a kernel reads: one node per feature.

    Attributes:
        node: int64 of the features' shape.
        position: entry position of the kernel's edges, arrays of that shape; None where all agree.
    """

    node: np.ndarray
    position: list[np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class RowMixing:
    """How a kernel mixes rows along one axis, where these may be free nodes of the network.

    Attributes:
        axis: axis of the input, and of the result.
        kinds: int [rows of the result, rows of the input], which of its matrices the kernel uses there.
    """

    axis: int
    kinds: np.ndarray


DrawKernel = Callable[[Columns, np.ndarray], None]
"""Draws the kernel's edges from columns to the result's nodes; called once per layer."""


def linear(
    pen: Pen,
    x: Entries,
    draw_kernel: DrawKernel,
    *,
    layer: int,
    feature_axes: Sequence[int],
    out_shape: Sequence[int],
    out_axes: Sequence[int],
    node_type: schema.NodeType,
    key: str = "kernel",
    free_rows: bool = False,
    mixing: RowMixing | None = None,
) -> Entries:
    """The result of a kernel applied to `x`.

    Args:
        pen: draws.
        x: input entries.
        draw_kernel: draws the kernel (and bias) edges, given columns and result nodes.
        layer: number of the operation.
        feature_axes: axes of `x` that index the kernel.
        out_shape: shape of the result.
        out_axes: axes of the result that index the kernel; its nodes.
        node_type: type of the result's nodes.
        key: tells several kernels of one layer apart.
        free_rows: whether rows of free nodes may stay exchangeable; only where the kernel treats all
            rows alike or `mixing` says how not, and `out_shape` keeps the other axes of `x` (that of
            `mixing` may change its size). Not for convolutions.
        mixing: what a kernel that reads several rows at once does to them.
    """
    x = pen.with_nodes(x, per_feature=True)
    table = _Table(x, feature_axes)
    features = tuple(x.shape[a] for a in feature_axes)
    results = tuple(out_shape[a] for a in out_axes)
    other = [a for a in range(len(out_shape)) if a not in out_axes]

    if pen.shared:
        if key not in pen.memory:
            join = pen.canvas.add_nodes(features, type=schema.NodeType.JOIN, layer=layer)
            out = pen.canvas.add_nodes(results, type=node_type, layer=layer)
            draw_kernel(Columns(join), out)
            pen.memory[key] = join, out
        join, out = pen.memory[key]
        _join(pen, table, join.reshape(-1), layer=layer, call=pen.repeat)
        entries = fresh(_placed(out, out_axes, out_shape), out_shape, other)
        return _stamped(entries, pen.repeat)

    if free_rows and table.has_free_rows(pen):
        return _linear_over_rows(
            pen,
            x,
            table,
            draw_kernel,
            layer=layer,
            feature_axes=feature_axes,
            out_shape=out_shape,
            out_axes=out_axes,
            node_type=node_type,
            mixing=mixing,
        )

    columns = table.columns()
    if columns is None:
        join = pen.canvas.add_nodes(features, type=schema.NodeType.JOIN, layer=layer)
        _join(pen, table, join.reshape(-1), layer=layer)
        columns = Columns(join)
    out = pen.canvas.add_nodes(results, type=node_type, layer=layer)
    shaped = Columns(
        columns.node.reshape(features),
        None if columns.position is None else [p.reshape(features) for p in columns.position],
    )
    draw_kernel(shaped, out)
    return fresh(_placed(out, out_axes, out_shape), out_shape, other)


def bias(pen: Pen, slots: np.ndarray, out: np.ndarray, *, layer: int) -> None:
    """A bias node with an edge into each result node; `slots` broadcasts to `out` without repeats."""
    if slots.size != out.size:
        _shared_bias(pen, slots, out, layer=layer)
        return
    source = pen.canvas.add_nodes(1, type=schema.NodeType.BIAS, layer=layer)
    pen.canvas.add_edges(source, out.reshape(slots.shape), type=schema.EdgeType.BIAS, layer=layer, slot=slots)


def _shared_bias(pen: Pen, slots: np.ndarray, out: np.ndarray, *, layer: int) -> None:
    """A bias that several result nodes share: through one value node per weight."""
    source = pen.canvas.add_nodes(1, type=schema.NodeType.BIAS, layer=layer)
    value = pen.canvas.add_nodes(slots.shape, type=schema.NodeType.VALUE, layer=layer)
    pen.canvas.add_edges(source, value, type=schema.EdgeType.BIAS, layer=layer, slot=slots)
    pen.canvas.add_edges(value, out, type=schema.EdgeType.SHARED, layer=layer)


def _placed(nodes: np.ndarray, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """`nodes`, whose axes are `axes` of `shape` in that order, broadcast to `shape`."""
    order = np.argsort(axes)
    view = [1] * len(shape)
    for axis in axes:
        view[axis] = shape[axis]
    return np.broadcast_to(nodes.transpose(order).reshape(view), tuple(shape))


def _stamped(entries: Entries, call: int) -> Entries:
    """Entries of a later call of the same layer: the same nodes, told apart by the call."""
    return Entries(entries.node, entries.coordinates, via=np.broadcast_to(np.int64(-call), entries.shape))


class _Table:
    """Entries as a table of features by rows, with the rows that all agree left out."""

    def __init__(self, x: Entries, feature_axes: Sequence[int]) -> None:
        rows = [a for a in range(x.ndim) if a not in feature_axes]
        dropped = shared_axes([x.node], x.details, rows)
        self.all_rows = rows
        self.row_axes = [a for a in rows if a not in dropped and x.shape[a] > 1]
        order = [*feature_axes, *rows]

        def flat(array: np.ndarray) -> np.ndarray:
            core = first_along(array, dropped).transpose(order)
            return core.reshape(int(np.prod(core.shape[: len(feature_axes)])), -1)

        self.node = flat(x.node)
        self.details = [flat(d) for d in outside(x.details, dropped)]

    def columns(self) -> Columns | None:
        """One node per feature; None where rows of one feature belong to different nodes."""
        if np.any(self.node != self.node[:, :1]):
            return None
        if self.node.shape[1] == 1:
            position = pack([_ranked(d[:, 0]) for d in self.details])
            found = Columns(self.node[:, 0], position)
        else:
            features, count = self.node.shape
            groups = np.repeat(np.arange(features), count)
            details = (
                np.stack([d.reshape(-1) for d in self.details], axis=1)
                if self.details
                else np.zeros((groups.size, 0), np.int64)
            )
            details = np.concatenate([details, np.tile(np.arange(count), features)[:, None]], axis=1)
            found = Columns(self.node[:, 0], pack([signatures(groups, details)]))
        labels = [found.node, *(found.position or [])]
        if len(unique_rows(*labels)[0]) != found.node.size:
            raise ConversionError("two entries of one node cannot be told apart (identity law)")
        return found

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distinct (feature, node) pairs and the signature of the entries each stands for."""
        features, count = self.node.shape
        feature = np.repeat(np.arange(features), count)
        rows, group = unique_rows(feature, self.node.reshape(-1))
        columns = [d.reshape(-1) for d in self.details] + [np.tile(np.arange(count), features)]
        return rows[:, 0], rows[:, 1], signatures(group, np.stack(columns, axis=1))

    def has_free_rows(self, pen: Pen) -> bool:
        """Whether the rows are sets of free nodes of one operation that the kernel leaves exchangeable.

        Each row holds nodes of its own, in the same pattern over the features, at the same coordinates.
        """
        count = self.node.shape[1]
        nodes = np.unique(self.node)
        if count < 2 or any(np.any(d != d[:, :1]) for d in self.details):
            return False
        pattern = in_order(self.node[:, 0])
        if nodes.size != count * np.unique(pattern).size:
            return False
        if any(np.any(in_order(self.node[:, r]) != pattern) for r in range(count)):
            return False
        labels = pen.canvas.nodes
        one = np.unique(labels.layer[nodes]).size == 1 and np.unique(labels.type[nodes]).size == 1
        return one and bool(np.all(labels.index[nodes] == schema.NO_INDEX))


def _ranked(column: np.ndarray) -> np.ndarray:
    return np.unique(column, return_inverse=True)[1].reshape(column.shape)


def _join(pen: Pen, table: _Table, join: np.ndarray, *, layer: int, call: int | None = None) -> None:
    feature, node, signature = table.pairs()
    position = [signature] if call is None else [np.full_like(signature, call), signature]
    pen.canvas.add_edges(node, join[feature], type=schema.EdgeType.JOIN, layer=layer, entry_position=position)


def _linear_over_rows(
    pen: Pen,
    x: Entries,
    table: _Table,
    draw_kernel: DrawKernel,
    *,
    layer: int,
    feature_axes: Sequence[int],
    out_shape: Sequence[int],
    out_axes: Sequence[int],
    node_type: schema.NodeType,
    mixing: RowMixing | None,
) -> Entries:
    """Rows stay exchangeable, as far as `mixing` leaves them so.

    x[r, f] -> row[r] -> y[r, o] and x[r, f] -> join[f] -kernel-> value[o] -> y[r, o]. Where rows are
    mixed, row[r] -> row of the result [s] -> y[s, o], labelled with the matrix that y[s] reads x[r] by.
    """
    canvas = pen.canvas
    features, rows = table.node.shape
    results = tuple(out_shape[a] for a in out_axes)
    out_rows = _row_axes_in_result(x, table, out_shape, out_axes)
    row = canvas.add_nodes(rows, type=schema.NodeType.ROW, layer=layer)
    join = canvas.add_nodes(features, type=schema.NodeType.JOIN, layer=layer)
    value = canvas.add_nodes(results, type=schema.NodeType.VALUE, layer=layer)
    _, where = np.unique(table.node, return_index=True)
    member, member_row = table.node.reshape(-1)[where], where % rows
    canvas.add_edges(member, row[member_row], type=schema.EdgeType.ROW, layer=layer)
    position = pack([_ranked(d[:, 0]) for d in table.details])
    canvas.add_edges(
        table.node,
        join[:, None],
        type=schema.EdgeType.JOIN,
        layer=layer,
        entry_position=None if position is None else [p[:, None] for p in position],
    )
    draw_kernel(Columns(join.reshape([x.shape[a] for a in feature_axes])), value)
    if mixing is not None and mixing.axis in table.row_axes:
        sizes = [x.shape[a] for a in table.row_axes]
        row = _mixed(pen, row.reshape(sizes), table.row_axes.index(mixing.axis), mixing.kinds, layer=layer)
    row_sizes = tuple(out_shape[a] for a in out_rows)
    out = canvas.add_nodes((*row_sizes, *results), type=node_type, layer=layer)
    by_row = out.reshape(row.size, value.size)
    canvas.add_edges(value.reshape(1, -1), by_row, type=schema.EdgeType.SHARED, layer=layer)
    canvas.add_edges(row.reshape(-1, 1), by_row, type=schema.EdgeType.ROW, layer=layer)
    # Rows keep their place: the axes before the features are those of x, in order.
    other = [a for a in range(len(out_shape)) if a not in out_axes and a not in out_rows]
    return fresh(_placed(out, [*out_rows, *out_axes], out_shape), out_shape, other)


def _mixed(pen: Pen, row: np.ndarray, axis: int, kinds: np.ndarray, *, layer: int) -> np.ndarray:
    """Row nodes of the result, fed by the row nodes of the input that they read along `axis`."""
    sizes = list(row.shape)
    sizes[axis] = len(kinds)
    mixed = pen.canvas.add_nodes(tuple(sizes), type=schema.NodeType.ROW, layer=layer)
    pen.canvas.add_edges(
        np.moveaxis(row, axis, -1)[..., None, :],
        np.moveaxis(mixed, axis, -1)[..., :, None],
        type=schema.EdgeType.ROW,
        layer=layer,
        kernel_position=pack([kinds]),
    )
    return mixed


def _row_axes_in_result(
    x: Entries, table: _Table, out_shape: Sequence[int], out_axes: Sequence[int]
) -> list[int]:
    rows_of_result = [a for a in range(len(out_shape)) if a not in out_axes]
    return [rows_of_result[table.all_rows.index(a)] for a in table.row_axes]


def kernel_grid(sizes: Sequence[int], ndim: int) -> list[np.ndarray]:
    """Kernel positions: the index along each of the kernel's leading `sizes`, for a kernel of `ndim` axes."""
    if np.prod(sizes) == 1:
        return []
    shape = (*sizes, *([1] * (ndim - len(sizes))))
    return [index_along(shape, axis) for axis in range(len(sizes))]
