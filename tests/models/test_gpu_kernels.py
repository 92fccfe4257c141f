"""Every operation of a training step has a kernel for GPUs, by TensorFlow's own registry."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import gmn_tf

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, padding, small_cnn

tf = pytest.importorskip("tensorflow")
from tensorflow.python.framework import kernels  # noqa: E402

GRAPH = merge(small_cnn(0), small_cnn(1, channels=(2, 6, 3)), padding(5, 60))
# What the runtime resolves by itself: calls, loops, arguments; and checks, which run on the host by design.
ANYWHERE = {"PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile", "If", "StatelessIf"}
ANYWHERE |= {"Placeholder", "_Arg", "_Retval", "NoOp", "Assert"}


def operations(function):
    """Types of all operations of a concrete function, those of its loops and calls included."""
    definition = function.graph.as_graph_def()
    nodes = [*definition.node]
    for inner in definition.library.function:
        nodes += inner.node_def
    return {node.op for node in nodes}


def on_gpu(operation):
    registered = kernels.get_registered_kernels_for_op(operation).kernel
    return any(kernel.device_type in ("GPU", "DEFAULT") for kernel in registered)


def test_the_registry_tells_gpus_apart():
    assert on_gpu("MatMul") and not on_gpu("ReadFile")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reduce_type": "mean|fan_in|max|attention", "global_dim": 8, "dropout_rate": 0.1},
        {"edge_chunk_size": 64, "recompute": True, "output": "edge"},
    ],
)
def test_a_training_step_has_kernels_for_gpus(options):
    model = gmn_tf.GraphMetanetwork(num_blocks=2, node_dim=8, edge_dim=8, message_dim=8, **options)

    @tf.function
    def step(graph):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(graph, training=True)))
        return tape.gradient(loss, model.trainable_weights)

    found = operations(step.get_concrete_function(GRAPH))
    assert "MatMul" in found
    assert sorted(op for op in found - ANYWHERE if not on_gpu(op)) == []
