"""Operations that read several nodes at once without weights: statistics, softmax, pooling over features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmn_tf.convert.elementwise import activate
from gmn_tf.convert.entries import Entries, index_along, relabel
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.relations import first_along, outside, pack, shared_axes, signatures, unique_rows
from gmn_tf.graph import schema


def statistics(
    pen: Pen, x: Entries, axes: Sequence[int], *, layer: int, feature_group: np.ndarray | None = None
) -> None:
    """Group nodes for statistics taken over `axes`: one per distinct set of nodes, members point to it.

    Without them a channel could wander between groups. Left out where the one group is exactly all
    nodes of one operation (LayerNormalization after Dense), or each group is a single node
    (BatchNormalization).

    Args:
        pen: draws.
        x: what the statistics are of, with nodes.
        axes: reduced axes.
        layer: number of the operation.
        feature_group: int64 broadcastable to `x`, for statistics over parts of the reduced axes.
    """
    group = np.broadcast_to(np.int64(0) if feature_group is None else feature_group, x.shape)
    dropped = shared_axes([x.node, group], x.details, range(x.ndim))
    row = np.zeros(x.shape, np.int64)[
        tuple(slice(0, 1) if a in dropped else slice(None) for a in range(x.ndim))
    ]
    for axis in range(x.ndim):
        if axis not in axes and axis not in dropped:
            row = row * x.shape[axis] + first_along(index_along(x.shape, axis), dropped)
    node = first_along(x.node, dropped).reshape(-1)
    instances, instance = unique_rows(row.reshape(-1), first_along(group, dropped).reshape(-1))
    members = [np.unique(node[instance == i]) for i in range(len(instances))]
    names = {m.tobytes(): None for m in members}
    number = {name: i for i, name in enumerate(names)}
    merged = np.array([number[m.tobytes()] for m in members])[instance]
    if all(m.size == 1 for m in members):
        return
    pair, pair_of = unique_rows(merged, node)
    details = [d.reshape(-1) for d in outside(x.details, dropped)]
    signature = signatures(
        pair_of,
        np.stack([*details, row.reshape(-1), instance], axis=1)
        if len(instances) > len(number)
        else np.stack([*details, np.zeros_like(instance)], axis=1),
    )
    if len(number) == 1 and np.all(signature == 0) and _is_whole_operation(pen, members[0]):
        return
    ids = pen.canvas.add_nodes(len(number), type=schema.NodeType.GROUP, layer=layer)
    pen.canvas.add_edges(
        pair[:, 1],
        ids[pair[:, 0]],
        type=schema.EdgeType.GROUP,
        layer=layer,
        entry_position=pack([signature]),
    )


def _is_whole_operation(pen: Pen, members: np.ndarray) -> bool:
    labels = pen.canvas.nodes
    kinds = unique_rows(labels.layer[members], labels.type[members])[0]
    if len(kinds) > 1:
        return False
    layer, kind = kinds[0]
    return int(np.sum((labels.layer == layer) & (labels.type == kind))) == members.size


def softmax(
    pen: Pen,
    x: Entries,
    axes: Sequence[int],
    *,
    activation: schema.Activation = schema.Activation.SOFTMAX,
) -> Entries:
    """Softmax over `axes`: a node label, and group nodes where it normalises over some features only."""
    x = pen.with_nodes(x)
    layer = pen.canvas.new_layer()
    statistics(pen, x, axes, layer=layer)
    return activate(pen, x, activation, layer=layer)


def reduce(pen: Pen, x: Entries, axes: Sequence[int], *, keepdims: bool = False) -> Entries:
    """Mean, maximum and the like over whole axes."""
    axes = sorted({a % x.ndim for a in axes})
    shape = tuple(1 if a in axes else s for a, s in enumerate(x.shape))
    if x.separates(axes):
        result = relabel(x, axes, shape, pen.call.number)
    else:
        flat = np.arange(int(np.prod(x.shape))).reshape(x.shape)
        moved = np.moveaxis(flat, axes, range(-len(axes), 0))
        windows = moved.reshape(int(np.prod(shape)), -1)
        result = mix(pen, x, shape, windows)
    if keepdims:
        return result
    return result.rearrange(lambda a: a.reshape([s for i, s in enumerate(a.shape) if i not in axes]))


def along(pen: Pen, x: Entries, axes: Sequence[int], shape: Sequence[int], *, ordered: bool) -> Entries:
    """Every result entry is a function of all entries of `x` along `axes` that lie where it lies.

    Along positions entries stay with their nodes; where several nodes meet, they have one result node,
    whose entries are the results in order (the k-th largest, the sum of the first k).

    Args:
        pen: draws.
        x: the tensor read.
        axes: along which the function reads.
        shape: the result's shape: that of `x` but along `axes`.
        ordered: whether the function is not symmetric in the entries that it reads.
    """
    axes = sorted({a % x.ndim for a in axes})
    if x.separates(axes):
        return relabel(x, axes, shape, pen.call.number)
    single = tuple(1 if a in axes else s for a, s in enumerate(x.shape))
    numbers = np.moveaxis(np.arange(int(np.prod(x.shape))).reshape(x.shape), axes, range(-len(axes), 0))
    met = mix(pen, x, single, numbers.reshape(int(np.prod(single)), -1), ordered=ordered)
    spread = met.rearrange(lambda a: np.broadcast_to(a, tuple(shape)))
    return spread.with_coordinates(*(index_along(shape, a) for a in axes if shape[a] > 1))


def mix(pen: Pen, x: Entries, shape: Sequence[int], windows: np.ndarray, *, ordered: bool = False) -> Entries:
    """Every result entry is one function of a window of entries of `x` that hold several nodes.

    Args:
        pen: draws.
        x: the tensor read.
        shape: the result's shape.
        windows: int [result entries, window], flat indices into `x`, -1 for no entry.
        ordered: whether the function is not symmetric in the entries of a window.
    """
    x = pen.with_nodes(x)
    padded = np.append(x.node.reshape(-1), -1)
    nodes = padded[windows]
    _, group = unique_rows(*np.sort(nodes, axis=1).T)
    count = int(group.max()) + 1
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    rank = np.empty(group.size, np.int64)
    rank[order] = np.arange(group.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    entry = windows.reshape(-1)
    present = entry >= 0
    result = np.repeat(group, windows.shape[1])[present]
    details = [d.reshape(-1)[entry[present]] for d in x.details]
    details.append(np.repeat(rank, windows.shape[1])[present])
    if ordered:
        details.append(np.tile(np.arange(windows.shape[1]), len(windows))[present])
    pair, pair_of = unique_rows(result, nodes.reshape(-1)[present])
    signature = signatures(pair_of, np.stack(details, axis=1))
    layer = pen.canvas.new_layer()
    out = pen.canvas.add_nodes(count, type=schema.NodeType.NEURON, layer=layer)
    pen.canvas.add_edges(
        pair[:, 1],
        out[pair[:, 0]],
        type=schema.EdgeType.OPERAND,
        layer=layer,
        entry_position=pack([signature]),
    )
    return Entries(out[group].reshape(shape), (rank.reshape(shape),))
