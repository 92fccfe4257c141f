"""Tensors combined entry by entry, and reduced: merge layers, arithmetic, means and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.ops import math as math_ops
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.elementwise import activate, combine, with_constant
from gmn_tf.convert.entries import Entries, Weights
from gmn_tf.convert.groups import reduce
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.convert.variables import apply_weights, materialized
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
)  # fmt: skip
def arithmetic(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    """Arithmetic of two tensors, of a tensor and a variable, or with constants, which are labels."""
    kind = type(operation)
    shape = tuple(pen.call.outputs.shape)
    for one, other in ((x1, x2), (x2, x1)):
        if not isinstance(other, Entries):
            if isinstance(one, Weights):
                return _with_number(pen, one, other, shape)
            return with_constant(pen, one, keras.ops.convert_to_numpy(other), shape)
    if isinstance(x1, Weights) and isinstance(x2, Weights):
        x1 = materialized(pen, x1)
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


def _with_number(pen: Pen, weights: Weights, number: Any, shape: tuple[int, ...]) -> Entries:
    """A variable with a constant, such as 1 + gamma: the same slots, and a note of what was done."""
    value = np.asarray(keras.ops.convert_to_numpy(number))
    if np.all(value == value.reshape(-1)[:1]) and weights.shape == shape:
        return weights.applied(pen.call.number)
    return with_constant(pen, materialized(pen, weights), value, shape)


@register_converter(numpy_ops.Clip)
def clip(pen: Pen, operation: Any, x: Entries) -> Entries:
    return activate(pen, x, Activation.OTHER)


@register_converter(
    numpy_ops.Mean, numpy_ops.Sum, numpy_ops.Max, numpy_ops.Min, numpy_ops.Amax, numpy_ops.Amin,
    numpy_ops.Prod, numpy_ops.Var, numpy_ops.Std, numpy_ops.All, numpy_ops.Any, math_ops.Logsumexp,
)  # fmt: skip
def reduction(pen: Pen, operation: Any, x: Entries) -> Entries:
    axis = operation.axis
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    return reduce(pen, x, list(axes), keepdims=bool(operation.keepdims))
