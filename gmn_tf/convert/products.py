"""Products of the network's own tensors, summed over axes: attention scores, bilinear terms, any einsum."""

from __future__ import annotations

from gmn_tf.convert.elementwise import combine
from gmn_tf.convert.entries import Entries
from gmn_tf.convert.groups import reduce
from gmn_tf.convert.pen import Pen
from gmn_tf.graph.schema import EdgeType


def product_sum(pen: Pen, operands: tuple[Entries, Entries], equation: str) -> Entries:
    """An einsum of two tensors: a pair node per product, then a node per sum of different pairs.

    A sum over an axis of positions, as that over keys of weighted values, adds no node: the pair node
    stands for all of them (design: Products summed over features).
    """
    inputs, output = equation.split("->")
    parts = inputs.split(",")
    summed = [c for c in dict.fromkeys("".join(parts)) if c not in output]
    letters = [*output, *summed]
    sizes = {
        c: s for part, x in zip(parts, operands, strict=True) for c, s in zip(part, x.shape, strict=True)
    }
    shape = tuple(sizes[c] for c in letters)

    def spread(x: Entries, part: str) -> Entries:
        order = sorted(range(len(part)), key=lambda i: letters.index(part[i]))
        view = [sizes[c] if c in part else 1 for c in letters]
        return x.rearrange(lambda a: a.transpose(order).reshape(view))

    aligned = [spread(x, part) for x, part in zip(operands, parts, strict=True)]
    pairs = combine(pen, aligned, edge_type=EdgeType.MULTIPLY, commutative=True, shape=shape)
    if not summed:
        return pairs
    return reduce(pen, pairs, list(range(len(output), len(letters))))


def matmul_equation(left: int, right: int) -> str:
    """The einsum of `matmul` for operands of so many axes, leading ones broadcast."""
    if left == 1 and right == 1:
        return "y,y->"
    if left == 1:
        lead = "abcdefgh"[: right - 2]
        return f"y,{lead}yz->{lead}z"
    if right == 1:
        lead = "abcdefgh"[: left - 1]
        return f"{lead}y,y->{lead}"
    lead = "abcdefgh"[: max(left, right) - 2]
    return f"{lead[len(lead) - left + 2 :]}xy,{lead[len(lead) - right + 2 :]}yz->{lead}xz"
