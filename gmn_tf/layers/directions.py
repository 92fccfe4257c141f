"""Messages along the edges, or along and against them, over one edge set."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.layers.convolution import EdgeConditionedConvolution
from gmn_tf.layers.names import PACKAGE

DIRECTIONS = {"forward": (tfgnn.TARGET,), "both": (tfgnn.TARGET, tfgnn.SOURCE)}


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class DirectedConvolution(tf.keras.layers.Layer):
    """Sum of one `EdgeConditionedConvolution` per direction, each with weights of its own, [N, units].

    A `NodeSetUpdate` takes one layer per edge set; this is that layer. Edges are not doubled.

    Args:
        units, message_dim, reduce_type, use_layer_normalization: as of the convolution.
        directions: "both", or "forward" for messages from source to target alone.
    """

    def __init__(
        self,
        units: int,
        *,
        message_dim: int,
        directions: str = "both",
        reduce_type: str = "mean",
        use_layer_normalization: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if directions not in DIRECTIONS:
            raise SchemaError(f"received directions={directions!r}, expected 'both' or 'forward'")
        self._settings: dict[str, Any] = {
            "units": units,
            "message_dim": message_dim,
            "reduce_type": reduce_type,
            "use_layer_normalization": use_layer_normalization,
        }
        self.directions = directions
        self._convolutions = [
            EdgeConditionedConvolution(receiver_tag=tag, name=f"to_{tag}", **self._settings)
            for tag in DIRECTIONS[directions]
        ]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings, "directions": self.directions}

    def call(self, graph: tfgnn.GraphTensor, *, edge_set_name: str) -> tf.Tensor:
        return tf.add_n([layer(graph, edge_set_name=edge_set_name) for layer in self._convolutions])
