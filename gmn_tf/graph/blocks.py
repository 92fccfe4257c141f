"""Edges in blocks: a kernel of 25 million weights is a few small arrays until someone asks for more."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from gmn_tf.graph import schema

Position = Sequence[np.ndarray | int] | None
"""Up to three coordinates, each broadcastable to the block; None where the edges have no position."""


@dataclasses.dataclass(frozen=True)
class Block:
    """Edges of one type and one operation, as arrays that broadcast to one common shape.

    Attributes:
        source, target: node ids, broadcastable to `shape`.
        type: the edges' `schema.EdgeType`.
        layer: number of the operation that the edges belong to.
        shape: common shape; the edges are its entries in C order.
        kernel_position, entry_position: see `Position`.
        slot: index into the model's flat weights, of shape `shape`; None for parameterless edges.
    """

    source: np.ndarray
    target: np.ndarray
    type: int
    layer: int
    shape: tuple[int, ...]
    kernel_position: Position = None
    entry_position: Position = None
    slot: np.ndarray | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def column(self, name: str) -> np.ndarray:
        """One column of the edges, expanded: int32 [size], positions int32 [size, 3]."""
        if name in (schema.SOURCE, schema.TARGET):
            return self._expand(getattr(self, name))
        if name in (schema.TYPE, schema.LAYER):
            return np.full(self.size, getattr(self, name), np.int32)
        if name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
            return self._expand_position(getattr(self, name))
        if name == schema.SLOT:
            if self.slot is None:
                return np.full(self.size, schema.NO_SLOT, np.int64)
            return self.slot.reshape(-1)
        raise KeyError(name)

    def _expand(self, array: np.ndarray | int) -> np.ndarray:
        return np.broadcast_to(np.asarray(array, np.int32), self.shape).reshape(-1)

    def _expand_position(self, position: Position) -> np.ndarray:
        columns = np.full((self.size, schema.POSITION_SIZE), schema.NO_POSITION, np.int32)
        for axis, coordinate in enumerate(position or ()):
            columns[:, axis] = self._expand(coordinate)
        return columns


def make_block(
    source: np.ndarray,
    target: np.ndarray,
    *,
    type: int,
    layer: int,
    kernel_position: Position = None,
    entry_position: Position = None,
    slot: np.ndarray | None = None,
) -> Block:
    """A block whose shape is what its arrays broadcast to; `slot`, where given, must have that shape."""
    arrays = [np.asarray(source), np.asarray(target)]
    arrays += [np.asarray(c) for position in (kernel_position, entry_position) for c in position or ()]
    if slot is not None:
        arrays.append(slot)
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    if slot is not None and slot.shape != shape:
        raise AssertionError(f"slots of shape {slot.shape} for edges of shape {shape}: a weight on two edges")
    return Block(
        source=arrays[0],
        target=arrays[1],
        type=int(type),
        layer=int(layer),
        shape=shape,
        kernel_position=kernel_position,
        entry_position=entry_position,
        slot=slot,
    )
