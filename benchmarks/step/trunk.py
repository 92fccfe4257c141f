"""The trunk out of gmn_tf's own blocks: project first, then gather; XLA."""

from __future__ import annotations

import gmn_tf  # noqa: F401  isort: skip

import functools

import tensorflow as tf
import tensorflow_gnn as tfgnn

from benchmarks.step import parameters
from benchmarks.step.problem import Problem
from benchmarks.step.tensorflow_training import (
    ALL,
    EDGE_SET,
    NODE_SET,
    Places,
    Training,
    graph_tensor,
    readout,
)
from gmn_tf.layers.edge_stream import EdgeStream, default_chunk_size
from gmn_tf.layers.topology import topology
from gmn_tf.models.block import MetanetworkBlock

# Variables of a block. Several hold copies of one weight, or rows of it: Dense([a, b]) = Dense(a) + Dense(b).
_VARIABLES = {
    "node_norm/gamma": ("edge_update/node_norm/gamma", "to_target/norm/gamma", "node_state/norm/gamma"),
    "node_norm/beta": ("edge_update/node_norm/beta", "to_target/norm/beta", "node_state/norm/beta"),
    "edge_norm/gamma": ("edge_update/gain",),
    "edge_norm/beta": ("edge_update/shift",),
    "edge/kernel": ("edge_update/source/kernel", "edge_update/target/kernel", "edge_update/kernel"),
    "edge/bias": ("edge_update/source/bias",),
    "edge_output/kernel": ("edge_update/output",),
    "edge_output/bias": ("edge_update/bias",),
    "message/kernel": ("to_target/edge/kernel", "to_target/sender/kernel"),
    "message/bias": ("to_target/sender/bias",),
    **{f"aggregate/{leaf}": (f"to_target/output/{leaf}",) for leaf in ("kernel", "bias")},
    **{f"hidden/{leaf}": (f"node_state/hidden/{leaf}",) for leaf in ("kernel", "bias")},
    **{f"node_output/{leaf}": (f"node_state/output/{leaf}",) for leaf in ("kernel", "bias")},
}
_IN_ROWS = ("edge/kernel", "message/kernel")


def trunk(problem: Problem) -> Training:
    """The blocks as `GraphMetanetwork` has them by default."""
    return _trunk(problem, recompute=False)


def recomputing(problem: Problem) -> Training:
    """The same with `recompute=True`: products are computed again in the backward pass, not kept."""
    return _trunk(problem, recompute=True)


def _trunk(problem: Problem, *, recompute: bool) -> Training:
    blocks = [
        MetanetworkBlock(
            node_dim=problem.width,
            edge_dim=problem.width,
            message_dim=problem.width,
            directions="forward",
            edges_only=number == problem.num_blocks - 1,
            recompute=recompute,
            name=f"block_{number}",
        )
        for number in range(problem.num_blocks)
    ]
    dense = tf.keras.layers.Dense(1, name="readout")

    divide = functools.partial(EdgeStream.of, chunk_size=default_chunk_size(problem.width))

    def forward(graph: tfgnn.GraphTensor) -> tf.Tensor:
        shape = topology(graph, {}, divide)
        nodes = graph.node_sets[NODE_SET][tfgnn.HIDDEN_STATE]
        edges = shape.stream.pad(graph.edge_sets[EDGE_SET][tfgnn.HIDDEN_STATE])
        states = nodes, edges, None
        for block in blocks:
            states = block((states, shape))
        edges = shape.stream.unpad(states[1])
        return readout(graph.replace_features(edge_sets={EDGE_SET: {tfgnn.HIDDEN_STATE: edges}}), dense)

    forward(graph_tensor(problem))  # makes the variables
    places: Places = {
        "readout/kernel": [(dense.kernel, ALL)],
        "readout/bias": [(dense.bias, ALL)],
    }
    for number, block in enumerate(blocks):
        places |= _places(block, number, parameters.block(problem.weights, number))
    return Training(problem, forward, places, jit_compile=True)


def _places(block: tf.keras.layers.Layer, number: int, weights: parameters.Arrays) -> Places:
    variables = {variable.name.split(":")[0]: variable for variable in block.trainable_variables}
    places: Places = {}
    for name, array in weights.items():
        suffixes = _VARIABLES[name]
        held = [v for suffix in suffixes for n, v in variables.items() if f"/{n}".endswith(f"/{suffix}")]
        assert held, (name, list(variables))
        rows = [ALL] * len(held)
        if name in _IN_ROWS:
            width = len(array) // len(suffixes)
            rows = [slice(k * width, (k + 1) * width) for k in range(len(suffixes))]
        places[f"block_{number}/{name}"] = list(zip(held, rows, strict=True))
    used = sum(len(parts) for parts in places.values())
    assert used == len(variables), "a weight of the block is not accounted for"
    return places
