"""What a step does, counted in the compiled program: more work than before fails here, on any machine."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, small_cnn

tf = pytest.importorskip("tensorflow")

from gmn_tf.layers.edge_stream import EdgeStream  # noqa: E402
from gmn_tf.layers.topology import topology  # noqa: E402
from gmn_tf.models.block import MetanetworkBlock  # noqa: E402

GRAPH = merge(*[small_cnn(seed) for seed in range(2)])
EDGES, CHUNK, WIDTH = 726, 96, 8


def program(*, chunk_size, **options):
    """Optimised HLO of a block with its gradients in states and weights; the loss reads nodes and edges."""
    block = MetanetworkBlock(node_dim=WIDTH, edge_dim=WIDTH, message_dim=WIDTH, **options)

    def loss(nodes, edges):
        shape = topology(GRAPH, {}, functools.partial(EdgeStream.of, chunk_size=chunk_size))
        nodes, edges, _ = block(((nodes, shape.stream.pad(edges), None), shape))
        return tf.reduce_sum(nodes**2) + tf.reduce_sum(shape.stream.unpad(edges) ** 2)

    num_nodes = int(GRAPH.node_sets["nodes"].total_size)
    states = tf.random.normal([num_nodes, WIDTH]), tf.random.normal([EDGES, WIDTH])
    loss(*states)  # makes the weights

    @tf.function(jit_compile=True)
    def gradients(nodes, edges):
        with tf.GradientTape() as tape:
            tape.watch((nodes, edges))
            value = loss(nodes, edges)
        return value, tape.gradient(value, [nodes, edges, *block.trainable_weights])

    return gradients.experimental_get_compiler_ir(*states)(stage="optimized_hlo")


def products(text, rows):
    """Matrix products whose result has that many rows; a kernel's gradient, a sum over rows, has not."""
    results = re.findall(r"= f32\[(\d+),\d+\]\S* dot\(", text)
    return results.count(str(rows))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # C, and [D | Q] as one: each once forward, once backward.
        ({"directions": "forward"}, 4),
        # The other direction's messages join that one product.
        ({"directions": "both"}, 4),
        # Computed again: both.
        ({"directions": "forward", "recompute": True}, 6),
        # C and D alone, of the last block.
        ({"edges_only": True}, 4),
    ],
)
def test_products_over_edges(options, expected):
    assert products(program(chunk_size=CHUNK, **options), CHUNK) == expected


def test_products_over_all_edges_at_once():
    assert products(program(chunk_size=0, directions="both"), EDGES) == 4


def test_nothing_but_states_and_kept_products_is_held_per_edge():
    """Arrays of all edges' vectors in the program's loops: states and gradients, and what is kept."""
    padded = -(-EDGES // CHUNK) * CHUNK

    def per_edge(**options):
        text = program(chunk_size=CHUNK, directions="forward", **options)
        loops = [line for line in text.splitlines() if " while(" in line]
        shape = f"f32[{padded // CHUNK},{CHUNK},{WIDTH}]"
        return [line.split(" while(")[0].count(shape) for line in loops]

    # Forward: e, its update, the sum before one SiLU and the product before the other; backward: these, its
    # gradient and its result.
    assert (sorted(per_edge()), sorted(per_edge(recompute=True))) == ([4, 5], [2, 3])
