"""Which parameter graphs are made of dense layers alone, so that their function can be read off them."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import numpy as np
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.graph.schema import Activation, EdgeType, NodeType
from gmn_tf.layers.activations import FUNCTIONS, OVER_LAYER

_NODES = (NodeType.NEURON, NodeType.BIAS)
_EDGES = (EdgeType.LINEAR, EdgeType.BIAS)
_ACTIVATIONS = (*FUNCTIONS, *OVER_LAYER)


def check_dense_layers(graph: tfgnn.GraphTensor) -> None:
    """Refuses an eager scalar GraphTensor that is not made of dense layers alone.

    Edges of layer 0 are padding, and are not looked at.

    Raises:
        SchemaError: it has other edges, nodes or activations, edges with positions (a kernel that reads
            several entries of a node), or edges that do not lead to a later layer.
    """
    reason = _what_else(graph)
    if reason:
        raise SchemaError(
            f"received a parameter graph with {reason}, expected dense layers alone (an MLP or INR), which "
            "are all that probes can be run through: make this metanetwork with num_probes=0"
        )


def _what_else(graph: tfgnn.GraphTensor) -> str:
    nodes, edges = graph.node_sets[schema.NODE_SET], graph.edge_sets[schema.EDGE_SET]
    real = edges[schema.LAYER].numpy() > 0
    found = _others(edges[schema.TYPE].numpy()[real], _EDGES, EdgeType)
    if found:
        return f"edges of type {found}"
    found = _others(nodes[schema.TYPE].numpy(), _NODES, NodeType)
    if found:
        return f"nodes of type {found}"
    found = _others(nodes[schema.ACTIVATION].numpy(), _ACTIVATIONS, Activation)
    if found:
        return f"the activation {found}"
    for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
        if np.any(edges[name].numpy()[real] != schema.NO_POSITION):
            return f"a kernel that reads several entries of a node ({name})"
    layer, bias = nodes[schema.LAYER].numpy(), nodes[schema.TYPE].numpy() == NodeType.BIAS
    source, target = (edges.adjacency[tag].numpy()[real] for tag in (tfgnn.SOURCE, tfgnn.TARGET))
    if np.any((layer[source] >= layer[target]) & ~bias[source]):
        return "edges that do not lead to a later layer"
    return ""


def _others(labels: np.ndarray, known: Iterable[enum.IntEnum], names: type[enum.IntEnum]) -> str:
    others = sorted(set(np.unique(labels).tolist()) - {int(label) for label in known})
    return ", ".join(names(label).name for label in others)
