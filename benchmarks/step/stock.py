"""TF-GNN without gmn_tf: the trunk out of its stock parts, and the nearest model that it ships."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn
from tensorflow_gnn.models import vanilla_mpnn

from benchmarks.step import parameters
from benchmarks.step.parameters import Arrays
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

NORMED, UPDATE = "normed", "update"


class NextEdgeState(tf.keras.layers.Layer):
    """From [normalised edge, its ends] to the update and the next state, for `EdgeSetUpdate`."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.linear = tf.keras.layers.Dense(units, "silu")
        self.output_linear = tf.keras.layers.Dense(units)

    def call(self, inputs: Any) -> dict[str, tf.Tensor]:
        edge, ends, _ = inputs
        joined = tf.concat([ends[tfgnn.SOURCE], ends[tfgnn.TARGET], edge[NORMED]], axis=-1)
        update = self.linear(joined)
        state = edge[tfgnn.HIDDEN_STATE] + self.output_linear(update)
        return {tfgnn.HIDDEN_STATE: state, UPDATE: update}


class NextNodeState(tf.keras.layers.Layer):
    """From [node, pooled messages] to the next state, for `NodeSetUpdate`."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.aggregate = tf.keras.layers.Dense(units)
        self.hidden = tf.keras.layers.Dense(units, "silu")
        self.output_linear = tf.keras.layers.Dense(units)

    def call(self, inputs: Any) -> tf.Tensor:
        node, pooled, _ = inputs
        joined = tf.concat([node[NORMED], self.aggregate(pooled[EDGE_SET])], axis=-1)
        return node[tfgnn.HIDDEN_STATE] + self.output_linear(self.hidden(joined))


class Block:
    """LayerNorm on all states, then a `GraphUpdate` of `EdgeSetUpdate` and `NodeSetUpdate`."""

    def __init__(self, width: int, *, last: bool) -> None:
        self.node_norm, self.edge_norm = (
            tf.keras.layers.LayerNormalization(epsilon=parameters.NORM_EPSILON) for _ in range(2)
        )
        layers = tfgnn.keras.layers
        self.edge, self.node = NextEdgeState(width), NextNodeState(width)
        self.message = tf.keras.layers.Dense(width, "silu")
        both = (tfgnn.HIDDEN_STATE, NORMED)
        edge_update = layers.EdgeSetUpdate(self.edge, edge_input_feature=both, node_input_feature=NORMED)
        node_sets = {}
        if not last:
            convolution = layers.SimpleConv(
                self.message,
                "mean",
                receiver_tag=tfgnn.TARGET,
                receiver_feature=None,
                sender_node_feature=NORMED,
                sender_edge_feature=UPDATE,
            )
            node_sets[NODE_SET] = layers.NodeSetUpdate(
                {EDGE_SET: convolution}, self.node, node_input_feature=both
            )
        self.update = layers.GraphUpdate(edge_sets={EDGE_SET: edge_update}, node_sets=node_sets)
        self.linears = {"edge": self.edge.linear, "edge_output": self.edge.output_linear}
        if not last:
            self.linears |= {"message": self.message, "aggregate": self.node.aggregate}
            self.linears |= {"hidden": self.node.hidden, "node_output": self.node.output_linear}

    def __call__(self, graph: tfgnn.GraphTensor) -> tfgnn.GraphTensor:
        nodes = graph.node_sets[NODE_SET][tfgnn.HIDDEN_STATE]
        edges = graph.edge_sets[EDGE_SET][tfgnn.HIDDEN_STATE]
        normed = graph.replace_features(
            node_sets={NODE_SET: {tfgnn.HIDDEN_STATE: nodes, NORMED: self.node_norm(nodes)}},
            edge_sets={EDGE_SET: {tfgnn.HIDDEN_STATE: edges, NORMED: self.edge_norm(edges)}},
        )
        return self.update(normed)

    def places(self, prefix: str) -> Places:
        places: Places = {}
        for name, norm in (("node_norm", self.node_norm), ("edge_norm", self.edge_norm)):
            places[f"{prefix}/{name}/gamma"] = [(norm.gamma, ALL)]
            places[f"{prefix}/{name}/beta"] = [(norm.beta, ALL)]
        for name, linear in self.linears.items():
            places[f"{prefix}/{name}/kernel"] = [(linear.kernel, ALL)]
            places[f"{prefix}/{name}/bias"] = [(linear.bias, ALL)]
        return places


def shipped(problem: Problem) -> Training:
    """As it comes: TensorFlow's own allocator, no XLA."""
    return _trunk(problem, jit_compile=False)


def tuned(problem: Problem) -> Training:
    """Under XLA; the process keeps its memory."""
    return _trunk(problem, jit_compile=True)


def _trunk(problem: Problem, *, jit_compile: bool) -> Training:
    last = problem.num_blocks - 1
    blocks = [Block(problem.width, last=number == last) for number in range(problem.num_blocks)]
    dense = tf.keras.layers.Dense(1)

    def forward(graph: tfgnn.GraphTensor) -> tf.Tensor:
        for block in blocks:
            graph = block(graph)
        return readout(graph, dense)

    forward(graph_tensor(problem))  # makes the variables
    places: Places = {"readout/kernel": [(dense.kernel, ALL)], "readout/bias": [(dense.bias, ALL)]}
    for number, block in enumerate(blocks):
        places |= block.places(f"block_{number}")
    return Training(problem, forward, places, jit_compile=jit_compile)


class VanillaTraining:
    """`VanillaMPNNGraphUpdate` on the same states, the mean over nodes read out; a `worker.Run`.

    Edges keep the states they came with and nothing is normalised: a far smaller model, here for scale.
    """

    steps = 1

    def __init__(self, problem: Problem) -> None:
        blocks = [
            vanilla_mpnn.VanillaMPNNGraphUpdate(
                units=problem.width,
                message_dim=problem.width,
                receiver_tag=tfgnn.TARGET,
                edge_feature=tfgnn.HIDDEN_STATE,
                reduce_type="mean",
            )
            for _ in range(problem.num_blocks)
        ]
        dense = tf.keras.layers.Dense(1)

        def forward(graph: tfgnn.GraphTensor) -> tf.Tensor:
            for block in blocks:
                graph = block(graph)
            return dense(tfgnn.pool_nodes_to_context(graph, NODE_SET, "mean", feature_name="hidden_state"))

        graph = graph_tensor(problem)
        forward(graph)
        variables = [variable for layer in (*blocks, dense) for variable in layer.trainable_variables]
        optimizer = tf.keras.optimizers.Adam(parameters.LEARNING_RATE, jit_compile=True)
        optimizer.build(variables)
        self._inputs = graph, tf.constant(problem.labels)

        @tf.function(jit_compile=True)
        def step(graph: tfgnn.GraphTensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels, forward(graph))
                loss = tf.reduce_mean(cross_entropy)
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return loss

        self._step = step

    def unit(self) -> None:
        self._step(*self._inputs).numpy()

    def first(self) -> Arrays:
        return {"loss": self._step(*self._inputs).numpy()}


def vanilla(problem: Problem) -> VanillaTraining:
    """The model that TF-GNN ships nearest to a metanetwork's block."""
    return VanillaTraining(problem)
