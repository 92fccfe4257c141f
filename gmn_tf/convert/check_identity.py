"""The identity law: (node, coordinates) is unique for every entry of every tensor."""

from __future__ import annotations

import numpy as np

from gmn_tf.convert.entries import Entries, varying_axes
from gmn_tf.convert.relations import first_along
from gmn_tf.errors import ConversionError

_LARGEST_TABLE = 4_000_000


def assert_identity(entries: Entries, path: str) -> None:
    """Raises `ConversionError`, an error of this package and not of the user, where the law is broken.

    Constants are exempt: equal ones need no telling apart.
    """
    if _repeats(entries):
        raise ConversionError(
            f"internal error: after {path!r} two entries of one node cannot be told apart (identity law)"
        )


def without_needless_copies(entries: Entries) -> Entries:
    """Without the coordinates of copies, where nodes and the other coordinates tell all entries apart."""
    if not any(entries.copied):
        return entries
    via, *coordinates = entries.value_details
    bare = Entries(entries.node, tuple(coordinates), via=via)
    return bare if _repeats(bare) is False else entries


def _repeats(entries: Entries) -> bool | None:
    """Whether two entries of a node have the same coordinates; None where that is too much to look at.

    An axis along which one coordinate alone takes all distinct values needs no table.
    """
    told_apart = set()
    for detail in entries.details:
        axes = varying_axes(detail)
        if len(axes) == 1:
            line = detail[tuple(slice(None) if a in axes else 0 for a in range(entries.ndim))]
            if np.unique(line).size == line.size and axes[0] not in varying_axes(entries.node):
                told_apart.add(axes[0])
    columns = [first_along(a, told_apart) for a in (entries.node, *entries.details)]
    if columns[0].size > _LARGEST_TABLE:
        return None
    table = np.stack([c.reshape(-1) for c in columns], axis=1)
    table = table[table[:, 0] >= 0]
    return len(np.unique(table, axis=0)) != len(table)
