"""Functions of all edges of a batch, run over chunks of edges that fit the processor's cache.

Whatever a metanetwork does per edge (encode, update, send messages, pool) is a function of the edge's own
columns and of tables that all edges share (projected node states, kernels), and gives per-edge results
and sums. `EdgeStream.map` runs such a function over one chunk after the other and, in the backward pass,
computes each chunk again instead of keeping what it computed first. So the memory of a block is that of
the edge states at its start, whatever happens inside; and since a chunk's intermediate results never
leave the cache, computing the cheap ones twice costs less time than writing them down and reading them
back. Products are not cheap: a function names their results, and these are kept where it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Columns = dict[str, tf.Tensor]
Keep = Callable[[str, tf.Tensor], tf.Tensor]
EdgeFunction = Callable[[Columns, Columns, Any, Any, Keep], tuple[Columns, Columns]]
"""(columns, inputs, tables, seed, keep) of a chunk of K edges to (results [K, ...], sums), both by name."""

NOWHERE = -1
"""Node, component or group of a padding edge: segment sums drop it."""

_LINE = 16
_CHUNK_BYTES = 2**20


def default_chunk_size(width: int) -> int:
    """Edges whose states of `width` float32 fill a megabyte, a power of two from 256 on."""
    return int(max(256, 2 ** round(math.log2(_CHUNK_BYTES / (4 * width)))))


def _rounded(size: int) -> int:
    """Up to the next multiple of a cache line of float32."""
    return -(-size // _LINE) * _LINE


def gather(table: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Rows of [n, d] by int32 [K]; padding edges get row 0, which nobody reads."""
    return tf.gather(table, tf.maximum(rows, 0))


@dataclass(frozen=True, repr=False)
class EdgeStream:
    """Columns of E edges, padded to `num_chunks` chunks of `chunk_size`.

    Attributes:
        columns: int32 [num_chunks * chunk_size, ...] by name; NOWHERE in the padding.
        num_edges: E, an int where it is static.
        num_chunks: None for a stream that is not divided: `map` then calls its function once, on all
            edges, and the backward pass keeps what it needs.
        chunk_size: edges per chunk.
    """

    columns: Columns
    num_edges: int | tf.Tensor
    num_chunks: int | tf.Tensor | None
    chunk_size: int

    @classmethod
    def of(cls, columns: Columns, chunk_size: int = 0) -> EdgeStream:
        """A stream of int32 [E, ...] columns; 0, or a size of E or more, does not divide it.

        Where E is static, chunks are made smaller, so that the last one is not mostly padding.
        """
        first = next(iter(columns.values()))
        static = first.shape[0]
        num_edges = tf.shape(first)[0] if static is None else static
        if not chunk_size or (static is not None and static <= chunk_size):
            return cls(columns, num_edges, None, 0)
        if static is not None:
            chunk_size = min(chunk_size, _rounded(-(-static // -(-static // chunk_size))))
        stream = cls({}, num_edges, (num_edges + chunk_size - 1) // chunk_size, chunk_size)
        padded = {name: stream.pad(column, NOWHERE) for name, column in columns.items()}
        return cls(padded, num_edges, stream.num_chunks, chunk_size)

    def pad(self, column: tf.Tensor, fill: float = 0) -> tf.Tensor:
        """[E, ...] to the stream's padded length."""
        if self.num_chunks is None:
            return column
        missing = self.num_chunks * self.chunk_size - self.num_edges
        paddings = [[0, missing]] + [[0, 0]] * (column.shape.rank - 1)
        return tf.pad(column, paddings, constant_values=fill)

    def unpad(self, column: tf.Tensor) -> tf.Tensor:
        """The inverse of `pad`."""
        return column if self.num_chunks is None else column[: self.num_edges]

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
        """Applies `function` to all edges.

        Args:
            function: of (columns, inputs, tables, seed, keep) of a chunk. It must be pure: all weights it
                uses are in `tables`, randomness comes from `seed` alone (int32 [2], other for every chunk).
                It may pass a tensor [K, ...] through `keep(name, tensor)`, once for each name.
            inputs: float [padded length, ...] by name; differentiable.
            tables: nest of float tensors, the same for all chunks; differentiable.
            results: name, and shape [None, ...] and type, of each per-edge result.
            sums: name of each sum, and zeros of its shape and type.
            kept: name, and shape [None, ...] and type, of what `keep` shall store for the backward pass;
                what is not named here is computed again.
            seed: int32 [2] or None.

        Returns:
            Per-edge results, [padded length, ...] by name, and sums over all edges by name.
        """
        results, sums = dict(results or {}), dict(sums or {})
        if self.num_chunks is None:
            found, totals = function(self.columns, inputs, tables, seed, _recompute)
            return {name: found[name] for name in results}, {name: totals[name] for name in sums}
        return _map_chunks(self, function, inputs, tables, results, sums, dict(kept or {}), seed)

    def maximum(
        self,
        function: Callable[..., tf.Tensor],
        inputs: Columns,
        tables: Any,
        shape: Any,
        dtype: tf.DType = tf.float32,
    ) -> tf.Tensor:
        """Elementwise maximum of `function`'s results over all chunks; not differentiated.

        Args:
            function: of (columns, inputs, tables) of a chunk, with results of `shape` and `dtype`.
            inputs, tables: as in `map`.
        """

        def of_chunk(columns: Columns, inputs: Columns, tables: Any, seed: Any) -> tf.Tensor:
            return function(columns, inputs, tables)

        return self._largest(of_chunk, inputs, tables, None, shape, dtype)

    def _largest(
        self,
        function: Callable[..., tf.Tensor],
        inputs: Any,
        tables: Any,
        seed: Any,
        shape: Any,
        dtype: tf.DType,
    ) -> tf.Tensor:
        inputs, tables = tf.nest.map_structure(tf.stop_gradient, (inputs, tables))
        if self.num_chunks is None:
            return tf.stop_gradient(function(self.columns, inputs, tables, seed))
        divided = tf.nest.map_structure(lambda x: _divide(x, self.chunk_size), (self.columns, inputs))

        def body(i: tf.Tensor, largest: tf.Tensor) -> Any:
            columns, chunk = tf.nest.map_structure(lambda x: x[i], divided)
            return i + 1, tf.maximum(largest, function(columns, chunk, tables, _of_chunk(seed, i)))

        start = tf.fill(shape, tf.constant(dtype.min, dtype))
        _, largest = tf.while_loop(
            lambda i, _: i < self.num_chunks,
            body,
            (tf.constant(0), start),
            maximum_iterations=self.num_chunks,
            parallel_iterations=1,
        )
        return tf.stop_gradient(largest)


def _map_chunks(
    stream: EdgeStream,
    function: EdgeFunction,
    inputs: Columns,
    tables: Any,
    results: Mapping[str, tf.TensorSpec],
    sums: Mapping[str, tf.Tensor],
    kept: Mapping[str, tf.TensorSpec],
    seed: Any,
) -> tuple[Columns, Columns]:
    size = stream.chunk_size
    columns = {name: _divide(column, size) for name, column in stream.columns.items()}
    num_inputs, num_results = len(tf.nest.flatten(inputs)), len(results)

    def values_at(i: tf.Tensor, sources: list[tf.Tensor], keep: Keep) -> list[tf.Tensor]:
        """Results, then sums of chunk i; `sources` are the chunk's inputs, then the tables."""
        chunk_inputs, shared = tf.nest.pack_sequence_as((inputs, tables), sources)
        chunk_columns = {name: column[i] for name, column in columns.items()}
        found, totals = function(chunk_columns, chunk_inputs, shared, _of_chunk(seed, i), keep)
        return [found[name] for name in results] + [totals[name] for name in sums]

    @tf.custom_gradient
    def run(*flat: tf.Tensor) -> Any:
        divided, shared = [_divide(x, size) for x in flat[:num_inputs]], list(flat[num_inputs:])

        def sources_at(i: tf.Tensor) -> list[tf.Tensor]:
            return [x[i] for x in divided] + shared

        def forward_at(i: tf.Tensor) -> list[tf.Tensor]:
            stored: Columns = {}
            values = values_at(i, sources_at(i), lambda name, x: stored.setdefault(name, x))
            return [stored[name] for name in kept] + values

        specs = [
            tf.TensorSpec([size, *spec.shape[1:]], spec.dtype) for spec in (*kept.values(), *results.values())
        ]
        forward = _loop(stream.num_chunks, forward_at, specs, list(sums.values()), after=flat)
        stored = {name: _divide(x, size) for name, x in zip(kept, forward, strict=False)}

        def backward(*upstream: tf.Tensor) -> list[tf.Tensor]:
            of_results = [_divide(x, size) for x in upstream[:num_results]]
            of_sums = list(upstream[num_results:])

            def gradients_at(i: tf.Tensor) -> list[tf.Tensor]:
                def keep(name: str, x: tf.Tensor) -> tf.Tensor:
                    return _stored_in_place_of(x, stored[name][i]) if name in stored else x

                # A tensor may come in twice; each of its places has a gradient of its own.
                sources = [tf.identity(x) for x in sources_at(i)]
                with tf.GradientTape() as tape:
                    tape.watch(sources)
                    targets = values_at(i, sources, keep)
                given = [x[i] for x in of_results] + of_sums
                found = tape.gradient(targets, sources, given, tf.UnconnectedGradients.ZERO)
                return [tf.convert_to_tensor(gradient) for gradient in found]

            specs = [tf.TensorSpec(x.shape[1:], x.dtype) for x in divided]
            zeros = [tf.zeros_like(x) for x in shared]
            return _loop(stream.num_chunks, gradients_at, specs, zeros, after=upstream)

        return forward[len(kept) :], backward

    found = run(*tf.nest.flatten((inputs, tables)))
    return dict(zip(results, found, strict=False)), dict(zip(sums, found[num_results:], strict=True))


def _of_chunk(seed: Any, i: tf.Tensor) -> Any:
    """Seeds of chunk i: another one for every chunk; `seed` is a nest of int32 [2] and None."""
    return tf.nest.map_structure(lambda x: None if x is None else x + tf.stack([i, 0]), seed)


def _recompute(name: str, x: tf.Tensor) -> tf.Tensor:
    return x


@tf.custom_gradient
def _stored_in_place_of(computed: tf.Tensor, stored: tf.Tensor) -> Any:
    """`stored`, with the gradient of `computed`; nobody reads the latter's value, so it is not computed."""
    return tf.identity(stored), lambda upstream: (upstream, None)


def _loop(
    count: int | tf.Tensor,
    values_at: Callable[[tf.Tensor], list[tf.Tensor]],
    results: list[tf.TensorSpec],
    sums: list[tf.Tensor],
    *,
    after: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """All chunks' results one after the other, then the sum of their sums; `after`: what they depend on."""
    # XLA fills an array before its loop, and does so as early as it can: with a constant, that is at the
    # start of the program, where the arrays of all loops would be held at once. So what is filled in (and
    # overwritten) is a number that is known no sooner than the loop can start.
    late = tf.add_n([tf.reduce_sum(tf.cast(tf.reshape(x, [-1])[:1], tf.float32)) for x in after])
    arrays = [
        tf.TensorArray(spec.dtype, count, element_shape=spec.shape).unstack(
            tf.fill([count, *spec.shape], tf.cast(late, spec.dtype))
        )
        for spec in results
    ]

    def body(i: tf.Tensor, arrays: Any, sums: Any) -> Any:
        values = values_at(i)
        written = [array.write(i, value) for array, value in zip(arrays, values, strict=False)]
        more = values[len(written) :]
        return i + 1, written, [total + term for total, term in zip(sums, more, strict=True)]

    _, arrays, sums = tf.while_loop(
        lambda i, *_: i < count,
        body,
        (tf.constant(0), arrays, sums),
        maximum_iterations=count,
        parallel_iterations=1,
    )
    stacked = [array.stack() for array in arrays]
    return [tf.reshape(x, [-1, *x.shape[2:]]) for x in stacked] + list(sums)


def _divide(column: tf.Tensor, size: int) -> tf.Tensor:
    return tf.reshape(column, [-1, size, *column.shape[1:]])
