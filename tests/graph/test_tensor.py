import subprocess
import sys

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)
from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.graph.tensor import assemble, depth, graph_tensor_spec


def columns(num_nodes=4, num_edges=6):
    """A small complete set of columns, as int64, the dtype numpy code tends to produce."""
    nodes = {name: np.arange(num_nodes) for name in (schema.TYPE, schema.LAYER, schema.INDEX)}
    nodes[schema.ACTIVATION] = np.zeros(num_nodes, int)
    nodes[schema.DEPTH] = depth(nodes[schema.LAYER], num_nodes)
    edges = {name: np.zeros(num_edges, int) for name in (schema.TYPE, schema.LAYER)}
    edges[schema.SOURCE] = np.arange(num_edges) % num_nodes
    edges[schema.TARGET] = (np.arange(num_edges) + 1) % num_nodes
    edges[schema.DEPTH] = depth(edges[schema.LAYER], num_nodes)
    edges[schema.SLOT] = np.arange(num_edges)
    for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
        edges[name] = np.full((num_edges, 3), schema.NO_POSITION)
    return nodes, edges


def test_depth_runs_from_zero_to_one():
    np.testing.assert_allclose(depth([0, 1, 2, 4]), [0, 0.25, 0.5, 1])
    np.testing.assert_allclose(depth([0, 1, 2], 5), [0, 0.25, 0.5])
    np.testing.assert_allclose(depth([0, 0], 1), [0, 0])
    assert depth([0, 1]).dtype == np.float32


def test_one_component_by_default_and_one_channel():
    nodes, edges = columns()
    graph = assemble(nodes, edges, np.arange(6.0))
    assert graph_tensor_spec().is_compatible_with(graph)
    assert graph.node_sets[schema.NODE_SET].sizes.numpy().tolist() == [4]
    assert graph.edge_sets[schema.EDGE_SET].sizes.numpy().tolist() == [6]
    edge_set = graph.edge_sets[schema.EDGE_SET]
    np.testing.assert_array_equal(edge_set[schema.VALUE], np.arange(6.0)[:, None])
    np.testing.assert_array_equal(edge_set.adjacency.source, edges[schema.SOURCE])
    np.testing.assert_array_equal(edge_set.adjacency.target, edges[schema.TARGET])
    assert schema.SLOT not in edge_set.features


def test_components_channels_and_fixed_sizes():
    nodes, edges = columns()
    graph = assemble(
        nodes, edges, np.zeros((6, 3)), node_sizes=np.array([1, 3, 0]), edge_sizes=np.array([2, 4, 0])
    )
    assert graph_tensor_spec(3).is_compatible_with(graph)
    assert not graph_tensor_spec(1).is_compatible_with(graph)
    assert graph_tensor_spec(3, num_nodes=4, num_edges=6, num_components=3).is_compatible_with(graph)
    assert graph.num_components.numpy() == 3


def test_assembles_inside_a_data_pipeline():
    import tensorflow as tf

    nodes, edges = columns()
    values = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices(values).map(lambda row: assemble(nodes, edges, row))
    assert graph_tensor_spec().is_compatible_with(data.element_spec)
    found = np.stack([graph.edge_sets[schema.EDGE_SET][schema.VALUE][:, 0] for graph in data])
    np.testing.assert_array_equal(found, values)


def test_says_what_is_wrong_with_the_columns():
    nodes, edges = columns()
    with pytest.raises(SchemaError, match=r"node columns without depth.*gmn_tf\.graph\.tensor\.depth"):
        assemble({k: v for k, v in nodes.items() if k != schema.DEPTH}, edges, np.zeros(6))
    with pytest.raises(SchemaError, match="edge columns of different lengths"):
        assemble(nodes, edges, np.zeros(5))
    with pytest.raises(SchemaError, match="both or neither"):
        assemble(nodes, edges, np.zeros(6), node_sizes=[4])


def test_importing_the_module_does_not_import_tensorflow():
    code = "import sys, gmn_tf.graph.tensor; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
