"""The smallest parameter graph: enough to create a model's weights."""

from __future__ import annotations

import numpy as np
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.graph.tensor import assemble


def smallest_graph(num_channels: int) -> tfgnn.GraphTensor:
    """Two nodes and the edge between them, one component."""
    zeros = np.zeros(1, np.int32)
    nodes = {name: np.zeros(2, np.int32) for name in (schema.TYPE, schema.LAYER, schema.INDEX)}
    nodes |= {schema.ACTIVATION: nodes[schema.TYPE], schema.DEPTH: np.zeros(2, np.float32)}
    edges = dict.fromkeys((schema.SOURCE, schema.TYPE, schema.LAYER, schema.DEPTH), zeros)
    edges[schema.TARGET] = zeros + 1
    for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
        edges[name] = np.full((1, schema.POSITION_SIZE), schema.NO_POSITION)
    return assemble(nodes, edges, np.ones((1, num_channels)))
