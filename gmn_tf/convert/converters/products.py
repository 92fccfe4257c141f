"""matmul, einsum, dot: kernels where one operand is a variable, products of tensors where none is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.choosing import read_at
from gmn_tf.convert.converters.dense import contract, embed
from gmn_tf.convert.converters.rearranging import gathered
from gmn_tf.convert.entries import Entries, Weights
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.products import matmul_equation, product_sum
from gmn_tf.convert.registry import register_converter
from gmn_tf.convert.variables import materialized


def einsum_of(pen: Pen, first: Any, second: Any, equation: str, out_shape: tuple[int, ...]) -> Entries:
    """An einsum of two operands, each entries, a variable, or a constant."""
    first, second = (
        x if isinstance(x, Entries) else pen.constant(keras.ops.convert_to_numpy(x)) for x in (first, second)
    )
    inputs, output = equation.split("->")
    parts = inputs.split(",")
    if isinstance(first, Weights) and not isinstance(second, Weights):
        first, second, parts = second, first, parts[::-1]
    (first, parts[0]), (second, parts[1]) = _trimmed(first, second, parts)
    if isinstance(first, Weights):
        raise pen.refuse("multiplies two variables with one another, so no weight has an edge of its own")
    if isinstance(second, Weights) and np.unique(second.node).size == second.node.size:
        kept = [c for c in parts[1] if c in parts[0] or c in output]
        if len(kept) == len(parts[1]) and len(set(parts[1])) == len(parts[1]):
            return contract(pen, first, f"{parts[0]},{parts[1]}->{output}", second.node, out_shape=out_shape)
    return product_sum(pen, (first, materialized(pen, second)), f"{parts[0]},{parts[1]}->{output}")


def _trimmed(first: Entries, second: Entries, parts: list[str]) -> list[tuple[Entries, str]]:
    """Operands without the axes of size 1 that broadcast against the other operand's."""
    sizes = [dict(zip(p, x.shape, strict=True)) for p, x in zip(parts, (first, second), strict=True)]
    result = []
    for number, x in enumerate((first, second)):
        other = sizes[1 - number]
        keep = [i for i, c in enumerate(parts[number]) if x.shape[i] != 1 or other.get(c, 0) <= 1]
        result.append((_kept(x, keep), "".join(parts[number][i] for i in keep)))
    return result


def _kept(x: Entries, axes: list[int]) -> Entries:
    shape = [x.shape[i] for i in axes]
    return x.rearrange(lambda a: a.reshape(shape))


@register_converter(numpy_ops.Matmul, weights=True)
def matmul(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    shape = tuple(pen.call.outputs.shape)
    return einsum_of(pen, x1, x2, matmul_equation(len(x1.shape), len(x2.shape)), shape)


@register_converter(numpy_ops.Dot, weights=True)
def dot(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    """The last axis of the first with the last but one of the second."""
    left, right = "abcdefgh"[: len(x1.shape) - 1], "ijklmnop"[: len(x2.shape) - 1]
    second = f"{right[:-1]}y{right[-1]}" if right else "y"
    equation = f"{left}y,{second}->{left}{right}"
    return einsum_of(pen, x1, x2, equation, tuple(pen.call.outputs.shape))


@register_converter(numpy_ops.Tensordot, weights=True)
def tensordot(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    axes = operation.axes
    if isinstance(axes, int):
        axes = (list(range(len(x1.shape) - axes, len(x1.shape))), list(range(axes)))
    first, second = ([a] if isinstance(a, int) else list(a) for a in axes)
    left = list("abcdefgh"[: len(x1.shape)])
    right = list("ijklmnop"[: len(x2.shape)])
    for a, b in zip(first, second, strict=True):
        right[b] = left[a]
    kept = [c for c in left if c not in right] + [c for c in right if c not in left]
    equation = f"{''.join(left)},{''.join(right)}->{''.join(kept)}"
    return einsum_of(pen, x1, x2, equation, tuple(pen.call.outputs.shape))


@register_converter(numpy_ops.Einsum, weights=True)
def einsum(pen: Pen, operation: Any, *operands: Any, **settings: Any) -> Entries:
    if len(operands) != 2:
        raise pen.refuse(f"is an einsum of {len(operands)} operands; write it as einsums of two")
    equation = _letters(operation.subscripts, [len(x.shape) for x in operands])
    if "->" not in equation:
        raise pen.refuse(f"is an einsum without '->' ({operation.subscripts!r}); write its output out")
    return einsum_of(pen, *operands, equation, tuple(pen.call.outputs.shape))


def _letters(equation: str, ranks: list[int]) -> str:
    """The equation with the letters that `...` stands for, aligned from the right."""
    equation = equation.replace(" ", "")
    if "..." not in equation or "->" not in equation:
        return equation
    inputs, output = equation.split("->")
    spare = [c for c in "ABCDEFGHIJKLMNOP" if c not in equation]
    widths = [
        n - len(p.replace("...", "")) for p, n in zip(inputs.split(","), ranks, strict=True) if "..." in p
    ]
    names = "".join(spare[: max(widths)])
    spelled = []
    for part, rank in zip(inputs.split(","), ranks, strict=True):
        width = rank - len(part.replace("...", ""))
        spelled.append(part.replace("...", names[len(names) - width :]))
    return f"{','.join(spelled)}->{output.replace('...', names)}"


@register_converter(layers.Dot)
def dot_layer(pen: Pen, layer: layers.Dot, inputs: Any) -> Entries:
    """A dot product of two tensors along one axis of each, batches kept together."""
    if layer.normalize:
        raise pen.refuse("normalises its operands")
    first, second = inputs
    axes = layer.axes if isinstance(layer.axes, (list, tuple)) else (layer.axes, layer.axes)
    left = ["z", *"abcdefgh"[: first.ndim - 1]]
    right = ["z", *"ijklmnop"[: second.ndim - 1]]
    a, b = axes[0] % first.ndim, axes[1] % second.ndim
    right[b] = left[a]
    kept = [c for c in left if c != left[a]] + [c for c in right[1:] if c != left[a]]
    result = product_sum(pen, (first, second), f"{''.join(left)},{''.join(right)}->{''.join(kept)}")
    shape = tuple(pen.call.outputs.shape)
    return result.rearrange(lambda x: x.reshape(shape))


@register_converter(numpy_ops.Take, weights=True)
def take(pen: Pen, operation: Any, x: Any, indices: Any) -> Any:
    """Rows of a variable by tokens are an embedding; entries by constant indices are moved."""
    if isinstance(x, Weights) and isinstance(indices, Entries):
        if operation.axis not in (0, -2) or x.ndim != 2:
            raise pen.refuse("looks tokens up along an axis other than the first of a table of two axes")
        return embed(pen, x.node, materialized(pen, indices))
    if isinstance(indices, Entries):
        x = materialized(pen, x) if isinstance(x, Entries) else pen.constant(keras.ops.convert_to_numpy(x))
        return _read_rows(pen, x, materialized(pen, indices), operation.axis)
    numbers = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    indices = np.asarray(keras.ops.convert_to_numpy(indices))
    return gathered(x, np.take(numbers, indices, axis=operation.axis))


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
