"""The floor in torch: the matrix products alone, into memory that is there already."""

from __future__ import annotations

import os

import torch

from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import Problem
from benchmarks.step.products import compared, products


class Floor:
    """A `worker.Run` whose unit is all products of one step."""

    steps = 1

    def __init__(self, problem: Problem) -> None:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._products = products(problem)
        self._operands = [tuple(map(torch.from_numpy, product.operands())) for product in self._products]
        self._results = [
            (torch.empty_like(dy), torch.empty_like(x), torch.empty_like(w)) for x, w, dy in self._operands
        ]

    def unit(self) -> None:
        for product, operands, results in zip(self._products, self._operands, self._results, strict=True):
            (x, w, dy), (y, dx, dw) = operands, results
            for _ in range(product.count):
                torch.mm(x, w, out=y)
                torch.mm(dy, w.T, out=dx)
                torch.mm(x.T, dy, out=dw)

    def first(self) -> Arrays:
        self.unit()
        return compared(self._products, [y.numpy() for y, _, _ in self._results])


def floor(problem: Problem) -> Floor:
    """All products of one step."""
    return Floor(problem)
