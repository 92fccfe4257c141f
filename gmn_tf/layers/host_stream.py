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

from gmn_tf.layers.edge_stream import Columns, EdgeFunction, EdgeStream


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
        return cls(arrays, num_edges, -(-num_edges // chunk_size), chunk_size, advance)

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

        @tf.function(jit_compile=True)
        def update(columns: Columns, inputs: Columns, tables: Any) -> tuple[Columns, Columns]:
            return function(columns, inputs, tables, seed, lambda name, x: x)

        for rows, columns, chunk in self._chunks(inputs):
            values, terms = update(columns, chunk, tables)
            for name, array in found.items():
                array[rows] = values[name]
            totals = {name: total + terms[name] for name, total in totals.items()}
        return {name: HostArray(array) for name, array in found.items()}, totals

    def maximum(
        self, function: Callable[..., tf.Tensor], inputs: Columns, tables: Any, shape: Any
    ) -> tf.Tensor:
        compiled = tf.function(function, jit_compile=True)
        largest = tf.fill(shape, tf.float32.min)
        for _, columns, chunk in self._chunks(inputs):
            largest = tf.maximum(largest, compiled(columns, chunk, tables))
        return largest

    def _chunks(self, inputs: Columns) -> Iterator[tuple[slice, Columns, Columns]]:
        for start in range(0, self.num_edges, self.chunk_size):
            rows = slice(start, min(start + self.chunk_size, self.num_edges))
            yield (
                rows,
                {name: tf.constant(column[rows]) for name, column in self.columns.items()},
                {name: tf.constant(column.array[rows]) for name, column in inputs.items()},
            )
            self.advance(rows.stop - rows.start)
