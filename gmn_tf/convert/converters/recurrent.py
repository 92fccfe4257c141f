"""The steps of an opened recurrent layer that no Keras operation expresses."""

from __future__ import annotations

import numpy as np

from gmn_tf.convert.elementwise import broadcast_entries
from gmn_tf.convert.entries import Entries, Weights, fresh, index_along, varying_axes
from gmn_tf.convert.groups import mix
from gmn_tf.convert.openers import Attach, CloseState, NewState, OverTime, TakeStep
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.convert.relations import first_along
from gmn_tf.convert.variables import apply_weights
from gmn_tf.graph.schema import EdgeType, NodeType


@register_converter(TakeStep)
def take_step(pen: Pen, operation: TakeStep, x: Entries) -> Entries:
    """A step stands for all of them; where steps hold different nodes these meet, labelled by step."""
    if x.separates([1]):
        return x.rearrange(lambda a: a[:, 0])
    shape = (x.shape[0], *x.shape[2:])
    numbers = np.moveaxis(np.arange(int(np.prod(x.shape))).reshape(x.shape), 1, -1)
    return mix(pen, x, shape, numbers.reshape(int(np.prod(shape)), -1), ordered=True)


@register_converter(NewState)
def new_state(pen: Pen, operation: NewState, anchor: Entries, initial: Entries | None = None) -> Entries:
    """A node per feature of the state, or per channel of a convolutional one."""
    shape = operation.shape
    layer = pen.canvas.new_layer()
    node = pen.canvas.add_nodes(shape[-1], type=NodeType.STATE, layer=layer)
    if initial is not None:
        core = first_along(initial.node, set(range(initial.ndim)) - {initial.ndim - 1})
        if set(varying_axes(initial.node)) - {initial.ndim - 1}:
            raise pen.refuse("starts from a state whose positions hold different nodes")
        source = np.broadcast_to(core.reshape(-1), node.shape)
        pen.canvas.add_edges(source, node, type=EdgeType.OPERAND, layer=layer)
    return fresh(node, shape, range(len(shape) - 1))


@register_converter(CloseState)
def close_state(pen: Pen, operation: CloseState, x: Entries, state: Entries, following: Entries) -> Entries:
    axis = state.ndim - 1
    rest = set(range(axis))
    if set(varying_axes(following.node)) & rest:
        raise pen.refuse("passes on a state whose positions hold different nodes")
    source = np.broadcast_to(first_along(following.node, rest).reshape(-1), state.shape[-1:])
    target = np.broadcast_to(first_along(state.node, rest).reshape(-1), state.shape[-1:])
    pen.canvas.add_edges(source, target, type=EdgeType.RECURRENT, layer=pen.canvas.new_layer())
    return x


@register_converter(OverTime)
def over_time(pen: Pen, operation: OverTime, x: Entries) -> Entries:
    shape = (x.shape[0], operation.steps, *x.shape[1:])
    spread = x.rearrange(lambda a: np.broadcast_to(a[:, None], shape))
    return spread.with_coordinates(index_along(shape, 1))


@register_converter(Attach, weights=True)
def attach(pen: Pen, operation: Attach, x: Entries, weight: Weights) -> Entries:
    return apply_weights(
        pen,
        broadcast_entries(x, x.shape),
        weight,
        x.shape,
        edge_type=EdgeType.SCALE,
        node_type=NodeType.SCALE,
    )
