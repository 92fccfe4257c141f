"""An edge stream whose edges lie in numpy arrays: for graphs whose states do not fit several times over.

It runs the very functions that `EdgeStream` runs, one chunk after the other, compiled, outside of any
graph; what they give per edge is written over what they were given, so there is one state per edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.layers.edge_stream import NOWHERE, Columns, EdgeFunction, EdgeStream

UNCOMPILED_EDGES = 2**18
"""Up to so many edges a function runs as it is: compiling it would take longer than all chunks do."""


def _ignore(num_edges: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, repr=False)
class HostArray:
    """A numpy array that Keras' layers pass on as it is; arrays themselves they turn into tensors."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> tf.DType:
        return tf.as_dtype(self.array.dtype)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


@dataclass(frozen=True, repr=False)
class HostStream(EdgeStream):
    """Eager, not differentiable; `columns` are numpy arrays, per-edge inputs and results `HostArray`s.

    All chunks have one size, so that a function is compiled once; the last one is padded as `EdgeStream`'s.

    Attributes:
        advance: called with the number of edges after each chunk.
    """

    advance: Callable[[int], None] = _ignore

    @classmethod
    def of(
        cls, columns: Columns, chunk_size: int = 65536, advance: Callable[[int], None] = _ignore
    ) -> HostStream:
        arrays = {name: np.asarray(column) for name, column in columns.items()}
        num_edges = len(next(iter(arrays.values())))
        num_chunks = -(-num_edges // chunk_size)
        return cls(arrays, num_edges, num_chunks, -(-num_edges // max(1, num_chunks)), advance)

    def pad(self, column: Any, fill: float = 0) -> Any:
        return HostArray(np.asarray(column))

    def unpad(self, column: Any) -> Any:
        return tf.constant(column.array)

    def map(
        self,
        function: EdgeFunction,
        inputs: Columns,
        tables: Any,
        *,
        results: Mapping[str, tf.TensorSpec] | None = None,
        sums: Mapping[str, tf.Tensor] | None = None,
        kept: Mapping[str, tf.TensorSpec] | None = None,
        seed: tf.Tensor | None = None,
    ) -> tuple[Columns, Columns]:
        """As `EdgeStream.map`; a result replaces the input of its name and shape in place."""
        totals = dict(sums or {})
        found: dict[str, np.ndarray] = {}
        for name, spec in (results or {}).items():
            shape = (self.num_edges, *spec.shape[1:])
            given = inputs[name].array if name in inputs else None
            if given is None or given.shape != shape or not given.flags.writeable:
                given = np.empty(shape, spec.dtype.as_numpy_dtype)
            found[name] = given

        def update(columns: Columns, inputs: Columns, tables: Any) -> tuple[Columns, Columns]:
            return function(columns, inputs, tables, seed, lambda name, x: x)

        compiled = self._compiled(update)
        for rows, columns, chunk in self._chunks(inputs):
            values, terms = compiled(columns, chunk, tables)
            for name, array in found.items():
                array[rows] = values[name][: rows.stop - rows.start]
            totals = {name: total + terms[name] for name, total in totals.items()}
        return {name: HostArray(array) for name, array in found.items()}, totals

    def maximum(
        self,
        function: Callable[..., tf.Tensor],
        inputs: Columns,
        tables: Any,
        shape: Any,
        dtype: tf.DType = tf.float32,
    ) -> tf.Tensor:
        compiled = self._compiled(function)
        largest = tf.fill(shape, dtype.min)
        for _, columns, chunk in self._chunks(inputs):
            largest = tf.maximum(largest, compiled(columns, chunk, tables))
        return largest

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function if self.num_edges <= UNCOMPILED_EDGES else tf.function(function, jit_compile=True)

    def _chunks(self, inputs: Columns) -> Iterator[tuple[slice, Columns, Columns]]:
        for start in range(0, self.num_edges, self.chunk_size):
            rows = slice(start, min(start + self.chunk_size, self.num_edges))
            yield (
                rows,
                {name: self._whole(column[rows], NOWHERE) for name, column in self.columns.items()},
                {name: self._whole(column.array[rows], 0) for name, column in inputs.items()},
            )
            self.advance(rows.stop - rows.start)

    def _whole(self, rows: np.ndarray, fill: float) -> tf.Tensor:
        """Rows of a chunk, filled up to its size."""
        missing = self.chunk_size - len(rows)
        if missing:
            rows = np.concatenate([rows, np.full((missing, *rows.shape[1:]), fill, rows.dtype)])
        return tf.constant(rows)
