"""Tensors combined entry by entry, and reduced: merge layers, arithmetic, means and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers
from keras.src.ops import math as math_ops
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.elementwise import activate, combine, with_constant
from gmn_tf.convert.entries import Entries
from gmn_tf.convert.groups import reduce
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph.schema import Activation, EdgeType


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


@register_converter(numpy_ops.Add, numpy_ops.Subtract, numpy_ops.Multiply, numpy_ops.Divide,
                    numpy_ops.TrueDivide, numpy_ops.DivideNoNan, numpy_ops.Maximum, numpy_ops.Minimum,
                    numpy_ops.Power)  # fmt: skip
def arithmetic(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    """Arithmetic of two tensors, or of a tensor and constants, which are labels of the operation."""
    kind = type(operation)
    if isinstance(x1, keras.Variable) or isinstance(x2, keras.Variable):
        raise pen.refuse("acts on a variable that belongs to no layer with a converter")
    if not isinstance(x1, Entries):
        return with_constant(pen, x2, keras.ops.convert_to_numpy(x1), pen.call.outputs.shape)
    if not isinstance(x2, Entries):
        return with_constant(pen, x1, keras.ops.convert_to_numpy(x2), pen.call.outputs.shape)
    if kind is numpy_ops.Add:
        return combine(pen, (x1, x2), edge_type=EdgeType.RESIDUAL, commutative=True, residual=True)
    if kind is numpy_ops.Multiply:
        return combine(pen, (x1, x2), edge_type=EdgeType.MULTIPLY, commutative=True)
    commutative = kind in (numpy_ops.Maximum, numpy_ops.Minimum)
    return combine(pen, (x1, x2), edge_type=EdgeType.OPERAND, commutative=commutative)


@register_converter(numpy_ops.Clip)
def clip(pen: Pen, operation: Any, x: Entries) -> Entries:
    return activate(pen, x, Activation.OTHER)


@register_converter(
    numpy_ops.Mean, numpy_ops.Sum, numpy_ops.Max, numpy_ops.Min, numpy_ops.Amax, numpy_ops.Amin,
    numpy_ops.Prod, numpy_ops.Var, numpy_ops.Std, math_ops.Logsumexp,
)  # fmt: skip
def reduction(pen: Pen, operation: Any, x: Entries) -> Entries:
    axis = operation.axis
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    return reduce(pen, x, list(axes), keepdims=bool(operation.keepdims))
