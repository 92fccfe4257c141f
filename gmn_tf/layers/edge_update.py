"""The edge update of a block."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.layers.names import PACKAGE, UPDATE


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class EdgeUpdate(tf.keras.layers.Layer):
    """`h_ij = SiLU(A LN(v_i) + B LN(v_j) + C LN(e_ij) (+ D u))`, `e_ij <- e_ij + Linear(h_ij)`.

    A, B and D run over nodes and components before they are gathered. Used inside
    `tfgnn.keras.layers.GraphUpdate`, which calls it as (graph, edge_set_name=...).

    Args:
        units: width of the edge states.
        use_global_state: whether the context's state u is read.
        use_layer_normalization, dropout_rate: as usual; dropout acts on h before the last linear map.

    Call returns:
        {tfgnn.HIDDEN_STATE: e [E, units], UPDATE: h [E, units]}; messages read h.
    """

    def __init__(
        self,
        units: int,
        *,
        use_global_state: bool = False,
        use_layer_normalization: bool = True,
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.use_global_state = units, use_global_state
        self.use_layer_normalization, self.dropout_rate = use_layer_normalization, dropout_rate
        dense = tf.keras.layers.Dense
        norm = tf.keras.layers.LayerNormalization
        self._node_norm = norm(name="node_norm") if use_layer_normalization else tf.identity
        self._edge_norm = norm(name="edge_norm") if use_layer_normalization else tf.identity
        self._source = dense(units, use_bias=False, name="source")
        self._target = dense(units, use_bias=False, name="target")
        self._edge = dense(units, name="edge")
        self._context = dense(units, use_bias=False, name="context") if use_global_state else None
        self._dropout = tf.keras.layers.Dropout(dropout_rate)
        self._output = dense(units, name="output")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_global_state": self.use_global_state,
            "use_layer_normalization": self.use_layer_normalization,
            "dropout_rate": self.dropout_rate,
        }

    def call(self, graph: tfgnn.GraphTensor, *, edge_set_name: str) -> dict[str, tf.Tensor]:
        edge_set = graph.edge_sets[edge_set_name]
        state = edge_set[tfgnn.HIDDEN_STATE]
        update = self._edge(self._edge_norm(state))
        for tag, project in ((tfgnn.SOURCE, self._source), (tfgnn.TARGET, self._target)):
            nodes = graph.node_sets[edge_set.adjacency.node_set_name(tag)]
            projected = project(self._node_norm(nodes[tfgnn.HIDDEN_STATE]))  # [N, units]
            update += tfgnn.broadcast_node_to_edges(graph, edge_set_name, tag, feature_value=projected)
        if self._context is not None:
            projected = self._context(graph.context[tfgnn.HIDDEN_STATE])  # [C, units]
            update += tfgnn.broadcast_context_to_edges(graph, edge_set_name, feature_value=projected)
        update = tf.nn.silu(update)
        return {tfgnn.HIDDEN_STATE: state + self._output(self._dropout(update)), UPDATE: update}
