"""First states of the edges, from their values and labels."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.edge_stream import Columns, EdgeStream, gather
from gmn_tf.layers.features import position_bucket
from gmn_tf.layers.groups import GROUP
from gmn_tf.layers.names import PACKAGE


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class EdgeEncoder(tf.keras.layers.Layer):
    """`Linear(SiLU(W f(value) * (1 + gain[group]) + shift[group] + positions))`, [E, units].

    f is asinh, the identity near 0 and logarithmic far out, so that a diverged network stays in range;
    with `num_frequencies` > 0, sines and cosines of it are joined. gain and shift are linear in the
    group's label vector: a value projection of its own for every type and depth, computed per group.
    Positions are learnt tables of `position_buckets` rows per coordinate, see `position_bucket`.

    Call arguments:
        inputs: (stream of E edges with the column GROUP and those of `columns(graph)`, labels float32
            [groups, label_dim], values float32 [E, channels]).
    Call returns:
        float [padded length of the stream, units].
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

    def columns(self, graph: tfgnn.GraphTensor) -> Columns:
        """The columns that a stream of the graph's edges carries for this layer: rows of the tables."""
        edges = graph.edge_sets[schema.EDGE_SET]
        return {name: self._row(edges[name]) for name in self._positions}

    def call(self, inputs: tuple[EdgeStream, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        stream, labels, values = inputs
        label = self._label(labels)  # [groups, 2 * units]
        if not self._value.built:
            width = values.shape[-1] * (1 + 2 * self.num_frequencies)
            for layer, inputs_width in ((self._value, width), (self._output, self.units)):
                with tf.name_scope(layer.name):
                    layer.build((None, inputs_width))
        tables = {
            "gain": 1.0 + label[:, : self.units],
            "shift": label[:, self.units :],
            "value": tf.cast(self._value.kernel, self.compute_dtype),
            "output": tf.cast(self._output.kernel, self.compute_dtype),
            "bias": tf.cast(self._output.bias, self.compute_dtype),
            **{name: self._table(name) for name in self._positions},
        }
        spec = tf.TensorSpec([None, self.units], self.compute_dtype)
        padded = {"values": stream.pad(values)}
        return stream.map(self._encode, padded, tables, results={"state": spec})[0]["state"]

    def _encode(self, columns: Columns, inputs: Columns, tables: Columns, *_: Any) -> Any:
        features = tf.cast(self._features(inputs["values"]), self.compute_dtype)
        state = tf.matmul(features, tables["value"]) * gather(tables["gain"], columns[GROUP])
        state += gather(tables["shift"], columns[GROUP])
        for name in self._positions:
            state += gather(tables[name], columns[name])
        return {"state": tf.matmul(tf.nn.silu(state), tables["output"]) + tables["bias"]}, {}

    def _features(self, values: tf.Tensor) -> tf.Tensor:
        features = [tf.math.asinh(values)]
        for k in range(self.num_frequencies):
            angle = features[0] * (math.pi / 4 * 2**k)
            features += [tf.sin(angle), tf.cos(angle)]
        return tf.concat(features, axis=-1)

    # The coordinates' tables are added up for all buckets^3 positions first: one gather per edge.

    def _table(self, name: str) -> tf.Tensor:
        table = tf.cast(self._positions[name], self.compute_dtype)
        joint = table[0][:, None, None] + table[1][None, :, None] + table[2][None, None]
        return tf.reshape(joint, [self.position_buckets**3, self.units])

    def _row(self, position: tf.Tensor) -> tf.Tensor:
        size = self.position_buckets
        bucket = position_bucket(position, size)
        return (bucket[:, 0] * size + bucket[:, 1]) * size + bucket[:, 2]
