"""Operations that choose entries, and those that read or write at indices the network computes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.ops import core as core_ops
from keras.src.ops import math as math_ops
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.choosing import chosen_nodes, pinned, places, read_at, write_at
from gmn_tf.convert.converters.dense import embed
from gmn_tf.convert.converters.products import einsum_of
from gmn_tf.convert.converters.rearranging import gathered
from gmn_tf.convert.elementwise import combine
from gmn_tf.convert.entries import Choices, Composed, Entries, Weights, fresh
from gmn_tf.convert.groups import along
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.convert.variables import entrywise, materialized
from gmn_tf.graph.schema import EdgeType, NodeType


@register_converter(math_ops.TopK)
def top_k(pen: Pen, operation: math_ops.TopK, x: Entries) -> tuple[Entries, Entries]:
    """Values and indices; indices that nothing reads are not drawn, for they may pin what they number."""
    x, shape = pen.with_nodes(x), (*x.shape[:-1], operation.k)
    values = along(pen, x, [-1], shape, ordered=not operation.sorted)
    if id(pen.call.outputs[1]) not in pen.read:
        return values, pen.constant(np.zeros(shape))
    return values, places(pen, x, values, x.ndim - 1)


@register_converter(numpy_ops.Argmax, numpy_ops.Argmin, numpy_ops.Argsort, numpy_ops.Sort)
def order(pen: Pen, operation: Any, x: Entries) -> Entries:
    """Indices of the largest or smallest entry, or the order of all along an axis."""
    shape = tuple(pen.call.outputs.shape)
    x, axis = pen.with_nodes(x), operation.axis
    if axis is None:
        x, axis = x.rearrange(lambda a: a.reshape(-1)), 0
    axis %= x.ndim
    whole = isinstance(operation, (numpy_ops.Argsort, numpy_ops.Sort))
    count = x.shape[axis] if whole else 1
    ranked = along(pen, x, [axis], (*x.shape[:axis], count, *x.shape[axis + 1 :]), ordered=False)
    result = ranked if isinstance(operation, numpy_ops.Sort) else places(pen, x, ranked, axis)
    return result.rearrange(lambda a: a.reshape(shape))


@register_converter(
    nn_ops.OneHot, *[getattr(layers, n) for n in ("CategoryEncoding",) if hasattr(layers, n)], choices=True
)
def one_hot(pen: Pen, operation: Any, x: Entries, count_weights: Any = None) -> Entries:
    """A pinned node per category; a free one per node where the categories are nodes of the network."""
    shape = tuple(pen.call.outputs.shape)
    if isinstance(x, Choices):
        last = getattr(operation, "axis", None) in (-1, x.ndim)
        if last and shape[-1] == x.among.size:
            return chosen_nodes(pen, x, shape)
        x = pinned(pen, x)
    layer = pen.canvas.new_layer()
    node = pen.canvas.add_nodes(shape[-1], type=NodeType.TOKEN, layer=layer, index=np.arange(shape[-1]))
    sources = np.unique(x.node[x.node >= 0])
    pen.canvas.add_edges(
        sources[:, None],
        node[None, :],
        type=EdgeType.OPERAND,
        layer=layer,
        entry_position=[np.arange(sources.size)[:, None]],
    )
    return fresh(node, shape, range(len(shape) - 1))


@register_converter(numpy_ops.Take, weights=True, composed=True)
def take(pen: Pen, operation: Any, x: Any, indices: Any) -> Any:
    """Rows of a variable by tokens are an embedding; entries by constant indices are moved."""
    if isinstance(x, (Weights, Composed)) and isinstance(indices, Entries):
        if operation.axis not in (0, -2) or x.ndim != 2:
            raise pen.refuse("looks tokens up along an axis other than the first of a table of two axes")
        return _looked_up(pen, x, materialized(pen, indices))
    if isinstance(x, Composed):
        x = entrywise(pen, x)
    if isinstance(indices, Entries):
        x = materialized(pen, x) if isinstance(x, Entries) else pen.constant(keras.ops.convert_to_numpy(x))
        return _read_rows(pen, x, materialized(pen, indices), operation.axis)
    numbers = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    indices = np.asarray(keras.ops.convert_to_numpy(indices))
    return gathered(x, np.take(numbers, indices, axis=operation.axis))


def _looked_up(pen: Pen, table: Weights | Composed, tokens: Entries) -> Entries:
    """Rows of a table by tokens; of a product, rows of its first factor times the second."""
    if isinstance(table, Weights):
        return embed(pen, table.node, tokens)
    found = []
    for number, term in enumerate(table.terms):
        rows = embed(pen, term[0].node, tokens, key=str(number))
        if len(term) == 2:
            lead, shape = "abcdefgh"[: tokens.ndim], (*tokens.shape, table.shape[-1])
            rows = einsum_of(pen, rows, term[1], f"{lead}y,yz->{lead}z", shape, key=f"{number}.1")
        found.append(rows)
    if len(found) == 1:
        return found[0]
    return combine(pen, found, edge_type=EdgeType.RESIDUAL, commutative=True, residual=True)


def _read_rows(pen: Pen, x: Entries, indices: Entries, axis: int | None) -> Entries:
    """`x` at computed indices of any shape, whose axes stand in the place of `axis`."""
    if axis is None:
        raise pen.refuse("takes entries of a flattened tensor by indices that the network computes")
    axis %= x.ndim
    shape = tuple(pen.call.outputs.shape)
    single = tuple(range(axis)), tuple(range(axis + indices.ndim, len(shape)))
    flat = indices.rearrange(lambda a: a.reshape(*(1,) * len(single[0]), -1, *(1,) * len(single[1])))
    result = read_at(pen, x, flat, axis, (*x.shape[:axis], flat.shape[axis], *x.shape[axis + 1 :]))
    return result.rearrange(lambda a: a.reshape(shape))


@register_converter(numpy_ops.TakeAlongAxis, choices=True)
def take_along_axis(pen: Pen, operation: Any, x: Any, indices: Any) -> Entries:
    x = x if isinstance(x, Entries) else pen.constant(keras.ops.convert_to_numpy(x))
    axis = operation.axis
    if axis is None:
        raise pen.refuse("reads along no axis in particular; give it one")
    if isinstance(indices, Entries):
        return read_at(pen, x, indices, axis % x.ndim, tuple(pen.call.outputs.shape))
    numbers = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    at = np.asarray(keras.ops.convert_to_numpy(indices), np.int64)
    return gathered(x, np.take_along_axis(numbers, at, axis))


@register_converter(core_ops.ScatterUpdate, core_ops.SliceUpdate)
def scatter_update(pen: Pen, operation: Any, x: Any, indices: Any, updates: Any) -> Entries:
    """Rows at given indices, or a block at a given start, replaced by others."""
    x, updates = (
        e if isinstance(e, Entries) else pen.constant(keras.ops.convert_to_numpy(e)) for e in (x, updates)
    )
    if isinstance(operation, core_ops.SliceUpdate):
        axes = [a for a in range(x.ndim) if x.shape[a] != updates.shape[a]]
        if axes != list(range(len(axes))):
            axes = list(range(max(axes) + 1))
    else:
        axes = list(range(indices.shape[-1]))
    return write_at(pen, x, indices if isinstance(indices, Entries) else None, updates, axes)
