"""Sums are taken in float32 at least, and in float64 by layers of that type."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

sys.path.insert(0, str(Path(__file__).parent))
from parameter_graphs import merge, small_cnn

tf = pytest.importorskip("tensorflow")

from gmn_tf.layers.edge_stream import EdgeStream  # noqa: E402
from gmn_tf.layers.precision import sum_type, widen  # noqa: E402
from gmn_tf.layers.topology import topology  # noqa: E402
from gmn_tf.models.block import MetanetworkBlock  # noqa: E402


def test_the_type_of_sums():
    assert [sum_type(t) for t in ("float16", "bfloat16", "float32", "float64")] == [tf.float32] * 3 + [
        tf.float64
    ]
    assert widen(tf.zeros(1, tf.float16)).dtype == tf.float32


@pytest.fixture
def float64():
    policy = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("float64")
    yield
    tf.keras.mixed_precision.set_global_policy(policy)


def test_a_block_in_float64_is_as_exact_as_float64(float64):
    """Whole and in chunks, edges are added up in another order: float32 anywhere would show at 1e-7."""
    tf.keras.utils.set_random_seed(0)
    graph = merge(small_cnn(0), small_cnn(1))
    whole, chunked = (
        topology(graph, {}, functools.partial(EdgeStream.of, chunk_size=size)) for size in (0, 64)
    )
    rng = np.random.default_rng(0)
    nodes = tf.constant(rng.normal(size=(whole.num_nodes, 6)))
    edges = tf.constant(rng.normal(size=(whole.stream.num_edges, 8)))
    context = tf.constant(rng.normal(size=(2, 4)))
    block = MetanetworkBlock(
        node_dim=6, edge_dim=8, message_dim=4, global_dim=4, reduce_type="mean|sum|fan_in|max|attention"
    )
    first = block(((nodes, edges, context), whole))
    second = block(((nodes, chunked.stream.pad(edges), context), chunked))
    second = (second[0], chunked.stream.unpad(second[1]), second[2])
    for one, other in zip(first, second, strict=True):
        assert one.dtype == tf.float64
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)
