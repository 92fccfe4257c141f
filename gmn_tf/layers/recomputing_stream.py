"""An edge stream that does not write down what it can compute again: states of edges, chunk by chunk.

Edge states are a function of the edge's own columns and of tables, however many updates lie between. So
instead of its results, `map` may hand out what would compute them (`Pending`); the next function is put
behind it, and runs in the same pass over the chunks, forward and backward. Gradients reach the tables of
all functions in a row, and no state and no gradient of a state is held for all edges. A function that is
k-th in such a row costs k times its work; so from time to time states are written (checkpoints: Chen et
al. 2016, "Training Deep Nets with Sublinear Memory Cost").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from gmn_tf.layers.edge_stream import Columns, EdgeFunction, EdgeStream, Keep

_OWN, _BEFORE, _LARGEST = "own", "before", "largest"


@dataclasses.dataclass(frozen=True, repr=False)
class Pending:
    """A per-edge result [padded length, ...] that nobody has written down, for `RecomputingStream` to read.

    Attributes:
        name, spec: which result of `function`, its shape [None, ...] and type.
        function, inputs, tables, seed: as of `EdgeStream.map`.
    """

    name: str
    spec: tf.TensorSpec
    function: EdgeFunction
    inputs: Any
    tables: Any
    seed: Any

    @property
    def shape(self) -> tf.TensorShape:
        return self.spec.shape

    @property
    def dtype(self) -> tf.DType:
        return self.spec.dtype


@dataclasses.dataclass(frozen=True, repr=False)
class RecomputingStream(EdgeStream):
    """As `EdgeStream`; where it is divided, and `writes` is not set, results are `Pending`.

    Attributes:
        writes: whether results are written down after all, as tensors; what is pending may be read.
    """

    writes: bool = False

    def writing(self) -> RecomputingStream:
        """The same edges; the results of `map` are tensors."""
        return dataclasses.replace(self, writes=True)

    def unpad(self, column: Any) -> tf.Tensor:
        if isinstance(column, Pending):
            given = (column.function, column.inputs, column.tables)
            found, _ = super().map(*given, results={column.name: column.spec}, seed=column.seed)
            column = found[column.name]
        return super().unpad(column)

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
        """As `EdgeStream.map`; nothing is kept, per-edge results are `Pending` unless the stream writes."""
        results = dict(results or {})
        row = _in_a_row(function, inputs, tables, seed)
        if self.writes or self.num_chunks is None:
            return super().map(*row[:3], results=results, sums=sums, seed=row[3])
        totals = super().map(*row[:3], sums=sums, seed=row[3])[1] if sums else {}
        return {name: Pending(name, spec, *row) for name, spec in results.items()}, totals

    def maximum(
        self,
        function: Callable[..., tf.Tensor],
        inputs: Columns,
        tables: Any,
        shape: Any,
        dtype: tf.DType = tf.float32,
    ) -> tf.Tensor:
        def largest(columns: Columns, inputs: Columns, tables: Any, *_: Any) -> tuple[Columns, Columns]:
            return {}, {_LARGEST: function(columns, inputs, tables)}

        whole, inputs, tables, seed = _in_a_row(largest, inputs, tables, None)

        def of_chunk(columns: Columns, inputs: Any, tables: Any, seed: Any) -> tf.Tensor:
            return whole(columns, inputs, tables, seed, _again)[1][_LARGEST]

        return self._largest(of_chunk, inputs, tables, seed, shape, dtype)


def _again(name: str, x: tf.Tensor) -> tf.Tensor:
    return x


def _in_a_row(
    function: EdgeFunction, inputs: Columns, tables: Any, seed: Any
) -> tuple[EdgeFunction, Any, Any, Any]:
    """`function` behind those that its pending inputs wait for, with the inputs, tables and seeds of all."""
    waiting = {name: x for name, x in inputs.items() if isinstance(x, Pending)}
    ready = {name: x for name, x in inputs.items() if name not in waiting}
    if not waiting:
        return function, inputs, tables, seed

    def whole(columns: Columns, inputs: Any, tables: Any, seed: Any, keep: Keep) -> tuple[Columns, Columns]:
        read = dict(inputs[_OWN])
        for name, x in waiting.items():
            given, shared, own_seed = (part[_BEFORE][name] for part in (inputs, tables, seed))
            read[name] = x.function(columns, given, shared, own_seed, _again)[0][x.name]
        return function(columns, read, tables[_OWN], seed[_OWN], keep)

    def with_those_before(own: Any, part: str) -> dict[str, Any]:
        return {_OWN: own, _BEFORE: {name: getattr(x, part) for name, x in waiting.items()}}

    return (
        whole,
        with_those_before(ready, "inputs"),
        with_those_before(tables, "tables"),
        with_those_before(seed, "seed"),
    )
