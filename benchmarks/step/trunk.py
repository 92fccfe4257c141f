"""The trunk out of gmn_tf's own blocks: project first, then gather; XLA."""

from __future__ import annotations

import gmn_tf  # noqa: F401  isort: skip

import tensorflow as tf

from benchmarks.step import parameters
from benchmarks.step.problem import Problem
from benchmarks.step.tensorflow_training import ALL, Places, Training, graph_tensor, readout
from gmn_tf.models.block import metanetwork_block

_NORMS = ("edge_update/node_norm", "convolution/to_1/norm", "node_state/norm")  # three copies of one norm
_SINGLE = {
    "edge_norm": "edge_update/edge_norm",
    "edge_output": "edge_update/output",
    "aggregate": "convolution/to_1/output",
    "hidden": "node_state/hidden",
    "node_output": "node_state/output",
}
_COLUMNS = {  # Dense([a, b]) = Dense(a) + Dense(b)
    "edge": ("edge_update/source", "edge_update/target", "edge_update/edge"),
    "message": ("convolution/to_1/edge", "convolution/to_1/sender"),
}
_PATHS = {"node_norm": _NORMS, **_COLUMNS, **{part: (path,) for part, path in _SINGLE.items()}}


def trunk(problem: Problem) -> Training:
    blocks = [
        metanetwork_block(
            node_dim=problem.width,
            edge_dim=problem.width,
            message_dim=problem.width,
            directions="forward",
            reduce_type="mean",
            global_dim=0,
            use_layer_normalization=True,
            dropout_rate=0.0,
            edges_only=number == problem.num_blocks - 1,
            name=f"block_{number}",
        )
        for number in range(problem.num_blocks)
    ]
    dense = tf.keras.layers.Dense(1, name="readout")

    def forward(graph):
        for block in blocks:
            graph = block(graph)
        return readout(graph, dense)

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

    def find(suffix: str) -> tf.Variable | None:
        found = [variable for name, variable in variables.items() if name.endswith("/" + suffix)]
        assert len(found) < 2, (suffix, list(variables))
        return found[0] if found else None

    places: Places = {}
    for name, array in weights.items():
        part, leaf = name.split("/")
        paths = _PATHS[part]
        held = [variable for path in paths if (variable := find(f"{path}/{leaf}")) is not None]
        assert held, (name, list(variables))
        rows = [ALL] * len(held)
        if part in _COLUMNS and leaf == "kernel":
            width = len(array) // len(paths)
            rows = [slice(k * width, (k + 1) * width) for k in range(len(paths))]
        places[f"block_{number}/{name}"] = list(zip(held, rows, strict=True))
    used = sum(len(parts) for parts in places.values())
    assert used == len(variables), "a weight of the block is not accounted for"
    return places
