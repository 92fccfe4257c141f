"""One block of the metanetwork: TF-GNN's `GraphUpdate` around the layers of this package."""

from __future__ import annotations

from typing import Any

import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.layers.directions import DirectedConvolution
from gmn_tf.layers.edge_update import EdgeUpdate
from gmn_tf.layers.residual_state import ResidualState


def metanetwork_block(
    *,
    node_dim: int,
    edge_dim: int,
    message_dim: int,
    directions: str,
    reduce_type: str,
    global_dim: int,
    use_layer_normalization: bool,
    dropout_rate: float,
    edges_only: bool,
    name: str,
) -> tfgnn.keras.layers.GraphUpdate:
    """Edges, then nodes, then the global state (Lim et al. 2024, section 2.3), in residual form.

    Args:
        global_dim: width of the global state, 0 for none.
        edges_only: for a last block whose nodes nobody reads.
    """
    common: dict[str, Any] = {
        "use_layer_normalization": use_layer_normalization,
        "dropout_rate": dropout_rate,
    }
    layers = tfgnn.keras.layers
    edge_update = EdgeUpdate(edge_dim, use_global_state=global_dim > 0, name="edge_update", **common)
    if edges_only:
        return layers.GraphUpdate(edge_sets={schema.EDGE_SET: edge_update}, name=name)
    convolution = DirectedConvolution(
        node_dim,
        message_dim=message_dim,
        directions=directions,
        reduce_type=reduce_type,
        use_layer_normalization=use_layer_normalization,
        name="convolution",
    )
    node_update = layers.NodeSetUpdate(
        {schema.EDGE_SET: convolution},
        ResidualState(node_dim, name="node_state", **common),
        context_input_feature=tfgnn.HIDDEN_STATE if global_dim else None,
    )
    context_update = None
    if global_dim:
        context_update = layers.ContextUpdate(
            {schema.NODE_SET: layers.Pool(tfgnn.CONTEXT, "mean")},
            ResidualState(global_dim, name="global_state", **common),
            edge_set_inputs={schema.EDGE_SET: layers.Pool(tfgnn.CONTEXT, "mean")},
        )
    return layers.GraphUpdate(
        edge_sets={schema.EDGE_SET: edge_update},
        node_sets={schema.NODE_SET: node_update},
        context=context_update,
        name=name,
    )
