"""Signatures: what an edge must say so that entries treated differently are never taken for one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gmn_tf.convert.entries import varying_axes
from gmn_tf.graph import schema


def shared_axes(
    ids: Iterable[np.ndarray], details: Sequence[np.ndarray], candidates: Iterable[int]
) -> set[int]:
    """Axes along which nothing but a position of its own varies, so one index stands for all.

    Along these axes no array of `ids` varies, and every detail varies either inside them alone or
    outside them alone; what holds at their index 0 holds everywhere.
    """
    axes = set(candidates)
    for array in ids:
        axes -= set(varying_axes(array))
    changed = True
    while changed:
        changed = False
        for detail in details:
            varying = set(varying_axes(detail))
            if varying & axes and not varying <= axes:
                axes -= varying
                changed = True
    return axes


def first_along(array: np.ndarray, axes: set[int]) -> np.ndarray:
    """Index 0 along `axes`, which stay as axes of size 1."""
    return array[tuple(slice(0, 1) if i in axes else slice(None) for i in range(array.ndim))]


def outside(details: Sequence[np.ndarray], axes: set[int]) -> list[np.ndarray]:
    """The details that vary outside `axes`, taken at index 0 along them."""
    return [first_along(d, axes) for d in details if set(varying_axes(d)) - axes]


def signatures(groups: np.ndarray, details: np.ndarray) -> np.ndarray:
    """One number per group: equal for groups with the same set of detail rows.

    Args:
        groups: int [n], group of each entry, 0 .. number of groups - 1, each at least once.
        details: int [n, k].

    Returns:
        int64 [groups], numbered in order of first appearance; all 0 where the groups agree.
    """
    count = int(groups.max()) + 1 if groups.size else 0
    if details.shape[1] == 0:
        details = np.zeros((groups.size, 1), np.int64)
    order = np.lexsort((*details.T[::-1], groups))
    sizes = np.bincount(groups, minlength=count)
    rows = details[order]
    if np.all(sizes == sizes[:1]):
        table = rows.reshape(count, -1)
        if np.all(table == table[:1]):
            return np.zeros(count, np.int64)
        return in_order(np.unique(table, axis=0, return_inverse=True)[1].reshape(-1))
    seen: dict[bytes, int] = {}
    ends = np.cumsum(sizes)
    return np.array(
        [seen.setdefault(rows[e - s : e].tobytes(), len(seen)) for s, e in zip(sizes, ends, strict=True)],
        np.int64,
    )


def in_order(labels: np.ndarray) -> np.ndarray:
    """The same partition, numbered in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return rank[inverse.reshape(-1)].reshape(np.shape(labels))


def unique_rows(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of equal-length columns: (rows [g, k] in order of first appearance, group of each)."""
    table = np.stack([np.asarray(c, np.int64).reshape(-1) for c in columns], axis=1)
    if table.shape[1] == 1:
        _, first, inverse = np.unique(table[:, 0], return_index=True, return_inverse=True)
    else:
        _, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return table[np.sort(first)], rank[inverse.reshape(-1)]


def pack(columns: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """An entry position from integer columns of one shape; None where all rows agree.

    Columns that are constant are left out; up to three stay as they are, more are packed into one
    number per distinct row.
    """
    varying = [np.asarray(c) for c in columns if np.size(c) and np.any(c != np.asarray(c).flat[0])]
    if not varying:
        return None
    if len(varying) <= schema.POSITION_SIZE:
        return varying
    _, inverse = unique_rows(*varying)
    return [inverse.reshape(varying[0].shape)]
