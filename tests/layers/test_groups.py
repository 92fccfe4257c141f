"""Edge groups and what is computed of them, against numpy."""

import numpy as np
import pytest
from parameter_graphs import merge, padding, relabelled, small_cnn

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

tf = pytest.importorskip("tensorflow")

from gmn_tf.errors import SchemaError  # noqa: E402
from gmn_tf.graph import schema  # noqa: E402
from gmn_tf.layers.features import position_bucket  # noqa: E402
from gmn_tf.layers.group_statistics import QUANTILES, group_statistics  # noqa: E402
from gmn_tf.layers.groups import edge_groups  # noqa: E402
from gmn_tf.layers.label_statistics import LabelStatistics, normalization_tables  # noqa: E402

CONV, BIAS = int(schema.EdgeType.CONV), int(schema.EdgeType.BIAS)
GRAPH = merge(small_cnn(0, channels=(1, 3, 2)), small_cnn(1, channels=(2, 2)), padding(2, 5))
VALUES = GRAPH.edge_sets[schema.EDGE_SET][schema.VALUE]


def test_groups_in_order_of_layer_and_type():
    # Component 0: layer 1 conv (1*3*9 edges), bias (3); layer 2 conv (3*2*9), bias (2). Component 1:
    # conv (2*2*9), bias (2). Component 2, padding: 5 edges of type 0 and layer 0.
    groups = edge_groups(GRAPH, max_layers=6, max_groups=5)
    assert groups.shape == (3, 5)
    np.testing.assert_array_equal(groups.count, [27, 3, 54, 2, 0, 36, 2, 0, 0, 0, 5, 0, 0, 0, 0])
    np.testing.assert_array_equal(
        groups.type, [CONV, BIAS, CONV, BIAS, 0, CONV, BIAS, 0, 0, 0, 0, 0, 0, 0, 0]
    )
    np.testing.assert_array_equal(groups.layer[:7], [1, 1, 2, 2, 0, 1, 1])
    np.testing.assert_array_equal(groups.from_start[:7], [0, 0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(groups.from_end[:7], [1, 1, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(groups.depth[:7], [0.5, 0.5, 1, 1, 0, 1, 1])
    edges = GRAPH.edge_sets[schema.EDGE_SET]
    np.testing.assert_array_equal(groups.gather(groups.type), edges[schema.TYPE])
    np.testing.assert_array_equal(groups.gather(groups.layer), edges[schema.LAYER])


def test_too_many_groups_or_layers_are_pooled():
    few = edge_groups(GRAPH, max_layers=6, max_groups=2)
    np.testing.assert_array_equal(few.count, [27, 59, 36, 2, 5, 0])
    flat = edge_groups(GRAPH, max_layers=2, max_groups=3)
    np.testing.assert_array_equal(flat.count, [81, 5, 0, 36, 2, 0, 5, 0, 0])


def expected_statistics(values):
    mean, deviation = values.mean(), np.sqrt(values.var() + 1e-8)
    quantiles = np.quantile(values, QUANTILES)
    return np.concatenate([[mean, np.log(deviation)], quantiles, (quantiles - mean) / deviation])


def test_statistics_are_those_of_numpy():
    groups = edge_groups(GRAPH, max_layers=6, max_groups=5)
    found = group_statistics(groups, VALUES).numpy()
    for group in range(15):
        rows = VALUES.numpy()[groups.of_edge.numpy() == group, 0].astype(np.float64)
        expected = expected_statistics(rows) if len(rows) else np.zeros(found.shape[1])
        np.testing.assert_allclose(found[group], expected, rtol=1e-4, atol=1e-5)


def test_bundled_edges_have_the_statistics_of_edges_apart():
    """27 convolution edges of layer 1 as three edges of nine channels; biases keep one channel of nine."""
    nodes, edges, values = small_cnn(2, channels=(1, 3, 2))
    kept, bundles = [], []
    for row in range(len(values)):
        if edges[schema.TYPE][row] == BIAS:
            kept.append(row)
            bundles.append([values[row]] + [0.0] * 8)
        elif edges[schema.KERNEL_POSITION][row, :2].tolist() == [0, 0]:
            kept.append(row)
            bundles.append(values[row : row + 9])
    bundled = merge((nodes, {name: column[kept] for name, column in edges.items()}, np.array(bundles)))
    apart = merge((nodes, edges, values))
    found = group_statistics(
        edge_groups(bundled, max_layers=4, max_groups=6),
        bundled.edge_sets[schema.EDGE_SET][schema.VALUE],
        bundled=True,
    )
    expected = group_statistics(
        edge_groups(apart, max_layers=4, max_groups=6), apart.edge_sets[schema.EDGE_SET][schema.VALUE]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_position_buckets():
    positions = tf.constant([-1, 0, 1, 7, 8, 15, 16, 31, 32, 10**6])
    np.testing.assert_array_equal(position_bucket(positions, 12), [0, 1, 2, 8, 9, 9, 10, 10, 11, 11])


def test_label_statistics_add_up_over_batches():
    rng = np.random.default_rng(0)
    edge_type, layer = np.repeat([CONV, BIAS], 50), np.tile([1, 2], 50)
    values = rng.normal(loc=3.0, size=(4, 100, 2))
    at_once = LabelStatistics(2, max_layers=4).update(edge_type, layer, values)
    in_parts = LabelStatistics(2, max_layers=4)
    for network in values:
        in_parts.update(edge_type, layer, network)
    rows = values[:, (edge_type == BIAS) & (layer == 2)].reshape(-1, 2)
    for statistics in (at_once, in_parts):
        assert statistics.count[BIAS, 2] == len(rows)
        np.testing.assert_allclose(statistics.mean[BIAS, 2], rows.mean(0))
        np.testing.assert_allclose(statistics.variance[BIAS, 2], rows.var(0))
    with pytest.raises(SchemaError, match=r"values of shape \(1, 3, 1\)"):
        at_once.update(edge_type, layer, np.zeros(3))


def test_tables_fall_back_from_cell_to_type_to_all():
    statistics = LabelStatistics(max_layers=3)
    rng = np.random.default_rng(0)
    seen = rng.normal(5.0, 2.0, size=4000)
    statistics.update(np.full(4000, CONV), np.full(4000, 1), seen)
    statistics.update(np.full(9, schema.EdgeType.RESIDUAL), np.zeros(9, int), np.ones(9))
    mean, deviation = normalization_tables(statistics.count, statistics.mean, statistics.variance)
    for cell in ((CONV, 1), (CONV, 2), (BIAS, 0)):  # seen; its type seen; nothing of it seen
        np.testing.assert_allclose(mean[cell], seen.mean(), rtol=1e-5)
        np.testing.assert_allclose(deviation[cell], seen.std(), rtol=1e-5)
    assert mean[schema.EdgeType.RESIDUAL, 0] == 0
    assert deviation[schema.EdgeType.RESIDUAL, 0] == 1


def test_groups_do_not_depend_on_order():
    network = small_cnn(4)
    (moved, order) = relabelled(network, 1)
    first = edge_groups(merge(network), max_layers=8, max_groups=8)
    second = edge_groups(merge(moved), max_layers=8, max_groups=8)
    np.testing.assert_array_equal(second.of_edge, first.of_edge.numpy()[order])
    np.testing.assert_array_equal(second.type, first.type)
