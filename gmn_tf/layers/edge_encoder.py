"""First states of the edges, from their values and labels."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.features import position_bucket
from gmn_tf.layers.groups import EdgeGroups
from gmn_tf.layers.names import PACKAGE


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class EdgeEncoder(tf.keras.layers.Layer):
    """`Linear(SiLU(W f(value) * (1 + gain[group]) + shift[group] + positions))`, [E, units].

    f is asinh, the identity near 0 and logarithmic far out, so that a diverged network stays in range;
    with `num_frequencies` > 0, sines and cosines of it are joined. gain and shift are linear in the
    group's label vector: a value projection of its own for every type and depth, computed per group.
    Positions are learnt tables of `position_buckets` rows per coordinate, see `position_bucket`.

    Call arguments:
        inputs: (graph, groups, labels float32 [groups, label_dim], values float32 [E, channels]).
    """

    def __init__(
        self, units: int, *, num_frequencies: int = 0, position_buckets: int = 12, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if position_buckets < 5:
            raise SchemaError(f"received position_buckets={position_buckets}, expected 5 or more")
        self.units, self.num_frequencies, self.position_buckets = units, num_frequencies, position_buckets
        self._positions = {
            name: self.add_weight(
                name,
                (schema.POSITION_SIZE, position_buckets, units),
                initializer=tf.keras.initializers.RandomNormal(stddev=0.3),
            )
            for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION)
        }
        self._value = tf.keras.layers.Dense(units, use_bias=False, name="value")
        self._label = tf.keras.layers.Dense(2 * units, name="label")
        self._output = tf.keras.layers.Dense(units, name="output")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_frequencies": self.num_frequencies,
            "position_buckets": self.position_buckets,
        }

    def call(self, inputs: tuple[tfgnn.GraphTensor, EdgeGroups, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        graph, groups, labels, values = inputs
        edges = graph.edge_sets[schema.EDGE_SET]
        label = groups.gather(self._label(labels))  # [E, 2 * units]
        state = self._value(self._features(values)) * (1.0 + label[:, : self.units]) + label[:, self.units :]
        for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
            state += self._position(name, edges[name])
        return self._output(tf.nn.silu(state))

    def _features(self, values: tf.Tensor) -> tf.Tensor:
        features = [tf.math.asinh(values)]
        for k in range(self.num_frequencies):
            angle = features[0] * (math.pi / 4 * 2**k)
            features += [tf.sin(angle), tf.cos(angle)]
        return tf.concat(features, axis=-1)

    def _position(self, name: str, position: tf.Tensor) -> tf.Tensor:
        # The coordinates' tables are added up for all buckets^3 positions first: one gather per edge.
        size = self.position_buckets
        table = self._positions[name]
        joint = table[0][:, None, None] + table[1][None, :, None] + table[2][None, None]
        bucket = position_bucket(position, size)
        row = (bucket[:, 0] * size + bucket[:, 1]) * size + bucket[:, 2]
        return tf.gather(tf.reshape(joint, [size**3, self.units]), row)
