"""Tensors combined entry by entry, and reduced: merge layers, arithmetic, means and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.ops import linalg as linalg_ops
from keras.src.ops import math as math_ops
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.elementwise import activate, combine, with_constant
from gmn_tf.convert.entries import Composed, Entries, Weights, varying_axes
from gmn_tf.convert.groups import reduce
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.convert.relations import first_along
from gmn_tf.convert.variables import apply_weights, entrywise, materialized
from gmn_tf.graph.schema import Activation, EdgeType, NodeType


@register_converter(layers.Add, layers.Average)
def add(pen: Pen, layer: Any, inputs: Sequence[Entries]) -> Entries:
    return combine(pen, inputs, edge_type=EdgeType.RESIDUAL, commutative=True, residual=True)


@register_converter(layers.Multiply)
def multiply(pen: Pen, layer: Any, inputs: Sequence[Entries]) -> Entries:
    return combine(pen, inputs, edge_type=EdgeType.MULTIPLY, commutative=True)


@register_converter(layers.Subtract)
def subtract(pen: Pen, layer: Any, inputs: Sequence[Entries]) -> Entries:
    return combine(pen, inputs, edge_type=EdgeType.OPERAND, commutative=False)


@register_converter(layers.Maximum, layers.Minimum)
def extremum(pen: Pen, layer: Any, inputs: Sequence[Entries]) -> Entries:
    return combine(pen, inputs, edge_type=EdgeType.OPERAND, commutative=True)


@register_converter(
    numpy_ops.Add, numpy_ops.Subtract, numpy_ops.Multiply, numpy_ops.Divide, numpy_ops.TrueDivide,
    numpy_ops.DivideNoNan, numpy_ops.Maximum, numpy_ops.Minimum, numpy_ops.Power,
    weights=True,
    composed=True,
)  # fmt: skip
def arithmetic(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    """Arithmetic of two tensors, of a tensor and a variable, or with constants, which are labels."""
    kind = type(operation)
    shape = tuple(pen.call.outputs.shape)
    x1, x2 = _number(x1, x2), _number(x2, x1)
    for one, other in ((x1, x2), (x2, x1)):
        if not isinstance(other, Entries):
            return _with_number(pen, one, keras.ops.convert_to_numpy(other), shape, kind=kind)
    if kind in (numpy_ops.Add, numpy_ops.Subtract) and (summed := _sum_of_variables(pen, kind, x1, x2)):
        return summed
    x1, x2 = _with_values(pen, x1, x2, shape)
    for one, other in ((x1, x2), (x2, x1)):
        if isinstance(other, Weights):
            additive = kind in (numpy_ops.Add, numpy_ops.Subtract)
            return apply_weights(
                pen,
                one,
                other,
                shape,
                edge_type=EdgeType.BIAS if additive else EdgeType.SCALE,
                node_type=NodeType.BIAS if additive else NodeType.SCALE,
            )
    if kind is numpy_ops.Add:
        return combine(pen, (x1, x2), edge_type=EdgeType.RESIDUAL, commutative=True, residual=True)
    if kind is numpy_ops.Multiply:
        return combine(pen, (x1, x2), edge_type=EdgeType.MULTIPLY, commutative=True)
    commutative = kind in (numpy_ops.Maximum, numpy_ops.Minimum)
    return combine(pen, (x1, x2), edge_type=EdgeType.OPERAND, commutative=commutative)


def _broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else x.rearrange(lambda a: np.broadcast_to(a, shape))


def _number(x: Any, other: Any) -> Any:
    """A constant tensor whose entries are all equal, beside a variable, as the number it is."""
    plain = isinstance(x, Entries) and not isinstance(x, (Weights, Composed))
    if plain and isinstance(other, (Weights, Composed)) and np.all(x.node < 0) and not x.coordinates:
        return np.zeros(x.shape)
    return x


_LINEAR = (numpy_ops.Multiply, numpy_ops.Divide, numpy_ops.TrueDivide)


def _with_number(pen: Pen, x: Entries, number: Any, shape: tuple[int, ...], *, kind: type) -> Entries:
    """Arithmetic with a constant; in 1 + gamma the variable keeps its slots, with a note of what was done."""
    value = np.asarray(number)
    stays = isinstance(x, Weights) or (isinstance(x, Composed) and kind in _LINEAR and x.shape == shape)
    if stays and np.all(value == value.reshape(-1)[:1]):
        return _broadcast(x, shape).applied(pen.call.number)
    x = entrywise(pen, x) if isinstance(x, Composed) else materialized(pen, x)
    return with_constant(pen, x, value, shape)


def _sum_of_variables(pen: Pen, kind: type, x1: Entries, x2: Entries) -> Entries | None:
    """Variables of one shape that are added stay apart until something reads them: x (W + V) = x W + x V."""
    if not all(isinstance(x, (Weights, Composed)) for x in (x1, x2)) or x1.shape != x2.shape:
        return None
    if kind is numpy_ops.Subtract:
        assert isinstance(x2, (Weights, Composed))
        x2 = x2.applied(pen.call.number)
    terms = [x.terms if isinstance(x, Composed) else ((x,),) for x in (x1, x2)]
    return Composed([*terms[0], *terms[1]], x1.shape)  # type: ignore[list-item]


def _with_values(pen: Pen, x1: Entries, x2: Entries, shape: tuple[int, ...]) -> tuple[Entries, Entries]:
    """Operands in which variables have nodes where they do not simply act on entries of the other one.

    That is so between variables, and where a variable varies along an axis that the other operand is
    broadcast along: there it makes new features, one for each of its indices, which stay free.
    """
    x1, x2 = (entrywise(pen, x) if isinstance(x, Composed) else x for x in (x1, x2))
    if isinstance(x1, Weights) and isinstance(x2, Weights):
        return entrywise(pen, x1), entrywise(pen, x2)
    if isinstance(x1, Weights):
        return (entrywise(pen, x1) if _spreads(x2, x1, shape) else x1), x2
    if isinstance(x2, Weights):
        return x1, (entrywise(pen, x2) if _spreads(x1, x2, shape) else x2)
    return x1, x2


def _spreads(x: Entries, weights: Weights, shape: tuple[int, ...]) -> bool:
    """Weights that stand at several places (a table of distances, read at every pair) make no features."""
    axes = varying_axes(weights.node)
    slots = first_along(weights.node, set(range(weights.ndim)) - set(axes))
    if np.unique(slots).size != slots.size:
        return False
    view = (1,) * (len(shape) - x.ndim) + x.shape
    lead = len(shape) - weights.ndim
    return any(view[lead + a] == 1 and shape[lead + a] > 1 for a in axes)


@register_converter(numpy_ops.Clip)
def clip(pen: Pen, operation: Any, x: Entries) -> Entries:
    return activate(pen, x, Activation.OTHER)


@register_converter(
    numpy_ops.Mean, numpy_ops.Sum, numpy_ops.Max, numpy_ops.Min, numpy_ops.Amax, numpy_ops.Amin,
    numpy_ops.Prod, numpy_ops.Var, numpy_ops.Std, numpy_ops.All, numpy_ops.Any, numpy_ops.CountNonzero,
    numpy_ops.Median, numpy_ops.Average, numpy_ops.Nanmax, numpy_ops.Nanmin, numpy_ops.Nanmean,
    numpy_ops.Nansum, math_ops.Logsumexp,
)  # fmt: skip
def reduction(pen: Pen, operation: Any, x: Entries, *, weights: Any = None) -> Entries:
    if weights is not None:
        raise pen.refuse("averages with weights; multiply by them and take the mean")
    return reduce(pen, x, _axes(operation.axis, x), keepdims=bool(getattr(operation, "keepdims", False)))


@register_converter(numpy_ops.Quantile)
def quantile(pen: Pen, operation: Any, x: Entries, q: Any) -> Entries:
    if np.ndim(q):
        raise pen.refuse("takes several quantiles at once; take them one by one")
    return reduce(pen, x, _axes(operation.axis, x), keepdims=bool(operation.keepdims))


@register_converter(linalg_ops.Norm)
def norm(pen: Pen, operation: Any, x: Entries) -> Entries:
    """The norm of a vector, whichever its order, or the Frobenius norm of a matrix."""
    axes = _axes(operation.axis, x)
    if len(axes) > 1 and operation.ord not in (None, "fro"):
        raise pen.refuse(f"is a matrix norm of order {operation.ord!r}")
    return reduce(pen, x, axes, keepdims=bool(operation.keepdims))


@register_converter(nn_ops.Moments)
def moments(pen: Pen, operation: Any, x: Entries) -> tuple[Entries, Entries]:
    axes = _axes(operation.axes, x)
    mean, variance = (reduce(pen, x, axes, keepdims=bool(operation.keepdims)) for _ in range(2))
    return mean, variance


def _axes(axis: Any, x: Entries) -> list[int]:
    return list(range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,))
