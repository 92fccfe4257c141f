"""Equivariant linear layers: a node per channel, parallel edges for the basis maps between two channels.

As Lim et al. 2024 draw equivariant linear layers. The basis map is an edge's kernel position, as the
tap of a convolution is. Positions are coordinates of a channel's node; where they are free nodes of the
network, row nodes keep them exchangeable as far as the group goes (see `gmn_tf.convert.linear`).
"""

from __future__ import annotations

import numpy as np

from gmn_tf.convert.converters.activations import apply_activation
from gmn_tf.convert.elementwise import Parameter, apply_parameters
from gmn_tf.convert.entries import Entries, varying_axes
from gmn_tf.convert.groups import statistics
from gmn_tf.convert.linear import Columns, RowMixing, bias, kernel_grid, linear
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph.schema import EdgeType, NodeType
from gmn_tf.keras_layers import GroupEquivariantDense, SetEquivariantDense


@register_converter(SetEquivariantDense)
def set_equivariant_dense(
    pen: Pen, layer: SetEquivariantDense, inputs: Entries, mask: Entries | None = None
) -> Entries:
    """Two basis maps: the element itself, and what is pooled over the set."""
    x = pen.with_nodes(inputs)
    varying = varying_axes(x.node)
    if x.ndim - 2 in varying and any(a < x.ndim - 2 for a in varying):
        statistics(pen, x, (x.ndim - 2, x.ndim - 1), layer=pen.layer())  # which elements are one set
    y = _equivariant(
        pen,
        x,
        pen.slots(layer.kernel),
        out_shape=(*x.shape[:-1], layer.units),
        bias_slots=None if layer.bias is None else pen.slots(layer.bias),
        free_rows=mask is None,  # a mask may treat the elements differently
    )
    if isinstance(mask, Entries):
        _read_mask(pen, mask, y)
    return apply_activation(pen, y, layer.activation)


@register_converter(GroupEquivariantDense)
def group_equivariant_dense(pen: Pen, layer: GroupEquivariantDense, inputs: Entries) -> Entries:
    """A basis map for each orbit of pairs of positions, a bias for each orbit of positions."""
    out_shape = (*inputs.shape[:-2], len(layer.pair_orbits), layer.units)
    biases = None if layer.bias is None else pen.slots(layer.bias)  # [orbits of positions, units]
    y = _equivariant(
        pen,
        inputs,
        pen.slots(layer.kernel),
        out_shape=out_shape,
        bias_slots=biases[0] if biases is not None and len(biases) == 1 else None,
        free_rows=True,
        mixing=RowMixing(inputs.ndim - 2, layer.pair_orbits),
    )
    if biases is not None and len(biases) > 1:
        by_position = Parameter(biases[layer.position_orbits], EdgeType.BIAS, NodeType.BIAS, "bias")
        y = apply_parameters(pen, y, [by_position], layer=pen.layer("bias"))
    return apply_activation(pen, y, layer.activation)


def _equivariant(
    pen: Pen,
    x: Entries,
    kernel: np.ndarray,
    *,
    out_shape: tuple[int, ...],
    bias_slots: np.ndarray | None,
    free_rows: bool,
    mixing: RowMixing | None = None,
) -> Entries:
    """`kernel`: slots [basis maps, features, units]; `bias_slots`: [units] or None."""
    layer = pen.layer()

    def draw(columns: Columns, out: np.ndarray) -> None:
        position = columns.position
        pen.canvas.add_edges(
            columns.node[:, None],
            out[None, :],
            type=EdgeType.LINEAR,
            layer=layer,
            kernel_position=kernel_grid(kernel.shape[:1], kernel.ndim) or None,
            entry_position=None if position is None else [p[:, None] for p in position],
            slot=kernel,
        )
        if bias_slots is not None:
            bias(pen, bias_slots, out, layer=layer)

    return linear(
        pen,
        x,
        draw,
        layer=layer,
        feature_axes=(x.ndim - 1,),
        out_shape=out_shape,
        out_axes=(len(out_shape) - 1,),
        node_type=NodeType.CHANNEL,
        free_rows=free_rows,
        mixing=mixing,
    )


def _read_mask(pen: Pen, mask: Entries, y: Entries) -> None:
    """Edges from the mask's nodes, each at a place of its own, into the result's."""
    nodes = np.unique(pen.with_nodes(mask).node)
    place = [np.arange(nodes.size)[:, None]]
    pen.canvas.add_edges(
        nodes[:, None],
        np.unique(y.node)[None, :],
        type=EdgeType.OPERAND,
        layer=pen.layer(),
        entry_position=[np.full((nodes.size, 1), pen.repeat), *place] if pen.shared else place,
    )
