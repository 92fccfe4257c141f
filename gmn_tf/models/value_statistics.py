"""Moments of the edge values per (type, layer) over training graphs, for models that normalise them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.features import num_components
from gmn_tf.layers.label_statistics import LabelStatistics


def value_statistics(graphs: Iterable[Any], *, num_channels: int, max_layers: int) -> LabelStatistics:
    """Collects them in one pass.

    Args:
        graphs: GraphTensors, of which every component counts, or tuples (graph, ..., weight) as `fit` takes
            them, of which the components count whose weight [components] is not 0.
        num_channels, max_layers: of the values, and of the tables.

    Raises:
        SchemaError: there is no edge that counts.
    """
    found = LabelStatistics(num_channels, max_layers=max_layers)
    for element in graphs:
        graph, weight = (element[0], element[-1]) if isinstance(element, tuple) else (element, None)
        edges = graph.edge_sets[schema.EDGE_SET]
        kind, layer, value = (edges[name].numpy() for name in (schema.TYPE, schema.LAYER, schema.VALUE))
        if weight is not None:
            components = tf.range(num_components(graph), dtype=tf.int32)
            component = tfgnn.broadcast_context_to_edges(graph, schema.EDGE_SET, feature_value=components)
            keep = (np.asarray(weight).reshape(-1) != 0)[component.numpy()]
            kind, layer, value = kind[keep], layer[keep], value[keep]
        found.update(kind, layer, value)
    if found.count.sum() == 0:
        raise SchemaError("received no edges to adapt to, expected at least one graph of positive weight")
    return found
