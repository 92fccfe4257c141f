"""The precision of sums: float32 at least, whatever the states are kept in."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def sum_type(dtype: Any) -> tf.DType:
    """The type to add up values of `dtype` in: float64 for float64, float32 for narrower ones."""
    return tf.float64 if tf.as_dtype(dtype) == tf.float64 else tf.float32


def widen(x: tf.Tensor) -> tf.Tensor:
    """x in the type that its sums are taken in."""
    return tf.cast(x, sum_type(x.dtype))
