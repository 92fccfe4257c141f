"""The edge-conditioned convolution: messages from the nodes at one end of the edges to those at the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.layers.edge_stream import Columns, gather
from gmn_tf.layers.names import PACKAGE, UPDATE
from gmn_tf.layers.reductions import edge_sums, empty_sums, reduce, reduce_types
from gmn_tf.layers.topology import ENDS, Topology


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class EdgeConditionedConvolution(tfgnn.keras.layers.AnyToAnyConvolutionBase):
    """`Linear(reduce_{edges at j} SiLU(P LN(v_i) + Q e_ij (+ R v_j)))`, [N, units].

    Equals an MLP of the concatenated inputs per edge (Lim et al. 2024, equation of the node update),
    but P runs over nodes before anything is gathered, and the last linear map over nodes after
    everything is reduced: per edge, only Q is a matrix product.

    A TF-GNN convolution like any other, for `NodeSetUpdate`. A metanetwork's block uses it in three
    steps, so that edges may be divided into chunks: `tables` of nodes, `sums` of a chunk, `finish`.

    Args:
        units: width of the result.
        message_dim: width of a message.
        receiver_tag: `tfgnn.TARGET` for messages along the edges, `tfgnn.SOURCE` against them.
        reduce_type: "mean", "sum", "fan_in" (sum divided by the square root of the number of edges),
            "max" (the mean of messages within 1e-6 of it), "attention", or several joined by "|", which
            are concatenated.
        num_heads: heads of "attention", a divisor of `message_dim`: each weighs its share of a message by
            a softmax over the edges at a node, of logits linear in the message, bounded to +-5.
        use_layer_normalization: whether node states are normalised before P.
        receiver_feature: set it to `tfgnn.HIDDEN_STATE` to add R v_j.

    Raises:
        SchemaError: an unknown reduction, or heads that do not divide the message.
    """

    def __init__(
        self,
        units: int,
        *,
        message_dim: int,
        receiver_tag: int,
        reduce_type: str = "mean",
        num_heads: int = 4,
        use_layer_normalization: bool = True,
        receiver_feature: str | None = None,
        sender_node_feature: str = tfgnn.HIDDEN_STATE,
        sender_edge_feature: str = UPDATE,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            receiver_tag=receiver_tag,
            receiver_feature=receiver_feature,
            sender_node_feature=sender_node_feature,
            sender_edge_feature=sender_edge_feature,
            **kwargs,
        )
        self.receives_at = receiver_tag
        self._names = reduce_types(reduce_type)
        if "attention" in self._names and message_dim % num_heads:
            raise SchemaError(
                f"received num_heads={num_heads} for message_dim={message_dim}, expected a divisor of it"
            )
        self.units, self.message_dim, self.reduce_type = units, message_dim, reduce_type
        self.num_heads, self.use_layer_normalization = num_heads, use_layer_normalization
        dense = tf.keras.layers.Dense
        norm = tf.keras.layers.LayerNormalization
        self._norm = norm(name="norm") if use_layer_normalization else tf.identity
        self._sender = dense(message_dim, name="sender")
        self._edge = dense(message_dim, use_bias=False, name="edge")
        self._receiver = dense(message_dim, use_bias=False, name="receiver") if receiver_feature else None
        self._output = dense(units, name="output")
        self._attention = None
        if "attention" in self._names:
            self._attention = self.add_weight(f"{self.name}/attention", (message_dim, num_heads))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "message_dim": self.message_dim,
            "reduce_type": self.reduce_type,
            "num_heads": self.num_heads,
            "use_layer_normalization": self.use_layer_normalization,
        }

    # ---- in steps, for a block -----------------------------------------------------------------------

    @property
    def needs_maximum(self) -> bool:
        """Whether `sums` needs the table "maximum" [N, message_dim], each node's largest message."""
        return "max" in self._names

    def tables(self, nodes: tf.Tensor, *, edge_width: int) -> Columns:
        """What all edges share: "sender" [N, message_dim], "kernel" [edge_width, message_dim], ...

        Args:
            nodes: states [N, .].
            edge_width: width of what the edges send.
        """
        with tf.name_scope(self.name):  # as `__call__` would have it, for the names of the weights
            if not self._edge.built:
                with tf.name_scope("edge"):
                    self._edge.build((None, edge_width))
            tables = {
                "sender": self._sender(self._norm(nodes)),
                "kernel": tf.cast(self._edge.kernel, self.compute_dtype),
            }
            if self._receiver is not None:
                tables["receiver"] = self._receiver(nodes)
        if self._attention is not None:
            tables["attention"] = tf.cast(self._attention, self.compute_dtype)
        return tables

    def message_sum(self, columns: Columns, projected: tf.Tensor, tables: Columns) -> tf.Tensor:
        """Messages [K, message_dim] of a chunk, before SiLU; `projected`: what edges send, times "kernel"."""
        sender = ENDS[tfgnn.SOURCE if self.receives_at == tfgnn.TARGET else tfgnn.TARGET]
        message = projected + gather(tables["sender"], columns[sender])
        if "receiver" in tables:
            message += gather(tables["receiver"], columns[ENDS[self.receives_at]])
        return message

    def sums(
        self, columns: Columns, messages: tf.Tensor, tables: Columns, num_nodes: int | tf.Tensor
    ) -> Columns:
        """Sums of a chunk's messages over the edges at each node, [N, .] by name."""
        receiver = columns[ENDS[self.receives_at]]
        return edge_sums(
            self._names,
            messages,
            lambda values: tf.math.unsorted_segment_sum(values, receiver, num_nodes),
            logits=tf.matmul(messages, tables["attention"]) if "attention" in tables else None,
            maximum=gather(tables["maximum"], receiver) if "maximum" in tables else None,
        )

    def empty_sums(self, num_nodes: int | tf.Tensor) -> Columns:
        """Zeros in the shapes of `sums`."""
        return empty_sums(self._names, num_nodes, self.message_dim, self.num_heads)

    def finish(self, sums: Mapping[str, tf.Tensor], tables: Columns, topology: Topology) -> tf.Tensor:
        """The result [N, units] from the sums over all edges."""
        with tf.name_scope(self.name):
            return self._finish(sums, topology.degree[self.receives_at], tables.get("maximum"))

    # ---- as a TF-GNN convolution ---------------------------------------------------------------------

    def convolve(
        self,
        *,
        sender_node_input: tf.Tensor,
        sender_edge_input: tf.Tensor,
        receiver_input: tf.Tensor | None,
        broadcast_from_sender_node: Callable[[tf.Tensor], tf.Tensor],
        broadcast_from_receiver: Callable[[tf.Tensor], tf.Tensor],
        pool_to_receiver: Callable[..., tf.Tensor],
        extra_receiver_ops: Any = None,
        training: bool,
    ) -> tf.Tensor:
        message = self._edge(sender_edge_input)
        message += broadcast_from_sender_node(self._sender(self._norm(sender_node_input)))
        if self._receiver is not None:
            message += broadcast_from_receiver(self._receiver(receiver_input))
        message = tf.nn.silu(message)  # [E, message_dim]
        largest = maximum = logits = None
        if self.needs_maximum:
            largest = pool_to_receiver(tf.stop_gradient(message), reduce_type="max_no_inf")
            maximum = tf.cast(broadcast_from_receiver(largest), tf.float32)
        if self._attention is not None:
            logits = tf.matmul(message, tf.cast(self._attention, message.dtype))
        total = lambda values: pool_to_receiver(values, reduce_type="sum")  # noqa: E731
        sums = edge_sums(self._names, message, total, logits=logits, maximum=maximum)
        return self._finish(sums, total(tf.ones_like(message[:, :1], tf.float32)), largest)

    def _finish(
        self, sums: Mapping[str, tf.Tensor], degree: tf.Tensor, maximum: tf.Tensor | None
    ) -> tf.Tensor:
        return self._output(reduce(self._names, sums, degree, maximum=maximum))
