"""The product of a chunk of rows with a kernel, with a gradient that XLA does quickly."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_ROWS = 128
"""Rows of a part, or twice the columns where that is more: for kernels of 32 x 32 to 128 x 128 the fastest of
128, 256 and undivided, or within a sixth of it (AMD EPYC)."""


@tf.custom_gradient
def chunk_product(x: tf.Tensor, kernel: tf.Tensor) -> Any:
    """`x @ kernel`, [K, n] by [n, m].

    The kernel's gradient `x^T @ upstream` sums over thousands of rows to a small result, which XLA does
    slowly on a processor. Where K is known and divisible, it is a sum of parts of rows.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.matmul(upstream, kernel, transpose_b=True), _kernel_gradient(x, upstream)

    return tf.matmul(x, kernel), gradient


def _kernel_gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    rows = _rows_of_a_part(*x.shape)
    if rows is None:
        return tf.matmul(x, upstream, transpose_a=True)
    x, upstream = (tf.reshape(y, [-1, rows, y.shape[1]]) for y in (x, upstream))
    return tf.reduce_sum(tf.matmul(x, upstream, transpose_a=True), axis=0)


def _rows_of_a_part(rows: int | None, columns: int) -> int | None:
    """A divisor of `rows` from the best size on, twice that at most; None where there is none."""
    best = max(_ROWS, 2 * columns)
    sizes = range(best, min(2 * best, (rows or 0) // 2) + 1)
    return next((size for size in sizes if rows % size == 0), None)
