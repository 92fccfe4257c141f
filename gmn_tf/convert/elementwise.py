"""Elementwise operations: activations, parameters applied entry by entry, tensors combined entry by entry."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from gmn_tf.convert.check_identity import without_needless_copies
from gmn_tf.convert.entries import Entries, index_along, varying_axes
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.relations import first_along, outside, pack, shared_axes, signatures, unique_rows
from gmn_tf.graph import schema
from gmn_tf.graph.canvas import Stage, Step


def activate(pen: Pen, x: Entries, activation: schema.Activation, *, layer: int | None = None) -> Entries:
    """A function applied to every entry; folds into a node label where `x` is read by nothing else."""
    if activation == schema.Activation.LINEAR:
        return x
    x = pen.with_nodes(x)
    return _unary(
        pen,
        x,
        stage=Stage.ACTIVATION,
        layer=pen.canvas.new_layer() if layer is None else layer,
        activation=activation,
        visible=activation != schema.Activation.OTHER,
    )


def _unary(
    pen: Pen,
    x: Entries,
    *,
    stage: Stage,
    layer: int,
    activation: schema.Activation = schema.Activation.LINEAR,
    visible: bool = True,
    may_fold: bool = True,
) -> Entries:
    source = np.unique(
        x.node[tuple(slice(None) if a in varying_axes(x.node) else slice(0, 1) for a in range(x.ndim))]
    )
    labels = pen.canvas.nodes
    target = np.empty_like(source)
    for kind in np.unique(labels.type[source]):
        here = labels.type[source] == kind
        target[here] = pen.canvas.add_nodes(
            int(here.sum()), type=_result_type(kind), layer=layer, activation=activation, stage=stage
        )
    pen.canvas.add_step(
        Step(
            source=source,
            target=target,
            stage=stage,
            type=schema.EdgeType.IDENTITY,
            layer=layer,
            activation=activation,
            visible=visible,
            may_fold=may_fold,
        )
    )
    return x.rearrange_nodes(source, target)


def _result_type(kind: int) -> schema.NodeType:
    """The type of a node computed from one of type `kind`: pinned kinds give plain neurons."""
    if kind in (schema.NodeType.TOKEN, schema.NodeType.CONSTANT, schema.NodeType.JOIN, schema.NodeType.VALUE):
        return schema.NodeType.NEURON
    return schema.NodeType(int(kind))


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A variable applied elementwise.

    Attributes:
        slots: int64, broadcastable to the tensor it is applied to.
        edge_type: type of its edges.
        node_type: type of the node that its edges start from.
        key: tells the variables of one layer apart.
    """

    slots: np.ndarray
    edge_type: schema.EdgeType
    node_type: schema.NodeType
    key: str


def apply_parameters(
    pen: Pen,
    x: Entries,
    parameters: Sequence[Parameter],
    *,
    layer: int,
    stage: Stage = Stage.NORMALIZATION,
    activation: schema.Activation = schema.Activation.LINEAR,
    may_fold: bool = True,
) -> Entries:
    """Entry by entry, a function of the entry and of one weight of each parameter (gamma, beta, ...).

    Each weight is one edge: into the result node it acts on, or, where it acts on several, into a value
    node that feeds them (design: Elementwise parameters never join).
    """
    x = pen.with_nodes(x)
    y = _unary(
        pen, x, stage=stage, layer=layer, activation=activation, visible=bool(parameters), may_fold=may_fold
    )
    for parameter in parameters:
        _apply(pen, y, parameter, layer=layer)
    return y


def _apply(pen: Pen, y: Entries, parameter: Parameter, *, layer: int) -> None:
    canvas = pen.canvas
    slots = parameter.slots
    spread = np.broadcast_to(slots.reshape((1,) * (y.ndim - slots.ndim) + slots.shape), y.shape)
    dropped = shared_axes([y.node, spread], y.details, range(y.ndim))
    entry_slot = first_along(spread, dropped).reshape(-1)
    node = first_along(y.node, dropped).reshape(-1)
    details = [d.reshape(-1) for d in outside(y.details, dropped)]
    pair, group = unique_rows(entry_slot, node)
    slot, target = pair[:, 0], pair[:, 1]
    position = _positions(group, details, slot, target)
    source = _source(pen, parameter, layer)
    if not pen.shared and np.unique(slot).size == slot.size:
        order = np.argsort(slot, kind="stable")  # weights in their own order: filled by one copy
        canvas.add_edges(
            source,
            target[order],
            type=parameter.edge_type,
            layer=layer,
            entry_position=None if position is None else [p[order] for p in position],
            slot=slot[order],
        )
        return
    value = _values(pen, parameter, source, layer)
    canvas.add_edges(
        value[np.searchsorted(np.unique(slots), slot)],
        target,
        type=schema.EdgeType.SHARED,
        layer=layer,
        entry_position=position,
    )


def _positions(
    group: np.ndarray, details: list[np.ndarray], slot: np.ndarray, target: np.ndarray
) -> list[np.ndarray] | None:
    """Which entries of its node each (weight, node) pair acts on; None where every weight acts on all."""
    if np.unique(target).size == target.size:
        whole = signatures(
            group, np.stack(details, axis=1) if details else np.zeros((group.size, 0), np.int64)
        )
        return pack([whole])
    if group.size == slot.size:  # one entry per pair: its coordinates say it
        order = np.argsort(group, kind="stable")
        return pack([np.unique(d[order], return_inverse=True)[1] for d in details])
    return pack([signatures(group, np.stack(details, axis=1))])


def _source(pen: Pen, parameter: Parameter, layer: int) -> np.ndarray:
    name = f"source:{parameter.key}"
    if name not in pen.memory:
        pen.memory[name] = pen.canvas.add_nodes(1, type=parameter.node_type, layer=layer)
    return pen.memory[name]


def _values(pen: Pen, parameter: Parameter, source: np.ndarray, layer: int) -> np.ndarray:
    """One value node per weight, in slot order, fed by the weight's edge; shared by all calls of a layer."""
    name = f"value:{parameter.key}"
    if name not in pen.memory:
        slots = np.unique(parameter.slots)
        value = pen.canvas.add_nodes(slots.size, type=schema.NodeType.VALUE, layer=layer)
        pen.canvas.add_edges(source, value, type=parameter.edge_type, layer=layer, slot=slots)
        pen.memory[name] = value
    return pen.memory[name]


def combine(
    pen: Pen,
    operands: Sequence[Entries],
    *,
    edge_type: schema.EdgeType,
    commutative: bool,
    residual: bool = False,
    activation: schema.Activation = schema.Activation.LINEAR,
    shape: Sequence[int] | None = None,
) -> Entries:
    """Several tensors combined entry by entry: one node per distinct tuple of nodes.

    Args:
        pen: draws.
        operands: broadcastable to one shape.
        edge_type: type of the edges from each operand.
        commutative: whether operands may be exchanged; where not, edges say which one they are.
        residual: a sum, which folds into the node of its last operand.
        activation: label of the result's nodes.
        shape: the result's shape, where broadcasting alone does not give it.
    """
    operands = [pen.with_nodes(x) for x in operands]
    shape = tuple(shape or np.broadcast_shapes(*(x.shape for x in operands)))
    spread = [_spread(x, shape) for x in operands]
    details = [d for x in spread for d in x.details]
    dropped = shared_axes([x.node for x in spread], details, range(len(shape)))
    nodes = [first_along(x.node, dropped).reshape(-1) for x in spread]
    tuples, group = unique_rows(*nodes)
    # Copies are equal: which of them meets which partner makes no difference.
    kept = [d.reshape(-1) for d in outside([d for x in spread for d in x.value_details], dropped)]
    signature = signatures(group, np.stack(kept, axis=1) if kept else np.zeros((group.size, 0), np.int64))
    layer = pen.canvas.new_layer()
    kinds = pen.canvas.nodes.type[tuples[:, -1]]
    channel = bool(np.all(kinds == schema.NodeType.CHANNEL))
    out = pen.canvas.add_nodes(
        len(tuples),
        type=schema.NodeType.CHANNEL if channel else schema.NodeType.NEURON,
        layer=layer,
        activation=activation,
        stage=Stage.RESIDUAL if residual else Stage.WEIGHTS,
    )
    in_row = np.sort(tuples, axis=1)
    twice = bool(np.any(in_row[:, 1:] == in_row[:, :-1]))  # x + x: two edges between the same nodes
    ordered = not commutative or twice or not _exchangeable(pen, spread)
    position = pack([signature])
    last = _last(pen, tuples) if residual and not ordered and position is None else None
    for number in range(len(operands)):
        if number == last:
            pen.canvas.add_step(
                Step(source=tuples[:, number], target=out, stage=Stage.RESIDUAL, type=edge_type, layer=layer)
            )
            continue
        role = [np.full(len(tuples), number)] if ordered else None
        pen.canvas.add_edges(
            tuples[:, number], out, type=edge_type, layer=layer, kernel_position=role, entry_position=position
        )
    node = out[group].reshape(first_along(spread[0].node, dropped).shape)
    coordinates = [d for x in spread for d in x.details]
    copied = [flag for x in spread for flag in (False, *x.copied)]
    result = Entries(np.broadcast_to(node, shape), tuple(coordinates), copied=tuple(copied))
    return without_needless_copies(result)


def _spread(x: Entries, shape: tuple[int, ...]) -> Entries:
    lead = (1,) * (len(shape) - x.ndim)
    return x.rearrange(lambda a: np.broadcast_to(a.reshape(lead + a.shape) if lead else a, shape))


def _exchangeable(pen: Pen, spread: Sequence[Entries]) -> bool:
    """Whether exchanging operands can change nothing: their nodes come from different operations, or
    their entries are paired with equal coordinates."""
    layers = pen.canvas.nodes.layer
    seen: set[int] = set()
    distinct = True
    for x in spread:
        here = {int(v) for v in np.unique(layers[np.unique(x.node)])}
        distinct &= not (seen & here)
        seen |= here
    if distinct:
        return True
    first = spread[0].details
    return all(
        len(x.details) == len(first)
        and all(np.array_equal(a, b) for a, b in zip(x.details, first, strict=True))
        for x in spread[1:]
    )


def _last(pen: Pen, tuples: np.ndarray) -> int | None:
    """The operand whose node the sum may fold into: the last one drawn, each node of it in one sum only."""
    layers = pen.canvas.nodes.layer
    newest = [int(layers[tuples[:, k]].min()) for k in range(tuples.shape[1])]
    last = int(np.argmax(newest))
    mine = tuples[:, last]
    others = np.delete(tuples, last, axis=1)
    if np.unique(mine).size != mine.size or np.intersect1d(mine, others).size:
        return None
    return last


def with_constant(pen: Pen, x: Entries, constant: np.ndarray, shape: Sequence[int]) -> Entries:
    """`x` combined entry by entry with numbers that are no weights.

    A constant equal for all nodes is a label of the operation; one that differs between them gives
    result nodes of their own, pinned by signature (design: Constants).
    """
    shape = tuple(shape)
    x = pen.with_nodes(x)
    spread = _spread(x, shape)
    lead = (1,) * (len(shape) - np.ndim(constant))
    numbers = np.broadcast_to(np.asarray(constant).reshape(lead + np.shape(constant)), shape)
    if np.size(constant) and np.all(numbers == numbers.flat[0]):
        return pen.local(_broadcast_positions(x, spread))
    value = np.unique(numbers, return_inverse=True)[1].reshape(shape)
    spread = _broadcast_positions(x, spread)
    details = [*spread.details, value]
    dropped = shared_axes([spread.node], details, range(len(shape)))
    nodes, group = unique_rows(first_along(spread.node, dropped).reshape(-1))
    kept = [d.reshape(-1) for d in outside(details, dropped)]
    signature = signatures(group, np.stack(kept, axis=1) if kept else np.zeros((group.size, 0), np.int64))
    if np.all(signature == 0):
        return pen.local(spread)
    layer = pen.canvas.new_layer()
    out = pen.canvas.add_nodes(len(nodes), type=schema.NodeType.NEURON, layer=layer)
    pen.canvas.add_edges(
        nodes[:, 0], out, type=schema.EdgeType.OPERAND, layer=layer, entry_position=pack([signature])
    )
    return spread.rearrange_nodes(nodes[:, 0], out)


def broadcast_entries(x: Entries, shape: Sequence[int]) -> Entries:
    """`x` broadcast to `shape`, copies told apart by their new index."""
    return _broadcast_positions(x, _spread(x, tuple(shape)))


def _broadcast_positions(x: Entries, spread: Entries) -> Entries:
    """Where broadcasting repeats entries, their new index tells the copies apart."""
    lead = spread.ndim - x.ndim
    repeated = [a for a in range(spread.ndim) if spread.shape[a] > 1 and (a < lead or x.shape[a - lead] == 1)]
    return spread.with_coordinates(*(index_along(spread.shape, a) for a in repeated), copies=True)
