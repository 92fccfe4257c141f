"""What a parameter graph looks like from outside, counted by hand."""

import numpy as np
import pytest
from parameter_graphs import merge, padding, relabelled, small_cnn

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

pytest.importorskip("tensorflow")

from gmn_tf.graph import schema
from gmn_tf.layers.description import NUM_FEATURES, describe
from gmn_tf.layers.label_statistics import FIRST_PARAMETERLESS_TYPE

NODES, ACTIVATIONS, EDGES = len(schema.NodeType), len(schema.Activation), len(schema.EdgeType)
TYPES = FIRST_PARAMETERLESS_TYPE  # edge types with parameters


def parts(row):
    ends = np.cumsum([NODES, ACTIVATIONS, EDGES, EDGES, EDGES, 1, TYPES])
    return np.split(np.asarray(row), ends)


def test_counts_and_scales_of_a_small_network():
    """1-3-2 channels: 6 channels, 2 bias nodes; 27 + 54 convolution edges, 3 + 2 biases; layers 0 to 2."""
    nodes, edges, values = small_cnn(0, channels=(1, 3, 2))
    rows = describe(merge((nodes, edges, values), padding(2, 5))).numpy()
    assert rows.shape == (2, NUM_FEATURES) and np.isfinite(rows).all()
    node, activation, edge, kernel, entry, layers, scale, peak = parts(rows[0])
    expected = np.zeros(NODES)
    expected[[schema.NodeType.CHANNEL, schema.NodeType.BIAS]] = np.log1p([6, 2])
    np.testing.assert_allclose(node, expected, rtol=1e-6)
    expected = np.zeros(ACTIVATIONS)
    expected[[schema.Activation.RELU, schema.Activation.LINEAR]] = np.log1p([3, 5])
    np.testing.assert_allclose(activation, expected, rtol=1e-6)
    expected = np.zeros(EDGES)
    expected[[schema.EdgeType.CONV, schema.EdgeType.BIAS]] = np.log1p([81, 5])
    np.testing.assert_allclose(edge, expected, rtol=1e-6)
    expected = np.zeros(EDGES)
    expected[schema.EdgeType.CONV] = np.log1p(2 * 81)  # two coordinates each
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)
    np.testing.assert_array_equal(entry, 0)
    np.testing.assert_allclose(layers, np.log1p([2]), rtol=1e-6)
    for kind in (schema.EdgeType.CONV, schema.EdgeType.BIAS):
        mine = values[edges[schema.TYPE] == kind]
        root = np.sqrt(np.mean(mine**2))
        np.testing.assert_allclose(scale[kind], np.log(root + 0.01), rtol=1e-4)
        np.testing.assert_allclose(peak[kind], np.log((np.abs(mine).max() + 0.01) / (root + 0.01)), rtol=1e-4)
    np.testing.assert_allclose(scale[schema.EdgeType.LINEAR], np.log(0.01), rtol=1e-5)  # none: as if 0


def test_no_order_enters_and_networks_do_not_touch():
    one, other = small_cnn(1), small_cnn(2, channels=(2, 3, 3), scale=3.0)
    together = describe(merge(one, other)).numpy()
    turned = describe(merge(relabelled(other)[0], relabelled(one)[0])).numpy()[::-1]
    np.testing.assert_allclose(turned, together, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(describe(merge(other)).numpy()[0], together[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-12, 1e4, 1e25])
def test_scale_shows_and_does_not_overflow(factor):
    nodes, edges, values = small_cnn(3)
    plain, scaled = (parts(describe(merge((nodes, edges, values * f)))[0].numpy()) for f in (1.0, factor))
    for before, after in zip(plain[:6], scaled[:6], strict=True):
        np.testing.assert_array_equal(before, after)
    kind = schema.EdgeType.CONV
    root = np.sqrt(np.mean(np.square(values[edges[schema.TYPE] == kind].astype(np.float64))))
    np.testing.assert_allclose(scaled[6][kind], np.log(root * factor + 0.01), rtol=1e-4)
    assert np.isfinite(np.concatenate(scaled)).all()
