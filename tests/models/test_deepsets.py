"""DeepSets over weights: its equations, the permutations it cannot see, and what it must see."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, padding, small_cnn

tf = pytest.importorskip("tensorflow")

from gmn_tf.errors import SchemaError  # noqa: E402
from gmn_tf.graph import schema  # noqa: E402
from gmn_tf.models.deepsets import DeepSets  # noqa: E402

TRAINING = [merge(*[small_cnn(10 * i + j, scale=0.2 + 0.3 * j) for j in range(4)]) for i in range(2)]


@pytest.fixture(scope="module")
def model():
    tf.keras.utils.set_random_seed(0)
    found = DeepSets(2, set_dim=12, readout_dim=10, num_layers=2, max_layers=8)
    found.adapt(TRAINING)
    # The last map starts near zero; here its answers shall be seen.
    found._output.kernel.assign(tf.random.stateless_normal(found._output.kernel.shape, seed=(0, 1)))
    return found


def silu(x):
    return x / (1 + np.exp(-x))


def test_equations(model):
    """The docstring's equations in numpy, edge by edge."""
    _, edges, values = network = small_cnn(5)
    mean, deviation = (table.numpy() for table in (model._normalizer.mean, model._normalizer.deviation))
    set_of = []
    for kind, layer, depth, value in zip(
        edges[schema.TYPE], edges[schema.LAYER], edges[schema.DEPTH], values, strict=True
    ):
        row = int(kind) * 8 + int(layer)
        x = np.arcsinh((value - mean[row]) / deviation[row])
        angles = np.pi * depth * np.arange(1, 5)
        place = np.concatenate([[depth], np.cos(angles), np.sin(angles)])
        h = x @ model._value.kernel.numpy() + model._value.bias.numpy() + place @ model._depth.kernel.numpy()
        h = silu(h + model._types.numpy()[kind] + model._layers.numpy()[layer])
        set_of.append(silu(h @ model._phi[0].kernel.numpy() + model._phi[0].bias.numpy()))
    r = np.append(np.mean(set_of, axis=0), np.log1p(len(values)) / 4)
    for dense in model._rho:
        r = silu(r @ dense.kernel.numpy() + dense.bias.numpy())
    expected = r @ model._output.kernel.numpy() + model._output.bias.numpy()
    np.testing.assert_allclose(model(merge(network))[0], expected, rtol=1e-4, atol=1e-5)


def test_a_layers_weights_may_change_places(model):
    """Any places: a metanetwork on the graph sees this, a set cannot."""
    nodes, edges, values = small_cnn(0, channels=(1, 6, 5, 3))
    answer = model(merge((nodes, edges, values))).numpy()
    rng = np.random.default_rng(0)
    moved = values.copy()
    label = edges[schema.TYPE] * 100 + edges[schema.LAYER]
    for each in np.unique(label):
        rows = np.flatnonzero(label == each)
        moved[rows] = values[rng.permutation(rows)]
    assert np.abs(moved - values).max() > 0.1
    np.testing.assert_allclose(model(merge((nodes, edges, moved))), answer, rtol=1e-5, atol=1e-6)


def test_layers_and_types_are_told_apart(model):
    nodes, edges, values = small_cnn(0, channels=(1, 4, 4, 3))
    answer = model(merge((nodes, edges, values))).numpy()
    first = np.flatnonzero((edges[schema.LAYER] == 1) & (edges[schema.TYPE] == schema.EdgeType.CONV))
    second = np.flatnonzero((edges[schema.LAYER] == 2) & (edges[schema.TYPE] == schema.EdgeType.CONV))
    bias = np.flatnonzero((edges[schema.LAYER] == 1) & (edges[schema.TYPE] == schema.EdgeType.BIAS))
    for one, other in ((first[:4], second[:4]), (first[:4], bias[:4])):
        swapped = values.copy()
        swapped[one], swapped[other] = values[other], values[one]
        assert np.abs(model(merge((nodes, edges, swapped))) - answer).max() > 1e-4 * np.abs(answer).max()


def test_graphs_do_not_touch_each_other(model):
    one, two = small_cnn(0), small_cnn(1, channels=(2, 6, 3))
    alone = model(merge(two))
    np.testing.assert_allclose(model(merge(one, two, padding(3, 40)))[1:2], alone, rtol=1e-5, atol=1e-6)
    assert np.isfinite(model(merge(two, padding(0, 0)))).all()


def test_edges_without_a_parameter_are_no_weights(model):
    nodes, edges, values = small_cnn(0)
    extra = {name: np.concatenate([column, column[:3]]) for name, column in edges.items()}
    extra[schema.TYPE][-3:] = schema.EdgeType.RESIDUAL
    longer = (nodes, extra, np.append(values, np.ones(3, np.float32)))
    np.testing.assert_allclose(
        model(merge(longer)), model(merge((nodes, edges, values))), rtol=1e-5, atol=1e-6
    )


def test_adapting_leaves_padding_out_by_its_weight():
    network = small_cnn(0, scale=3.0)
    first, second = (DeepSets(set_dim=4, readout_dim=4) for _ in range(2))
    first.adapt([merge(network)])
    second.adapt([(merge(network, padding(2, 50)), np.zeros(2), np.array([1.0, 0.0]))])
    for a, b in zip(first.non_trainable_weights, second.non_trainable_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    edges = merge(network).edge_sets[schema.EDGE_SET]
    inputs = edges[schema.TYPE], edges[schema.LAYER], edges[schema.VALUE]
    assert first._normalizer(inputs).numpy().std() == pytest.approx(1.0, abs=0.05)
    with pytest.raises(SchemaError, match="no edges to adapt to"):
        first.adapt([(merge(network), np.zeros(1))])


def test_saved_weights_and_configuration_give_the_same_answers(model, tmp_path):
    path = str(tmp_path / "model.weights.h5")
    model.save_weights(path)
    twin = DeepSets.from_config(model.get_config())
    graph = merge(small_cnn(0))
    assert np.abs(twin(graph) - model(graph)).max() > 1e-3
    twin.load_weights(path)
    np.testing.assert_array_equal(twin(graph), model(graph))


def test_xla_agrees_and_gradients_are_finite(model):
    graph = merge(small_cnn(0), small_cnn(1, channels=(2, 6, 3), scale=1e4), padding(5, 60))
    compiled = tf.function(model, jit_compile=True)
    np.testing.assert_allclose(compiled(graph)[:2], model(graph)[:2], rtol=1e-4, atol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(graph, training=True)[:2]))
    gradients = tape.gradient(loss, model.trainable_weights)
    for variable, gradient in zip(model.trainable_weights, gradients, strict=True):
        found = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(found).all() and np.abs(found).max() > 0, variable.name


def test_says_what_is_wrong():
    with pytest.raises(SchemaError, match="DeepSets has one answer per network"):
        DeepSets(output="edge")
    with pytest.raises(SchemaError, match="num_layers=0"):
        DeepSets(num_layers=0)
