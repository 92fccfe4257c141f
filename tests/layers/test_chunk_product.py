"""Products of chunks: the kernel's gradient in parts is that of the product."""

from __future__ import annotations

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

tf = pytest.importorskip("tensorflow")

from gmn_tf.layers.chunk_product import chunk_product  # noqa: E402


@pytest.mark.parametrize(
    ("rows", "inputs", "in_parts"),
    [
        (256, 6, True),
        (272, 6, True),
        (200, 6, False),
        (480, 80, True),
        (400, 80, True),
        (256, 80, False),
        (None, 6, False),
    ],
)
def test_gradients(rows, inputs, in_parts):
    """Parts of 128 to 256 rows (272 = 2 * 136), of 160 to 320 for 80 columns; at least two of them."""
    generator = np.random.default_rng(0)
    shapes = ((rows or 128, inputs), (inputs, 3), (rows or 128, 3))
    values = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]

    @tf.function(input_signature=[tf.TensorSpec([rows, inputs]), tf.TensorSpec([inputs, 3])])
    def gradients(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch((x, kernel))
            result = chunk_product(x, kernel)
        return result, *tape.gradient(result, (x, kernel), tf.constant(values[2]))

    x, kernel, upstream = values
    found = gradients(x, kernel)
    for got, expected in zip(found, (x @ kernel, upstream @ kernel.T, x.T @ upstream), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    operations = {operation.type for operation in gradients.get_concrete_function().graph.get_operations()}
    assert ("BatchMatMulV2" in operations) == in_parts
