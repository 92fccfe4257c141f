"""The edge-conditioned convolution: messages from the nodes at one end of the edges to those at the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.layers.names import PACKAGE, UPDATE

REDUCE_TYPES = ("mean", "sum", "fan_in", "max")


def check_reduce_type(reduce_type: str) -> None:
    """Raises SchemaError unless it is one of `REDUCE_TYPES` or several joined by `|`."""
    if not all(name in REDUCE_TYPES for name in reduce_type.split("|")):
        raise SchemaError(
            f"received reduce_type={reduce_type!r}, expected one of {', '.join(REDUCE_TYPES)} "
            "or several joined by '|'"
        )


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class EdgeConditionedConvolution(tfgnn.keras.layers.AnyToAnyConvolutionBase):
    """`Linear(reduce_{edges at j} SiLU(P LN(v_i) + Q e_ij (+ R v_j)))`, [N, units].

    Equals an MLP of the concatenated inputs per edge (Lim et al. 2024, equation of the node update),
    but P runs over nodes before anything is gathered, and the last linear map over nodes after
    everything is reduced: per edge, only Q is a matrix product.

    Args:
        units: width of the result.
        message_dim: width of a message.
        receiver_tag: `tfgnn.TARGET` for messages along the edges, `tfgnn.SOURCE` against them.
        reduce_type: "mean", "sum", "fan_in" (sum divided by the square root of the number of edges),
            "max", or several joined by "|", which are concatenated.
        use_layer_normalization: whether node states are normalised before P.
        receiver_feature: set it to `tfgnn.HIDDEN_STATE` to add R v_j.
    """

    def __init__(
        self,
        units: int,
        *,
        message_dim: int,
        receiver_tag: int,
        reduce_type: str = "mean",
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
        check_reduce_type(reduce_type)
        self.units, self.message_dim, self.reduce_type = units, message_dim, reduce_type
        self.use_layer_normalization = use_layer_normalization
        dense = tf.keras.layers.Dense
        norm = tf.keras.layers.LayerNormalization
        self._norm = norm(name="norm") if use_layer_normalization else tf.identity
        self._sender = dense(message_dim, name="sender")
        self._edge = dense(message_dim, use_bias=False, name="edge")
        self._receiver = dense(message_dim, use_bias=False, name="receiver") if receiver_feature else None
        self._output = dense(units, name="output")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "message_dim": self.message_dim,
            "reduce_type": self.reduce_type,
            "use_layer_normalization": self.use_layer_normalization,
        }

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
        pooled = []
        for name in self.reduce_type.split("|"):
            if name == "fan_in":
                total = pool_to_receiver(message, reduce_type="sum")
                ones = tf.ones_like(message[:, :1])
                count = pool_to_receiver(ones, reduce_type="sum")
                pooled.append(total * tf.math.rsqrt(tf.maximum(count, 1.0)))
            else:
                pooled.append(pool_to_receiver(message, reduce_type=_TFGNN_NAMES.get(name, name)))
        return self._output(pooled[0] if len(pooled) == 1 else tf.concat(pooled, axis=-1))


_TFGNN_NAMES = {"max": "max_no_inf"}
