"""matmul, einsum, dot: kernels where one operand is a variable, products of tensors where none is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.converters.dense import contract
from gmn_tf.convert.converters.normalization import normalize
from gmn_tf.convert.elementwise import combine
from gmn_tf.convert.entries import Composed, Entries, Weights, varying_axes
from gmn_tf.convert.groups import reduce
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.products import matmul_equation, product_sum
from gmn_tf.convert.registry import register_converter
from gmn_tf.convert.relations import unique_rows
from gmn_tf.convert.variables import entrywise, materialized
from gmn_tf.graph.schema import EdgeType

_VARIABLES = (Weights, Composed)


def einsum_of(
    pen: Pen, first: Any, second: Any, equation: str, out_shape: tuple[int, ...], *, key: str = "kernel"
) -> Entries:
    """An einsum of two operands, each entries, variables, or a constant; `key` as in `contract`."""
    first, second = (
        x if isinstance(x, Entries) else pen.constant(keras.ops.convert_to_numpy(x)) for x in (first, second)
    )
    inputs, output = equation.split("->")
    parts = inputs.split(",")
    if isinstance(first, _VARIABLES) and not isinstance(second, _VARIABLES):
        first, second, parts = second, first, parts[::-1]
    if isinstance(first, _VARIABLES):
        if isinstance(first, Weights) and isinstance(second, Weights) and _is_product(parts, output):
            return Composed([(first, second)], out_shape)
        first, second = entrywise(pen, first), entrywise(pen, second)
    if isinstance(second, Composed):
        return _applied_term_by_term(pen, first, second, parts, output, out_shape, key=key)
    (first, parts[0]), (second, parts[1]) = _trimmed(first, second, parts)
    if isinstance(second, Weights) and np.unique(second.node).size == second.node.size:
        kept = [c for c in parts[1] if c in parts[0] or c in output]
        if len(kept) == len(parts[1]) and len(set(parts[1])) == len(parts[1]):
            equation = f"{parts[0]},{parts[1]}->{output}"
            return contract(pen, first, equation, second.node, out_shape=out_shape, key=key)
    for x, y, spelled in ((first, second, parts), (second, first, parts[::-1])):
        if _is_constant_kernel(x, y, spelled, output):
            equation = f"{spelled[0]},{spelled[1]}->{output}"
            return contract(pen, x, equation, _classes(y), out_shape=out_shape, constant=True)
    return product_sum(pen, (first, materialized(pen, second)), f"{parts[0]},{parts[1]}->{output}")


def _is_constant_kernel(x: Entries, constant: Entries, parts: list[str], output: str) -> bool:
    """Whether numbers that are no weights are summed with features of `x`, alike along its other axes."""
    of_x, of_constant = parts
    if isinstance(constant, Weights) or np.any(constant.node >= 0) or np.all(x.node < 0):
        return False
    if any(len(set(part)) != len(part) for part in (of_x, of_constant)):
        return False
    if any(c not in of_x and c not in output for c in of_constant):
        return False
    rows = [i for i, c in enumerate(of_x) if c not in of_constant]
    varying = set(varying_axes(x.node))
    return bool(varying) and not varying & set(rows)


def _classes(constant: Entries) -> np.ndarray:
    """A number per entry, equal for equal numbers."""
    return unique_rows(*(d.reshape(-1) for d in constant.details))[1].reshape(constant.shape)


def _is_product(parts: list[str], output: str) -> bool:
    """Whether an einsum multiplies over the last axis of the first and the first axis of a matrix."""
    first, second = parts
    return len(second) == 2 and first[-1] == second[0] and output == first[:-1] + second[1] != first


def _applied_term_by_term(
    pen: Pen,
    x: Entries,
    kernel: Composed,
    parts: list[str],
    output: str,
    out_shape: tuple[int, ...],
    *,
    key: str,
) -> Entries:
    """x (W + A B) as x W + (x A) B, so that the inner dimension of A B is a layer of free nodes."""
    of_x, of_kernel = parts
    sizes = dict(zip(of_x + of_kernel, (*x.shape, *kernel.shape), strict=True))
    results = []
    for number, term in enumerate(kernel.terms):
        steps = [(term[0], of_kernel, output)]
        if len(term) == 2:
            lead, last, inner = of_kernel[:-1], of_kernel[-1], next(c for c in _SPARE if c not in sizes)
            left, right = (term[0], lead + inner), (term[1], inner + last)
            if last in of_x and last in output:
                raise pen.refuse("reads a product of variables along an axis that is summed and kept")
            if last in of_x:  # the second factor meets the tensor first
                left, right = right, left
            between = _between(of_x, left[1], right[1] + output)
            sizes[inner] = term[1].shape[0]
            steps = [(*left, between), (*right, output)]
        y, letters = x, of_x
        for step, (factor, spelled, result) in enumerate(steps):
            shape = tuple(sizes[c] for c in result)
            equation = f"{letters},{spelled}->{result}"
            y = einsum_of(pen, y, factor, equation, shape, key=f"{key}{number}.{step}")
            letters = result
        results.append(y)
    if len(results) == 1:
        return results[0]
    return combine(
        pen, results, edge_type=EdgeType.RESIDUAL, commutative=True, residual=True, shape=out_shape
    )


_SPARE = "ZYXWVUTSRQ"


def _between(of_x: str, of_kernel: str, later: str) -> str:
    """Letters of a step's result: those that a later step or the result still reads, in order."""
    return "".join(c for c in dict.fromkeys(of_x + of_kernel) if c in later)


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


@register_converter(numpy_ops.Matmul, weights=True, composed=True)
def matmul(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    shape = tuple(pen.call.outputs.shape)
    return einsum_of(pen, x1, x2, matmul_equation(len(x1.shape), len(x2.shape)), shape)


@register_converter(numpy_ops.Dot, weights=True, composed=True)
def dot(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    """The last axis of the first with the last but one of the second."""
    left, right = "abcdefgh"[: len(x1.shape) - 1], "ijklmnop"[: len(x2.shape) - 1]
    second = f"{right[:-1]}y{right[-1]}" if right else "y"
    equation = f"{left}y,{second}->{left}{right}"
    return einsum_of(pen, x1, x2, equation, tuple(pen.call.outputs.shape))


@register_converter(numpy_ops.Tensordot, weights=True, composed=True)
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


@register_converter(numpy_ops.Einsum, weights=True, composed=True)
def einsum(pen: Pen, operation: Any, *operands: Any, **settings: Any) -> Entries:
    """Two operands at a time, from the left; an operand's diagonals are taken first."""
    equation = _letters(_with_output(operation.subscripts), [len(x.shape) for x in operands])
    inputs, output = equation.split("->")
    terms = [_diagonal(pen, x, part) for x, part in zip(operands, inputs.split(","), strict=True)]
    shape = tuple(pen.call.outputs.shape)
    x, letters = terms[0]
    if len(terms) == 1:
        return _summed(pen, x, letters, output)
    sizes = {c: n for y, part in terms for c, n in zip(part, y.shape, strict=True)}
    for number, (y, part) in enumerate(terms[1:]):
        later = output + "".join(p for _, p in terms[number + 2 :])
        kept = output if number == len(terms) - 2 else _between(letters, part, later)
        shape = tuple(sizes[c] for c in kept)
        x = einsum_of(pen, x, y, f"{letters},{part}->{kept}", shape, key=str(number))
        letters = kept
    return x


def _with_output(equation: str) -> str:
    """The equation with its output written out: letters that stand once, in alphabetical order."""
    equation = equation.replace(" ", "")
    if "->" in equation:
        return equation
    letters = equation.replace(",", "").replace("...", "")
    dots = "..." if "..." in equation else ""
    return f"{equation}->{dots}{''.join(sorted(c for c in set(letters) if letters.count(c) == 1))}"


def _diagonal(pen: Pen, x: Any, letters: str) -> tuple[Any, str]:
    once = "".join(dict.fromkeys(letters))
    if once == letters:
        return x, letters
    if not isinstance(x, Entries):
        return np.einsum(f"{letters}->{once}", keras.ops.convert_to_numpy(x)), once
    x = entrywise(pen, x) if isinstance(x, Composed) else x
    return x.rearrange(lambda a: np.einsum(f"{letters}->{once}", a)), once


def _summed(pen: Pen, x: Entries, letters: str, output: str) -> Entries:
    """An einsum of one operand: sums over the letters that the output lacks, then moves axes."""
    lost = [i for i, c in enumerate(letters) if c not in output]
    if lost:
        x = reduce(pen, entrywise(pen, x), lost)
        letters = "".join(c for c in letters if c in output)
    elif isinstance(x, Composed):
        x = entrywise(pen, x)
    return x.rearrange(lambda a: a.transpose([letters.index(c) for c in output]))


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
    first, second = inputs
    axes = layer.axes if isinstance(layer.axes, (list, tuple)) else (layer.axes, layer.axes)
    if layer.normalize:
        first, second = (
            normalize(pen, x, [], statistics_over=[a % x.ndim])
            for x, a in zip((first, second), axes, strict=True)
        )
    left = ["z", *"abcdefgh"[: first.ndim - 1]]
    right = ["z", *"ijklmnop"[: second.ndim - 1]]
    a, b = axes[0] % first.ndim, axes[1] % second.ndim
    right[b] = left[a]
    kept = [c for c in left if c != left[a]] + [c for c in right[1:] if c != left[a]]
    result = product_sum(pen, (first, second), f"{''.join(left)},{''.join(right)}->{''.join(kept)}")
    shape = tuple(pen.call.outputs.shape)
    return result.rearrange(lambda x: x.reshape(shape))
