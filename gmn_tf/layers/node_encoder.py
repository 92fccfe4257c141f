"""First states of the nodes, from their labels, how many edges meet there, and their values at probes."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.layers.features import NUM_ACTIVATIONS, NUM_NODE_TYPES, depth_features, log_count
from gmn_tf.layers.names import PACKAGE

_MAGNITUDES = 32


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class NodeEncoder(tf.keras.layers.Layer):
    """`Linear(SiLU(type + activation + index + Linear(depth, fan-in, fan-out) + W asinh(x)))`, [N, units].

    Type, activation and index go through learnt tables. An index i has two: i modulo `num_indices`
    and the number of its binary digits; -1, a free node, has a row of its own in each.

    Call arguments:
        graph: scalar GraphTensor as of `gmn_tf.graph.tensor`.
        probes: x, float [N, .], the nodes' values at probes, or None.
    """

    def __init__(self, units: int, *, num_indices: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.num_indices = units, num_indices

        def table(name: str, rows: int) -> tf.Variable:
            start = tf.keras.initializers.RandomNormal(stddev=0.5)
            return self.add_weight(name, (rows, units), initializer=start)

        self._type = table("type", NUM_NODE_TYPES)
        self._activation = table("activation", NUM_ACTIVATIONS)
        self._index = table("index", num_indices + 1)
        self._magnitude = table("magnitude", _MAGNITUDES + 1)
        self._continuous = tf.keras.layers.Dense(units, name="continuous")
        self._probes = tf.keras.layers.Dense(units, use_bias=False, name="probes")
        self._output = tf.keras.layers.Dense(units, name="output")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "num_indices": self.num_indices}

    def call(self, graph: tfgnn.GraphTensor, probes: tf.Tensor | None = None) -> tf.Tensor:
        nodes = graph.node_sets[schema.NODE_SET]
        index = nodes[schema.INDEX]
        free = index <= schema.NO_INDEX
        row = tf.where(free, 0, 1 + tf.math.floormod(index, self.num_indices))
        powers = 2 ** tf.range(_MAGNITUDES - 2, dtype=tf.int32)
        digits = tf.reduce_sum(tf.cast(index[:, tf.newaxis] >= powers, tf.int32), axis=-1)
        continuous = [depth_features(nodes[schema.DEPTH])]
        for tag in (tfgnn.TARGET, tfgnn.SOURCE):
            ones = tf.ones_like(graph.edge_sets[schema.EDGE_SET][schema.DEPTH])
            degree = tfgnn.pool_edges_to_node(graph, schema.EDGE_SET, tag, "sum", feature_value=ones)
            continuous.append(log_count(degree))
        state = (
            tf.gather(self._type, tf.clip_by_value(nodes[schema.TYPE], 0, NUM_NODE_TYPES - 1))
            + tf.gather(self._activation, tf.clip_by_value(nodes[schema.ACTIVATION], 0, NUM_ACTIVATIONS - 1))
            + tf.gather(self._index, row)
            + tf.gather(self._magnitude, tf.where(free, 0, 1 + digits))
            + self._continuous(tf.concat(continuous, axis=-1))
        )
        if probes is not None:
            state += self._probes(tf.math.asinh(probes))
        return self._output(tf.nn.silu(state))
