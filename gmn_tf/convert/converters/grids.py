"""Feature grids: a location node per grid point, a channel node per feature, an edge per weight between.

As Lim et al. 2024 draw spatial parameter grids. What is more here are edges from the coordinates,
without which a graph would not say which coordinate runs along which axis of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmn_tf.convert.elementwise import combine
from gmn_tf.convert.entries import Entries, index_along
from gmn_tf.convert.linear import Columns, linear
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph import schema
from gmn_tf.graph.schema import EdgeType, NodeType
from gmn_tf.keras_layers import FeatureGrid, FeaturePlanes


@register_converter(FeatureGrid)
def feature_grid(pen: Pen, layer: FeatureGrid, inputs: Entries) -> Entries:
    axes = list(range(inputs.shape[-1]))
    return _read_grids(pen, inputs, [pen.slots(layer.grid)], [axes], apart=False)


@register_converter(FeaturePlanes)
def feature_planes(pen: Pen, layer: FeaturePlanes, inputs: Entries) -> Entries:
    """Planes that are summed meet in the features' nodes; others have nodes of their own."""
    slots = [pen.slots(grid) for grid in layer.grids]
    if layer.combination == "sum" or len(slots) == 1:
        return _read_grids(pen, inputs, slots, layer.axes, apart=False)
    read = _read_grids(pen, inputs, slots, layer.axes, apart=True)  # [batch, ..., planes, features]
    if layer.combination == "concatenate":
        shape = tuple(pen.call.outputs.shape)
        return read.rearrange(lambda a: a.reshape(shape))

    def plane(number: int) -> Entries:
        return read.rearrange(lambda a: a[..., number, :])

    planes = [plane(number) for number in range(len(slots))]
    return combine(pen, planes, edge_type=EdgeType.MULTIPLY, commutative=True)


def _read_grids(
    pen: Pen, x: Entries, grids: list[np.ndarray], axes: Sequence[Sequence[int]], *, apart: bool
) -> Entries:
    """Grids (slots [*sizes, features]) over some coordinates each, read at points [batch, ..., coordinates].

    The result is [batch, ..., features], or [batch, ..., grids, features] with `apart`.
    """
    layer = pen.layer()
    results = (len(grids), grids[0].shape[-1]) if apart else grids[0].shape[-1:]
    out_shape = (*x.shape[:-1], *results)

    def draw(columns: Columns, out: np.ndarray) -> None:
        index, count = pen.canvas.nodes.index[columns.node], 0
        pinned = bool(np.all(index != schema.NO_INDEX))
        for number, (grid, coordinates) in enumerate(zip(grids, axes, strict=True)):
            sizes = grid.shape[:-1]
            places = np.arange(count, count + grid[..., 0].size)
            location = pen.canvas.add_nodes(
                sizes,
                type=NodeType.LOCATION,
                layer=layer,
                index=places.reshape(sizes) if pinned else schema.NO_INDEX,
            )
            count += location.size
            target = out[number] if apart else out
            pen.canvas.add_edges(location[..., None], target, type=EdgeType.LOCATION, layer=layer, slot=grid)
            if not pinned:
                _place(pen, columns, location, coordinates, layer=layer)
        if pinned:
            _name_coordinates(pen, columns, out, axes, apart=apart, layer=layer)

    return linear(
        pen,
        x,
        draw,
        layer=layer,
        feature_axes=(x.ndim - 1,),
        out_shape=out_shape,
        out_axes=range(x.ndim - 1, len(out_shape)),
        node_type=NodeType.CHANNEL,
        free_rows=True,
    )


def _name_coordinates(
    pen: Pen, columns: Columns, out: np.ndarray, axes: Sequence[Sequence[int]], *, apart: bool, layer: int
) -> None:
    """An edge from each coordinate to each feature that it is read for, labelled with its number.

    Enough where coordinates are the network's inputs, which cannot move: so locations have an index.
    """
    pairs = [(a, n) for n, used in enumerate(axes) for a in used]
    if apart:
        coordinate, target = np.array(pairs)[:, 0], out[[n for _, n in pairs]]
    else:
        coordinate, target = np.unique([a for a, _ in pairs]), out[None]
    pen.canvas.add_edges(
        columns.node[coordinate][:, None],
        target,
        type=EdgeType.OPERAND,
        layer=layer,
        kernel_position=[coordinate[:, None]],
        entry_position=_at(columns, coordinate[:, None]),
    )


def _place(
    pen: Pen, columns: Columns, location: np.ndarray, coordinates: Sequence[int], *, layer: int
) -> None:
    """An edge from each coordinate to each location of a grid, labelled with its place along that axis.

    Where the network computes its coordinates they are free nodes: exchanging two of them exchanges the
    axes of every grid over them, and the grids themselves, which an index of locations would forbid.
    """
    for axis, coordinate in enumerate(coordinates):
        pen.canvas.add_edges(
            columns.node[coordinate],
            location,
            type=EdgeType.OPERAND,
            layer=layer,
            kernel_position=[index_along(location.shape, axis)],
            entry_position=_at(columns, np.asarray(coordinate)),
        )


def _at(columns: Columns, coordinate: np.ndarray) -> list[np.ndarray] | None:
    return None if columns.position is None else [p[coordinate] for p in columns.position]
