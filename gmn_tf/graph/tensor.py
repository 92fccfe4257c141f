"""The GraphTensor form of parameter graphs: one node set, one edge set, one or many components.

TensorFlow and TF-GNN are imported when a function is called, not when this module is: the rest of
`gmn_tf.graph` knows numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema

if TYPE_CHECKING:
    import tensorflow_gnn as tfgnn

_NODE_LABELS = (schema.TYPE, schema.LAYER, schema.INDEX, schema.ACTIVATION)
_EDGE_LABELS = (schema.TYPE, schema.LAYER)
_EDGE_POSITIONS = (schema.KERNEL_POSITION, schema.ENTRY_POSITION)


def depth(layer: Any, num_layers: int | None = None) -> np.ndarray:
    """Relative depth of a layer number: `layer / max(1, num_layers - 1)`, float32 in [0, 1].

    Args:
        layer: int array, the `layer` column of the nodes or of the edges of ONE network.
        num_layers: how many layers that network has (its last layer number plus one); by default the
            largest number in `layer` plus one. Pass it, so that nodes and edges agree.
    """
    layer = np.asarray(layer)
    if num_layers is None:
        num_layers = int(layer.max(initial=0)) + 1
    return (layer / max(1, num_layers - 1)).astype(np.float32)


def graph_tensor_spec(
    num_channels: int = 1,
    *,
    num_nodes: int | None = None,
    num_edges: int | None = None,
    num_components: int | None = None,
) -> tfgnn.GraphTensorSpec:
    """The spec of a scalar GraphTensor of parameter graphs.

    Args:
        num_channels: size of the last axis of the edge feature `value`; 1 is the weight alone.
        num_nodes: total over all components; `None` allows any number. The same for `num_edges` and
            `num_components`. XLA needs all three (padding included).

    Returns:
        A spec with these features: nodes type, layer, index, activation int32 [N], depth float32 [N];
        edges type, layer int32 [E], depth float32 [E], kernel_position, entry_position int32 [E, 3],
        value float32 [E, num_channels]. The context has no features.
    """
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

    def labels(names: tuple[str, ...], rows: int | None) -> dict[str, tf.TensorSpec]:
        return {name: tf.TensorSpec([rows], tf.int32) for name in names}

    nodes = labels(_NODE_LABELS, num_nodes)
    nodes[schema.DEPTH] = tf.TensorSpec([num_nodes], tf.float32)
    edges = labels(_EDGE_LABELS, num_edges)
    edges[schema.DEPTH] = tf.TensorSpec([num_edges], tf.float32)
    for name in _EDGE_POSITIONS:
        edges[name] = tf.TensorSpec([num_edges, schema.POSITION_SIZE], tf.int32)
    edges[schema.VALUE] = tf.TensorSpec([num_edges, num_channels], tf.float32)
    sizes = tf.TensorSpec([num_components], tf.int32)
    return tfgnn.GraphTensorSpec.from_piece_specs(
        context_spec=tfgnn.ContextSpec.from_field_specs(features_spec={}, sizes_spec=sizes),
        node_sets_spec={
            schema.NODE_SET: tfgnn.NodeSetSpec.from_field_specs(features_spec=nodes, sizes_spec=sizes)
        },
        edge_sets_spec={
            schema.EDGE_SET: tfgnn.EdgeSetSpec.from_field_specs(
                features_spec=edges,
                sizes_spec=sizes,
                adjacency_spec=tfgnn.AdjacencySpec.from_incident_node_sets(
                    schema.NODE_SET, schema.NODE_SET, tf.TensorSpec([num_edges], tf.int32)
                ),
            )
        },
    )


def assemble(
    node_columns: Mapping[str, Any],
    edge_columns: Mapping[str, Any],
    values: Any,
    *,
    node_sizes: Any = None,
    edge_sizes: Any = None,
) -> tfgnn.GraphTensor:
    """A scalar GraphTensor from columns; numpy arrays or tensors, also inside `tf.data` map functions.

    Args:
        node_columns: type, layer, index, activation and depth, each [N]; see `depth()`. Further
            columns are ignored.
        edge_columns: source, target, type, layer and depth, each [E]; kernel_position and
            entry_position, each [E, 3]. Sources and targets count nodes over all components.
            Further columns (slot) are ignored.
        values: float [E] or [E, channels].
        node_sizes: int [num_components], nodes per component in order; by default one component.
        edge_sizes: int [num_components], edges per component in order; by default one component.

    Returns:
        A GraphTensor compatible with `graph_tensor_spec(channels)`.

    Raises:
        SchemaError: a column is missing, or numpy columns disagree in length.
    """
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

    if (node_sizes is None) != (edge_sizes is None):
        raise SchemaError("received only one of node_sizes and edge_sizes, expected both or neither")
    node_names = (*_NODE_LABELS, schema.DEPTH)
    edge_names = (schema.SOURCE, schema.TARGET, *_EDGE_LABELS, schema.DEPTH, *_EDGE_POSITIONS)
    _check(node_columns, node_names, "node", {})
    _check(edge_columns, edge_names, "edge", {schema.VALUE: values})

    nodes = {name: _tensor(node_columns[name], name) for name in node_names}
    edges = {name: _tensor(edge_columns[name], name) for name in edge_names}
    source, target = edges.pop(schema.SOURCE), edges.pop(schema.TARGET)
    value = _tensor(values, schema.VALUE)
    edges[schema.VALUE] = value[:, tf.newaxis] if value.shape.rank == 1 else value
    node_counts = tf.shape(nodes[schema.TYPE])[:1] if node_sizes is None else _tensor(node_sizes, "sizes")
    edge_counts = tf.shape(source)[:1] if edge_sizes is None else _tensor(edge_sizes, "sizes")
    return tfgnn.GraphTensor.from_pieces(
        node_sets={schema.NODE_SET: tfgnn.NodeSet.from_fields(features=nodes, sizes=node_counts)},
        edge_sets={
            schema.EDGE_SET: tfgnn.EdgeSet.from_fields(
                features=edges,
                sizes=edge_counts,
                adjacency=tfgnn.Adjacency.from_indices(
                    source=(schema.NODE_SET, source), target=(schema.NODE_SET, target)
                ),
            )
        },
    )


def _tensor(column: Any, name: str) -> Any:
    import tensorflow as tf

    dtype = tf.float32 if name in (schema.DEPTH, schema.VALUE) else tf.int32
    if tf.is_tensor(column):
        return column if column.dtype == dtype else tf.cast(column, dtype)
    return tf.constant(np.asarray(column, dtype.as_numpy_dtype))


def _check(columns: Mapping[str, Any], names: tuple[str, ...], what: str, extra: dict[str, Any]) -> None:
    missing = [name for name in names if name not in columns]
    if missing:
        raise SchemaError(
            f"received {what} columns without {', '.join(missing)}, expected {', '.join(names)} "
            f"({schema.DEPTH} comes from gmn_tf.graph.tensor.depth)"
        )
    arrays = {**{name: columns[name] for name in names}, **extra}
    lengths = {name: len(array) for name, array in arrays.items() if isinstance(array, np.ndarray)}
    if len(set(lengths.values())) > 1:
        raise SchemaError(f"received {what} columns of different lengths: {lengths}")
