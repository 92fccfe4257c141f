"""The matrix products that a step of the trunk cannot do without, once nodes are projected before the gather.

Forward, per block: over edges LN(e) C and h D, over nodes x' A and x' B; where there is a node update also
over edges h Q, over nodes x' P, the aggregate, the hidden layer on [x', m] and the output. The products
that read one matrix are joined (h [D | Q], x' [A | B | P]), which is the fastest way to do them. Backward
each has two: dX = dY W^T and dW = X^T dY. The readout is left out.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import Problem


@dataclasses.dataclass(frozen=True)
class Product:
    """`count` times [rows, inputs] @ [inputs, outputs], with both backward products."""

    count: int
    rows: int
    inputs: int
    outputs: int

    @property
    def operations(self) -> int:
        return self.count * 3 * 2 * self.rows * self.inputs * self.outputs

    def operands(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """X [rows, inputs], W [inputs, outputs], dY [rows, outputs]; float32."""
        rng = np.random.default_rng(self.rows + self.outputs)
        shapes = ((self.rows, self.inputs), (self.inputs, self.outputs), (self.rows, self.outputs))
        x, w, dy = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
        return x, w, dy

    def few_rows(self) -> np.ndarray:
        """The first rows of Y, in float64, to hold the timed products against."""
        x, w, _ = self.operands()
        return x[:16].astype(np.float64) @ w.astype(np.float64)


def products(problem: Problem) -> list[Product]:
    """All of one step."""
    width, updates = problem.width, problem.num_blocks - 1
    edges, nodes = len(problem.edges), len(problem.nodes)
    return [
        Product(problem.num_blocks, edges, width, width),
        Product(updates, edges, width, 2 * width),
        Product(1, edges, width, width),
        Product(updates, nodes, width, 3 * width),
        Product(1, nodes, width, 2 * width),
        Product(updates, nodes, 2 * width, width),
        Product(2 * updates, nodes, width, width),
    ]


def compared(all_products: list[Product], results: list[Any]) -> Arrays:
    """The first rows of each product beside numpy's."""
    rows = [np.asarray(result[:16]).ravel() for result in results]
    reference = [product.few_rows().ravel() for product in all_products]
    return {"answer": np.concatenate(rows), "reference": np.concatenate(reference)}
