"""DeepSets over the weights of a network: the baseline that knows no connections."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.features import NUM_EDGE_TYPES, depth_features, log_count, num_components
from gmn_tf.layers.label_statistics import FIRST_PARAMETERLESS_TYPE
from gmn_tf.layers.names import PACKAGE
from gmn_tf.models.arguments import arguments
from gmn_tf.models.baseline import Baseline


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class DeepSets(Baseline):
    """Weights as a set of (weight, layer): Zaheer et al. 2017, and Lim et al. 2024, section 5.1.

        x_e    = asinh((value_e - mean[type, layer]) / deviation[type, layer])
        h_e    = phi(SiLU(W x_e + [type] + [layer] + D depth))     phi: num_layers - 1 times Linear, SiLU
        output = rho([mean_e h_e, log number of weights])          rho: num_layers times Linear, SiLU; Linear

    The mean runs over the edges that carry parameters. Any permutation of the weights of a layer and type
    leaves the answer as it is: not only those that leave the network's function alone. Brackets are
    learnt tables; values are normalised as in `GraphMetanetwork`.

    Args:
        units: width of the answer; logits.
        output: "graph", the only answer there is.
        set_dim, num_layers, readout_dim: width of phi, layers of phi and of rho, width of rho.
        dropout_rate: before the last linear map, as in the metanetwork's readout.
        num_channels: values per edge. A set of single weights has 1; several are one element of the set.
        max_layers: rows of the table of layers; those beyond share the last.

    Call arguments:
        graph: scalar GraphTensor as of `gmn_tf.graph.tensor`, any number of components, the last of
            which may be padding.
    Call returns:
        float32 [num_components, units].
    """

    def __init__(
        self,
        units: int = 1,
        *,
        output: str = "graph",
        set_dim: int = 64,
        num_layers: int = 3,
        readout_dim: int = 280,
        dropout_rate: float = 0.3,
        num_channels: int = 1,
        max_layers: int = 64,
        **kwargs: Any,
    ) -> None:
        settings = arguments(locals())
        super().__init__(settings=settings, **kwargs)
        if num_layers < 1:
            raise SchemaError(f"received num_layers={num_layers}, expected 1 or more")
        self.max_layers, self.set_dim = max_layers, set_dim
        # Under mixed precision answers are not rounded.
        final = "float32" if tf.as_dtype(self.compute_dtype).size < 4 else None
        self._types = self._table("types", NUM_EDGE_TYPES)
        self._layers = self._table("layers", max_layers)
        dense = tf.keras.layers.Dense
        self._value = dense(set_dim, name="value")
        self._depth = dense(set_dim, use_bias=False, name="depth")
        self._phi = [dense(set_dim, "silu", name=f"phi_{i}") for i in range(1, num_layers)]
        self._rho = [dense(readout_dim, "silu", name=f"rho_{i}") for i in range(num_layers)]
        self._dropout = tf.keras.layers.Dropout(dropout_rate)
        start = tf.keras.initializers.RandomNormal(stddev=0.01)
        self._output = dense(units, kernel_initializer=start, dtype=final, name="output")
        self.create_weights()

    def _table(self, name: str, rows: int) -> tf.Variable:
        start = tf.keras.initializers.RandomNormal(stddev=0.5)
        return self.add_weight(name, (rows, self.set_dim), initializer=start)

    def call(self, graph: tfgnn.GraphTensor, training: bool | None = None) -> tf.Tensor:
        edges = graph.edge_sets[schema.EDGE_SET]
        components = num_components(graph)
        component = tfgnn.broadcast_context_to_edges(
            graph, schema.EDGE_SET, feature_value=tf.range(components, dtype=tf.int32)
        )
        kind = tf.clip_by_value(edges[schema.TYPE], 0, NUM_EDGE_TYPES - 1)
        layer = tf.clip_by_value(edges[schema.LAYER], 0, self.max_layers - 1)
        values = tf.math.asinh(self.normalised(graph))
        depth = depth_features(edges[schema.DEPTH])
        dtype = self.compute_dtype
        state = self._value(tf.cast(values, dtype)) + self._depth(tf.cast(depth, dtype))
        state += tf.gather(tf.cast(self._types, dtype), kind) + tf.gather(tf.cast(self._layers, dtype), layer)
        state = tf.nn.silu(state)
        for dense in self._phi:
            state = dense(state)
        counts = kind < FIRST_PARAMETERLESS_TYPE
        total = tf.math.unsorted_segment_sum(
            tf.where(counts[:, tf.newaxis], tf.cast(state, tf.float32), 0.0), component, components
        )
        count = tf.math.unsorted_segment_sum(tf.cast(counts, tf.float32), component, components)
        mean = total / tf.maximum(count, 1.0)[:, tf.newaxis]
        answer = tf.cast(tf.concat([mean, log_count(count)], axis=-1), dtype)
        for dense in self._rho:
            answer = dense(answer)
        return self._output(self._dropout(answer, training=training))
