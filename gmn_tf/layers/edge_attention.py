"""Attention of nodes over the edges that meet them, of logits and values that edges make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.layers.edge_stream import Columns, gather
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.precision import sum_type
from gmn_tf.layers.reductions import edge_sums, empty_sums, reduce
from gmn_tf.layers.topology import ENDS, Topology

_ATTENTION = ["attention"]


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class EdgeAttention(tf.keras.layers.Layer):
    """`a_j = sum_{edges at j} softmax_j(W_A e'_ij) * (V LN(v_i) + E_v e'_ij)` by head, [N, message_dim].

    Then GRIT's degree scaler, `a_j * (s + t * log(1 + degree_j))`, without which a mean over edges would
    hide how many there are (Ma et al. 2023, equations 3 and 5). Logits are bounded to +-5, so that the
    softmax is a quotient of two sums over edges. The layer is used in three steps, so that edges may be
    divided into chunks: called, it gives tables; `sums` of a chunk; `finish`.

    Args:
        message_dim: width of the values.
        edge_dim: width of e'.
        receiver_tag: `tfgnn.TARGET` for attention over incoming edges, `tfgnn.SOURCE` over outgoing ones.
        num_heads: a divisor of `message_dim`.
        use_layer_normalization: whether node states are normalised before V.

    Call arguments:
        nodes: states [N, .].
    Call returns:
        Tables by name: "value" [N, message_dim] and "kernel" [edge_dim, num_heads + message_dim], which is
        W_A beside E_v.

    Raises:
        SchemaError: heads that do not divide the message.
    """

    def __init__(
        self,
        message_dim: int,
        *,
        edge_dim: int,
        receiver_tag: int,
        num_heads: int = 4,
        use_layer_normalization: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if message_dim % num_heads:
            raise SchemaError(
                f"received num_heads={num_heads} for message_dim={message_dim}, expected a divisor of it"
            )
        self.message_dim, self.edge_dim, self.receives_at = message_dim, edge_dim, receiver_tag
        self.num_heads, self.use_layer_normalization = num_heads, use_layer_normalization
        norm = tf.keras.layers.LayerNormalization
        self._norm = norm(name="norm") if use_layer_normalization else tf.identity
        self._value = tf.keras.layers.Dense(message_dim, name="value")
        self._logits = self.add_weight(f"{self.name}/logits", (edge_dim, num_heads))
        self._edge_value = self.add_weight(f"{self.name}/edge_value", (edge_dim, message_dim))
        self._scale = self.add_weight(f"{self.name}/scale", (message_dim,), initializer="ones")
        self._degree_scale = self.add_weight(f"{self.name}/degree_scale", (message_dim,), initializer="zeros")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "message_dim": self.message_dim,
            "edge_dim": self.edge_dim,
            "receiver_tag": self.receives_at,
            "num_heads": self.num_heads,
            "use_layer_normalization": self.use_layer_normalization,
        }

    def call(self, nodes: tf.Tensor) -> Columns:
        kernel = tf.concat([self._logits, self._edge_value], axis=1)
        return {"value": self._value(self._norm(nodes)), "kernel": tf.cast(kernel, self.compute_dtype)}

    def sums(
        self, columns: Columns, products: tf.Tensor, tables: Columns, num_nodes: int | tf.Tensor
    ) -> Columns:
        """Sums over a chunk's edges at each node, by name, from e' times "kernel" [K, .]."""
        receiver = columns[ENDS[self.receives_at]]
        sender = ENDS[tfgnn.SOURCE if self.receives_at == tfgnn.TARGET else tfgnn.TARGET]
        logits, values = tf.split(products, [self.num_heads, self.message_dim], axis=1)
        values += gather(tables["value"], columns[sender])
        return edge_sums(
            _ATTENTION,
            values,
            lambda terms: tf.math.unsorted_segment_sum(terms, receiver, num_nodes),
            logits=logits,
        )

    def empty_sums(self, num_nodes: int | tf.Tensor) -> Columns:
        """Zeros in the shapes of `sums`."""
        dtype = sum_type(self.compute_dtype)
        return empty_sums(_ATTENTION, num_nodes, self.message_dim, self.num_heads, dtype)

    def finish(self, sums: Mapping[str, tf.Tensor], topology: Topology) -> tf.Tensor:
        """The result [N, message_dim] from the sums over all edges; 0 where no edge ends."""
        degree = topology.degree[self.receives_at]
        found = reduce(_ATTENTION, sums, degree)
        scale, degree_scale = (tf.cast(x, found.dtype) for x in (self._scale, self._degree_scale))
        scale = scale + tf.cast(tf.math.log1p(degree), found.dtype) * degree_scale
        return tf.cast(found * scale, self.compute_dtype)
