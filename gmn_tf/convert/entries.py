"""Entries: what stands in place of a tensor's numbers while a model is drawn.

Every entry of a symbolic tensor belongs to a node, and has coordinates that tell it from the node's
other entries (a channel's H x W pixels). Reshaping, transposing, slicing act on these integer arrays
exactly as on the tensor, so no converter does index arithmetic of its own. The arrays are views with
stride 0 wherever nothing varies, so an image of any size costs nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np


def varying_axes(array: np.ndarray) -> tuple[int, ...]:
    """Axes along which `array` may vary: those of size over 1 and a stride that is not 0."""
    return tuple(i for i in range(array.ndim) if array.shape[i] > 1 and array.strides[i] != 0)


def compress(array: np.ndarray) -> np.ndarray:
    """The same array as a view that has stride 0 along every axis on which it is constant."""
    core = array
    for axis in varying_axes(array):
        first = core[tuple(slice(0, 1) if i == axis else slice(None) for i in range(core.ndim))]
        if np.array_equal(np.broadcast_to(first, core.shape), core):
            core = first
    for axis in range(array.ndim):
        if array.strides[axis] == 0 and core.shape[axis] > 1:
            core = core[tuple(slice(0, 1) if i == axis else slice(None) for i in range(core.ndim))]
    return np.broadcast_to(core, array.shape)


def index_along(shape: Sequence[int], axis: int) -> np.ndarray:
    """The index along `axis`, as a stride-0 view of `shape`."""
    view = [1] * len(shape)
    view[axis] = shape[axis]
    return np.broadcast_to(np.arange(shape[axis], dtype=np.int64).reshape(view), tuple(shape))


@dataclasses.dataclass(frozen=True)
class Entries:
    """Node and coordinates of every entry of a symbolic tensor.

    Attributes:
        node: int64, the tensor's own shape; -1 where an entry belongs to no node (a constant).
        coordinates: int64 arrays of that shape; (node, coordinates) is unique for every entry.
        via: int64 array of that shape; number of the last call without weights or nodes of its own
            (a pooling, a rescaling) that made the entry from its node, 0 for the node's own entries.
            It tells an average of a channel from its maximum where both meet.
        copied: for each coordinate whether it says only which of several equal copies an entry is
            (heads repeated for grouped queries), so that node and the other coordinates say its value.
    """

    node: np.ndarray
    coordinates: tuple[np.ndarray, ...] = ()
    via: np.ndarray = None  # type: ignore[assignment]
    copied: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if self.via is None:
            object.__setattr__(self, "via", np.broadcast_to(np.int64(0), self.node.shape))
        object.__setattr__(self, "node", compress(self.node))
        object.__setattr__(self, "via", compress(self.via))
        copied = self.copied or (False,) * len(self.coordinates)
        kept = _tidy([(compress(c), f) for c, f in zip(self.coordinates, copied, strict=True)])
        object.__setattr__(self, "coordinates", tuple(c for c, _ in kept))
        object.__setattr__(self, "copied", tuple(f for _, f in kept))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.node.shape

    @property
    def ndim(self) -> int:
        return self.node.ndim

    @property
    def details(self) -> tuple[np.ndarray, ...]:
        """What tells one entry of a node from another: `via`, then the coordinates."""
        return (self.via, *self.coordinates)

    @property
    def value_details(self) -> tuple[np.ndarray, ...]:
        """`details` without those of copies: with the node, they say an entry's value."""
        return (self.via, *(c for c, copy in zip(self.coordinates, self.copied, strict=True) if not copy))

    def rearrange(self, function: Callable[[np.ndarray], np.ndarray]) -> Entries:
        """Entries moved, dropped or repeated by `function`, which acts on arrays as on the tensor."""
        return dataclasses.replace(
            self,
            node=function(self.node),
            coordinates=tuple(function(c) for c in self.coordinates),
            via=function(self.via),
        )

    def rearrange_nodes(self, source: np.ndarray, target: np.ndarray) -> Entries:
        """Each node of `source` replaced by its counterpart in `target`; entries stay in place."""
        order = np.argsort(source, kind="stable")
        source, target = source[order], target[order]
        axes = set(varying_axes(self.node))
        core = self.node[tuple(slice(None) if i in axes else slice(0, 1) for i in range(self.ndim))]
        node = target[np.searchsorted(source, core)]
        return Entries(np.broadcast_to(node, self.shape), self.coordinates, via=self.via)

    def with_coordinates(self, *more: np.ndarray, copies: bool = False) -> Entries:
        """With more coordinates; `copies`: entries that differ in these alone are equal."""
        return dataclasses.replace(
            self,
            coordinates=(*self.coordinates, *more),
            copied=(*self.copied, *[copies] * len(more)),
        )

    def separates(self, axes: Sequence[int]) -> bool:
        """Whether nodes do not vary along `axes` and every coordinate varies along these or the rest."""
        inside = set(axes)
        if inside & set(varying_axes(self.node)):
            return False
        return all(
            not (set(varying_axes(d)) & inside) or set(varying_axes(d)) <= inside for d in self.details
        )


class Weights(Entries):
    """Entries of a variable that a model's own code computes with: `node` holds slots, not nodes.

    What only moves or drops entries acts on them as on any tensor; where they meet the network's own
    tensors, each becomes an edge. `via` is the last function applied to the variable on its own.
    """

    def applied(self, call: int) -> Weights:
        """The same slots after a function of each weight alone."""
        return Weights(self.node, via=np.broadcast_to(np.int64(call), self.shape))


class Composed(Entries):
    """A sum of matrix products of variables, such as W + A B, that nothing has read yet.

    A kernel of this form is applied term by term, factor by factor: x W + (x A) B, so that every weight
    is on an edge from the node it reads and the inner dimension of a product stays free.

    Attributes:
        terms: each a tuple of one variable, or of two whose product over the last axis of the first and
            the first axis of the second it is.
    """

    terms: tuple[tuple[Weights, ...], ...]

    def __init__(self, terms: Sequence[tuple[Weights, ...]], shape: Sequence[int]) -> None:
        object.__setattr__(self, "terms", tuple(terms))
        super().__init__(np.broadcast_to(np.int64(-1), tuple(shape)))

    def applied(self, call: int) -> Composed:
        """The same sum, every term scaled by one constant."""
        return Composed([(*term[:-1], term[-1].applied(call)) for term in self.terms], self.shape)

    def transposed(self) -> Composed:
        """The sum of two axes, exchanged."""
        turned = [tuple(Weights(w.node.T, via=w.via.T) for w in reversed(term)) for term in self.terms]
        return Composed(turned, self.shape[::-1])


@dataclasses.dataclass(frozen=True)
class Choices(Entries):
    """Entries that are indices along an axis of free nodes: which experts, which classes were chosen.

    Reordering the nodes changes the indices, so they mean something only together with the nodes they
    choose among. `node` is what the choice was made from, a symmetric function of all of them.

    Attributes:
        among: int64 [size], the nodes that indices 0, 1, ... stand for.
    """

    among: np.ndarray = None  # type: ignore[assignment]


def fresh(node: np.ndarray, shape: Sequence[int], axes: Sequence[int]) -> Entries:
    """Entries of new nodes `node` (broadcastable to `shape`), told apart by their index along `axes`."""
    shape = tuple(shape)
    coordinates = tuple(index_along(shape, axis) for axis in axes if shape[axis] > 1)
    return Entries(np.broadcast_to(np.asarray(node, np.int64), shape), coordinates)


def relabel(entries: Entries, axes: Sequence[int], shape: Sequence[int], via: int) -> Entries:
    """The same nodes after an operation along `axes` that turned the tensor into `shape`.

    For pooling, resizing, padding: nodes do not vary along `axes` (see `separates`), so each output
    entry still belongs to its node; along `axes` the new index takes the place of the old coordinates.
    """
    inside = set(axes)
    first = tuple(slice(0, 1) if i in inside else slice(None) for i in range(entries.ndim))

    def stretch(array: np.ndarray) -> np.ndarray:
        return np.broadcast_to(array[first], tuple(shape))

    kept = [stretch(c) for c in entries.coordinates if not set(varying_axes(c)) & inside]
    new = [index_along(shape, axis) for axis in axes if shape[axis] > 1]
    return Entries(stretch(entries.node), (*kept, *new), via=np.broadcast_to(np.int64(via), tuple(shape)))


def _tidy(coordinates: list[tuple[np.ndarray, bool]]) -> list[tuple[np.ndarray, bool]]:
    """Drops coordinates that are constant, or a function of another one along the same single axis.

    One that says a value is not dropped in favour of one that says only which copy it is.
    """
    kept: list[tuple[np.ndarray, bool]] = []
    for candidate, copy in coordinates:
        axes = varying_axes(candidate)
        if not axes:
            continue
        if any((copy or not c) and _determines(other, candidate) for other, c in kept):
            continue
        kept = [(other, c) for other, c in kept if (copy and not c) or not _determines(candidate, other)]
        kept.append((candidate, copy))
    return kept


def _core(array: np.ndarray) -> np.ndarray:
    axes = set(varying_axes(array))
    return array[tuple(slice(None) if i in axes else 0 for i in range(array.ndim))]


def _determines(finer: np.ndarray, coarser: np.ndarray) -> bool:
    """Whether equal values of `finer` always go with equal values of `coarser`."""
    axes = varying_axes(finer)
    if varying_axes(coarser) != axes:
        return False
    a, b = _core(finer).ravel(), _core(coarser).ravel()
    if len(axes) > 1:
        return np.array_equal(a, b)
    values, inverse = np.unique(a, return_inverse=True)
    lowest = np.full(values.size, np.iinfo(np.int64).max)
    highest = np.full(values.size, np.iinfo(np.int64).min)
    np.minimum.at(lowest, inverse, b)
    np.maximum.at(highest, inverse, b)
    return bool(np.all(lowest == highest))
