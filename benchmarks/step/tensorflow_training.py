"""The loss, gradients and Adam around a trunk in TensorFlow; what our blocks and stock TF-GNN share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from benchmarks.step import parameters
from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import Problem

NODE_SET, EDGE_SET = "nodes", "edges"

Places = dict[str, list[tuple[tf.Variable, slice]]]
"""Where each weight of `parameters` is: variables, and the rows of the weight that each holds."""

ALL = slice(None)


def graph_tensor(problem: Problem) -> tfgnn.GraphTensor:
    """The batch with its encoded states as hidden states."""

    def states(array: Any) -> dict[str, tf.Tensor]:
        return {tfgnn.HIDDEN_STATE: tf.constant(array)}

    source, target = ((NODE_SET, tf.constant(end)) for end in (problem.source, problem.target))
    return tfgnn.GraphTensor.from_pieces(
        node_sets={
            NODE_SET: tfgnn.NodeSet.from_fields(
                features=states(problem.nodes), sizes=tf.constant(problem.node_sizes)
            )
        },
        edge_sets={
            EDGE_SET: tfgnn.EdgeSet.from_fields(
                features=states(problem.edges),
                sizes=tf.constant(problem.edge_sizes),
                adjacency=tfgnn.Adjacency.from_indices(source=source, target=target),
            )
        },
    )


class Training:
    """A trunk on one batch; a `worker.Run`.

    Args:
        forward: from the GraphTensor to the answers [networks, 1]; its variables exist already.
        places: where the weights are; a weight that several variables hold whole is one that the
            trunk keeps several copies of.
    """

    steps = 1

    def __init__(
        self,
        problem: Problem,
        forward: Callable[[tfgnn.GraphTensor], tf.Tensor],
        places: Places,
        *,
        jit_compile: bool,
    ) -> None:
        self._places = places
        assert set(places) == set(problem.weights), set(places) ^ set(problem.weights)
        for name, parts in places.items():
            for variable, rows in parts:
                variable.assign(problem.weights[name][rows])
        self._variables = list({part[0].ref(): part[0] for ps in places.values() for part in ps}.values())
        self._names = {variable.ref(): number for number, variable in enumerate(self._variables)}
        optimizer = tf.keras.optimizers.Adam(
            parameters.LEARNING_RATE, epsilon=parameters.ADAM_EPSILON, jit_compile=jit_compile
        )
        optimizer.build(self._variables)
        self._inputs = graph_tensor(problem), tf.constant(problem.labels)

        @tf.function(jit_compile=jit_compile)
        def step(graph: tfgnn.GraphTensor, labels: tf.Tensor) -> Any:
            with tf.GradientTape() as tape:
                answer = forward(graph)
                cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels, answer)
                loss = tf.reduce_mean(cross_entropy)
            gradients = tape.gradient(loss, self._variables)
            optimizer.apply_gradients(zip(gradients, self._variables, strict=True))
            return answer, loss, gradients

        self._step = step

    def unit(self) -> None:
        self._step(*self._inputs)[1].numpy()

    def first(self) -> Arrays:
        answer, loss, gradients = self._step(*self._inputs)
        result = {"answer": answer.numpy(), "loss": loss.numpy()}
        for name, parts in self._places.items():
            whole = [gradients[self._names[v.ref()]].numpy() for v, rows in parts if rows == ALL]
            rest = [gradients[self._names[v.ref()]].numpy() for v, rows in parts if rows != ALL]
            result[f"gradient/{name}"] = sum(whole) if whole else tf.concat(rest, axis=0).numpy()
        return result


def readout(graph: tfgnn.GraphTensor, dense: tf.keras.layers.Layer) -> tf.Tensor:
    """`Linear(mean over the network's edges)`, [networks, 1]."""
    return dense(tfgnn.pool_edges_to_context(graph, EDGE_SET, "mean", feature_name=tfgnn.HIDDEN_STATE))
