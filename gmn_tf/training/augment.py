"""Mirrored and turned networks: other weights of the same architecture, as plausible as the network itself.

Mirroring every kernel of a convolutional network gives the network that training on mirrored images would
have given, and its accuracy on them is the same (up to how strides and padding meet the border). What
the metanetwork should know of kernels does not depend on the orientation of the images.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from gmn_tf.graph import schema

_IDENTITY = (False, False, False)


def orientations(edges: Mapping[str, np.ndarray]) -> np.ndarray:
    """Slots of the edges under the symmetries of the square, int32 [variants, num_edges].

    The first is the network itself. A symmetry (mirror rows, mirror columns, swap both) moves
    every position of two coordinates within its layer's kernel, or within the image that was flattened;
    it is left out where it does not map the network's edges onto themselves, as with kernels that are
    not square.

    Args:
        edges: columns source, target, type, layer, slot [num_edges], kernel_position, entry_position
            [num_edges, 3].
    """
    slots = np.asarray(edges[schema.SLOT], np.int32)
    plain = [edges[name] for name in (schema.SOURCE, schema.TARGET, schema.TYPE, schema.LAYER)]
    positions = [np.asarray(edges[name]) for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION)]
    group = _ids([edges[schema.TYPE], edges[schema.LAYER]])
    found = [slots]
    for moves in itertools.product([False, True], repeat=3):
        if moves == _IDENTITY:
            continue
        moved = [_move(position, group, *moves) for position in positions]
        both = [np.concatenate(pair) for pair in zip(positions, moved, strict=True)]
        ids = _ids(
            [np.concatenate([column, column]) for column in plain]
            + [position[:, axis] for position in both for axis in range(schema.POSITION_SIZE)]
        )
        here, there = ids[: len(slots)], ids[len(slots) :]
        order = np.argsort(here)
        place = np.searchsorted(here[order], there)
        if place.max(initial=0) < len(slots) and np.array_equal(here[order][place], there):
            found.append(slots[order][place])
    return np.stack(found)


def _move(position: np.ndarray, group: np.ndarray, rows: bool, columns: bool, swap: bool) -> np.ndarray:
    """Positions of two coordinates, moved within the extent that their group has."""
    flat = (position[:, :2] != schema.NO_POSITION).all(axis=1) & (position[:, 2] == schema.NO_POSITION)
    extent = np.zeros((group.max(initial=0) + 1, 2), position.dtype)
    np.maximum.at(extent, group[flat], position[flat, :2])
    moved = position.copy()
    if rows:
        moved[flat, 0] = extent[group[flat], 0] - position[flat, 0]
    if columns:
        moved[flat, 1] = extent[group[flat], 1] - position[flat, 1]
    if swap:
        moved[flat, :2] = moved[flat, 1::-1]
    return moved


def _ids(columns: list[np.ndarray]) -> np.ndarray:
    """Equal rows get equal numbers below the number of rows."""
    ids = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        column = np.asarray(column, np.int64)
        low = int(column.min(initial=0))
        span = int(column.max(initial=0)) - low + 1
        ids = np.unique(ids * span + (column - low), return_inverse=True)[1].ravel()
    return ids
