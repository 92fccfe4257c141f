"""The floor in TensorFlow: the matrix products alone, each under XLA or not, whichever is faster."""

from __future__ import annotations

import time
from typing import Any

import tensorflow as tf

from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import Problem
from benchmarks.step.products import compared, products


def _triple(x: tf.Tensor, w: tf.Tensor, dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    forward = tf.matmul(x, w)
    return forward, tf.matmul(dy, w, transpose_b=True), tf.matmul(x, dy, transpose_a=True)


class Floor:
    """A `worker.Run` whose unit is all products of one step."""

    steps = 1

    def __init__(self, problem: Problem) -> None:
        self._products = products(problem)
        self._operands = [tuple(map(tf.constant, product.operands())) for product in self._products]
        self._functions: list[Any] = []

    def first(self) -> Arrays:
        forms = [tf.function(_triple, jit_compile=jit) for jit in (True, False)]
        self._functions = [min(forms, key=lambda f: _seconds(f, o)) for o in self._operands]
        return compared(
            self._products, [f(*o)[0] for f, o in zip(self._functions, self._operands, strict=True)]
        )

    def unit(self) -> None:
        for product, function, operands in zip(self._products, self._functions, self._operands, strict=True):
            for _ in range(product.count):
                result = function(*operands)
            result[2].numpy()


def _seconds(function: Any, operands: Any) -> float:
    function(*operands)[2].numpy()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function(*operands)[2].numpy()
        times.append(time.perf_counter() - start)
    return min(times)


def floor(problem: Problem) -> Floor:
    """All products of one step."""
    return Floor(problem)
