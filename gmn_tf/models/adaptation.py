"""What a metanetwork's normalisation is taken from: moments over training graphs, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.group_statistics import group_statistics
from gmn_tf.layers.groups import EdgeGroups
from gmn_tf.layers.label_statistics import LabelStatistics


def training_moments(
    graphs: Iterable[Any],
    *,
    values_of: Callable[[tfgnn.GraphTensor], tf.Tensor],
    groups_of: Callable[[tfgnn.GraphTensor], EdgeGroups],
    check: Callable[[tfgnn.GraphTensor], None],
    bundled: bool,
    values: LabelStatistics,
    statistics: LabelStatistics,
) -> None:
    """Adds the edges' values, and the statistics of their groups, of all graphs to `values` and `statistics`.

    Args:
        graphs: GraphTensors, of which every component counts, or tuples (graph, ..., weight), of which the
            components count whose weight [components] is not 0.
        values_of, groups_of: what the metanetwork reads of a graph.
        check: called with each graph before it is read.
        bundled: as of `group_statistics`.

    Raises:
        SchemaError: no edge counts.
    """

    def read(graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, ...]:
        edges, groups, value = graph.edge_sets[schema.EDGE_SET], groups_of(graph), values_of(graph)
        rows = group_statistics(groups, value, bundled=bundled)
        component = groups.of_edge // groups.shape[1]
        of_edges = (component, edges[schema.TYPE], edges[schema.LAYER], value)
        return (*of_edges, groups.count, groups.type, groups.layer, rows)

    compiled = tf.function(read, reduce_retracing=True)
    for element in graphs:
        graph, weight = (element[0], element[-1]) if isinstance(element, tuple) else (element, None)
        check(graph)
        arrays = [array.numpy() for array in compiled(graph)]
        component, edge_type, layer, value, count, group_type, group_layer, rows = arrays
        keep_edge, keep_group = np.ones(len(edge_type), bool), count > 0
        if weight is not None:
            real = np.asarray(weight).reshape(-1) != 0
            keep_edge = real[component]
            keep_group &= np.repeat(real, len(count) // len(real))
        values.update(edge_type[keep_edge], layer[keep_edge], value[keep_edge])
        statistics.update(group_type[keep_group], group_layer[keep_group], rows[keep_group])
    if values.count.sum() == 0:
        raise SchemaError("received no edges to adapt to, expected at least one graph of positive weight")
