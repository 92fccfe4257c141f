"""Probe features: learnt inputs are run through the input networks, on their graphs.

What a network does to a few inputs says more of it than its weights alone (Kofinas et al. 2024, "Graph
Neural Networks for Learning Equivariant Representations of Neural Networks", section 3). Node values at
the probes are equivariant: a hidden neuron takes its value with it wherever it is moved.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.graph.schema import NodeType
from gmn_tf.layers.activations import activate
from gmn_tf.layers.edge_stream import Columns, EdgeStream, gather
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.topology import SOURCE, TARGET, Topology

_STATE, _WEIGHT, _TOTAL = "state", "weight", "total"


def num_sweeps(graph: tfgnn.GraphTensor) -> tf.Tensor:
    """How often all edges are gone through until every node has its value: the last layer's number, int32."""
    return tf.reduce_max(graph.node_sets[schema.NODE_SET][schema.LAYER])


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class ProbeFeatures(tf.keras.layers.Layer):
    """`x_v = activation(sum over edges u -> v of weight * x_u)` at K learnt inputs, [N, K].

    An input node with index i starts with row i of a learnt table (modulo its `num_inputs` rows), a bias
    node is 1. All edges are gone through once per layer of the deepest network. The backward pass runs
    the adjoints of the last values backwards along the edges, so memory does not grow with the depth.

    Args:
        num_probes: K.
        num_inputs: rows of the table of probes, which start uniform in [-1, 1].
        sine_frequency: factor of the argument of sines, as SIRENs have it: `sin(30 * (W x + b))`. The graph
            does not hold it.
        max_layers: room for the layers of a network where one ends with softmax.

    Call arguments:
        inputs: (scalar GraphTensor of dense layers, its `Topology`, values float [E, channels], of which the
            first channel holds the weights). `check_dense_layers` says which graphs will do; what comes of
            others means nothing.
    Call returns:
        float [N, num_probes].
    """

    def __init__(
        self,
        num_probes: int,
        *,
        num_inputs: int = 64,
        sine_frequency: float = 1.0,
        max_layers: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_probes, self.num_inputs = num_probes, num_inputs
        self.sine_frequency, self.max_layers = sine_frequency, max_layers
        start = tf.keras.initializers.RandomUniform(-1.0, 1.0)
        # Made before the layer is called, so outside of the scope that would put its name before.
        self._inputs = self.add_weight(f"{self.name}/inputs", (num_inputs, num_probes), initializer=start)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_probes": self.num_probes,
            "num_inputs": self.num_inputs,
            "sine_frequency": self.sine_frequency,
            "max_layers": self.max_layers,
        }

    def call(self, inputs: tuple[tfgnn.GraphTensor, Topology, tf.Tensor]) -> tf.Tensor:
        graph, topology, values = inputs
        nodes = graph.node_sets[schema.NODE_SET]
        bias = (nodes[schema.TYPE] == NodeType.BIAS)[:, tf.newaxis]
        fixed = (nodes[schema.LAYER] == 0)[:, tf.newaxis] | bias
        row = tf.math.floormod(tf.maximum(nodes[schema.INDEX], 0), self.num_inputs)
        start = tf.gather(self._inputs, row)
        start = tf.where(fixed, tf.where(bias, tf.ones_like(start), start), tf.zeros_like(start))
        layer = tf.minimum(nodes[schema.LAYER], self.max_layers - 1)
        network = _Networks(
            stream=topology.stream,
            num_nodes=topology.num_nodes,
            fixed=fixed,
            sweeps=num_sweeps(graph),
            activate=functools.partial(
                activate,
                labels=nodes[schema.ACTIVATION],
                layer=topology.node_component * self.max_layers + layer,
                num_layers=topology.num_components * self.max_layers,
                sine_frequency=self.sine_frequency,
            ),
        )
        return network.values(start, topology.stream.pad(values[:, :1]))


@dataclasses.dataclass(frozen=True)
class _Networks:
    """The networks of a batch as one function from the values of fixed nodes to those of all nodes."""

    stream: EdgeStream
    num_nodes: int | tf.Tensor
    fixed: tf.Tensor
    sweeps: tf.Tensor
    activate: Callable[[tf.Tensor], tf.Tensor]

    def values(self, start: tf.Tensor, weights: Any) -> tf.Tensor:
        """[N, K], and weights [padded length of the stream, 1], to [N, K]; differentiable in both."""
        if not tf.is_tensor(weights):  # a stream on the host
            return self._forward(start, weights)[0]

        @tf.custom_gradient
        def run(start: tf.Tensor, weights: tf.Tensor) -> Any:
            state, sums = self._forward(start, weights)
            return state, functools.partial(self._backward, state, sums, weights)

        return run(start, weights)

    def _forward(self, start: tf.Tensor, weights: Any) -> tuple[tf.Tensor, tf.Tensor]:
        def sweep(step: tf.Tensor, state: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            sums = self._sums(state, weights, SOURCE, TARGET)
            return step + 1, tf.where(self.fixed, start, self.activate(sums)), sums

        return self._repeat(sweep, start, tf.zeros_like(start))

    def _backward(
        self, state: tf.Tensor, sums: tf.Tensor, weights: tf.Tensor, upstream: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Gradients in start and weights: the adjoint of a node is a sum over what it feeds."""

        def of_sums(adjoint: tf.Tensor) -> tf.Tensor:
            argument = tf.identity(sums)
            with tf.GradientTape() as tape:
                tape.watch(argument)
                found = self.activate(argument)
            slope = tape.gradient(found, argument, adjoint)
            return tf.where(self.fixed, tf.zeros_like(slope), slope)

        def sweep(step: tf.Tensor, adjoint: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return step + 1, upstream + self._sums(of_sums(adjoint), weights, TARGET, SOURCE)

        (adjoint,) = self._repeat(sweep, upstream)

        def of_weights(
            columns: Columns, inputs: Columns, tables: Columns, *_: Any
        ) -> tuple[Columns, Columns]:
            terms = gather(tables[SOURCE], columns[SOURCE]) * gather(tables[TARGET], columns[TARGET])
            return {_WEIGHT: tf.reduce_sum(terms, axis=1, keepdims=True)}, {}

        spec = tf.TensorSpec([None, 1], state.dtype)
        tables = {SOURCE: state, TARGET: of_sums(adjoint)}
        found = self.stream.map(of_weights, {}, tables, results={_WEIGHT: spec})[0][_WEIGHT]
        return tf.where(self.fixed, adjoint, tf.zeros_like(adjoint)), found

    def _sums(self, state: tf.Tensor, weights: Any, read: str, written: str) -> tf.Tensor:
        """Sum at each node over its edges of the weight times what stands at the other end, [N, K]."""

        def send(columns: Columns, inputs: Columns, tables: Columns, *_: Any) -> tuple[Columns, Columns]:
            terms = gather(tables[_STATE], columns[read]) * inputs[_WEIGHT]
            return {}, {_TOTAL: tf.math.unsorted_segment_sum(terms, columns[written], self.num_nodes)}

        zeros = {_TOTAL: tf.zeros([self.num_nodes, state.shape[1]], state.dtype)}
        return self.stream.map(send, {_WEIGHT: weights}, {_STATE: state}, sums=zeros)[1][_TOTAL]

    def _repeat(self, sweep: Callable[..., Any], *state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        variables = (tf.constant(0), *state)
        return tf.while_loop(lambda step, *_: step < self.sweeps, sweep, variables, parallel_iterations=1)[1:]
