"""Numbers beside the weights: on every edge, those of its very weight."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gmn_tf import ParameterGraph
from gmn_tf.errors import ConversionError
from gmn_tf.graph import schema


def model_and_gradients():
    """Normalised, shared and embedded weights; one trainable weight that the loss does not reach."""
    a = keras.Input((4,), dtype="int32")
    x = layers.BatchNormalization()(layers.Embedding(5, 3)(a))
    dense = layers.Dense(3, activation="tanh")
    x = dense(dense(x))
    outputs = [layers.Dense(2)(layers.Flatten()(x)), layers.Dense(1)(layers.GlobalAveragePooling1D()(x))]
    model = keras.Model(a, outputs)
    tokens = np.array([[0, 1, 2, 2], [3, 1, 0, 2]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tokens, training=True)[0] ** 2)
    return model, tape.gradient(loss, [v.value for v in model.trainable_variables])


def by_location(graph, channel, arrays):
    """Checks every edge by `locate` against arrays by path; 0 where there is none."""
    for edge in range(graph.num_edges):
        place = graph.locate(edge)
        array = None if place is None else arrays.get(place[0])
        expected = 0.0 if array is None else array[place[1]]
        assert channel[edge] == np.float32(expected), (edge, place)


def test_each_edge_has_the_gradient_of_its_weight():
    model, gradients = model_and_gradients()
    assert any(isinstance(g, tf.IndexedSlices) for g in gradients) and any(g is None for g in gradients)
    graph = ParameterGraph.from_keras(model)
    values = graph.values(model, extra=[gradients])
    assert values.shape == (graph.num_edges, 2) and values.dtype == np.float32
    np.testing.assert_array_equal(values[:, 0], graph.values(model))
    dense = {
        v.path: None if g is None else tf.convert_to_tensor(g).numpy()
        for v, g in zip(model.trainable_variables, gradients, strict=True)
    }
    assert sum(np.count_nonzero(g) for g in dense.values() if g is not None) > 30
    by_location(graph, values[:, 1], dense)


def test_masks_moments_and_other_models_are_channels_too():
    model, _ = model_and_gradients()
    rng = np.random.default_rng(0)
    mask = [(rng.uniform(size=w.shape) > 0.5).astype(w.dtype) for w in model.get_weights()]
    other = keras.models.clone_model(model)
    graph = ParameterGraph.from_keras(model)
    paths = [v.path for v in model.weights]
    bias = model.layers[-1].bias.path
    values = graph.values(model, extra=[mask, other, {bias: [7.0]}, graph.flatten(other)])
    assert values.shape == (graph.num_edges, 5)
    by_location(graph, values[:, 1], dict(zip(paths, mask, strict=True)))
    by_location(graph, values[:, 2], dict(zip(paths, other.get_weights(), strict=True)))
    by_location(graph, values[:, 3], {bias: np.array([7.0])})
    np.testing.assert_array_equal(values[:, 4], values[:, 2])


def test_channels_of_many_networks_and_into_a_graph_tensor():
    model, gradients = model_and_gradients()
    graph = ParameterGraph.from_keras(model)
    rng = np.random.default_rng(1)
    flat, moments = rng.normal(size=(2, 6, graph.layout.size)).astype(np.float32)
    values = graph.values(flat, extra=[moments, moments**2])
    assert values.shape == (6, graph.num_edges, 3)
    np.testing.assert_array_equal(values[4], graph.values(flat[4], extra=[moments[4], moments[4] ** 2]))
    tensor = graph.to_graph_tensor(graph.values(model, extra=[gradients]))
    assert tensor.edge_sets[schema.EDGE_SET][schema.VALUE].shape == (graph.num_edges, 2)
    assert graph.values(model, extra=[]).shape == (graph.num_edges, 1)


def test_without_running_statistics():
    model, gradients = model_and_gradients()
    graph = ParameterGraph.from_keras(model, trainable_only=True)
    values = graph.values(model, extra=[gradients, model])
    carried = graph.edges[schema.SLOT] >= 0
    np.testing.assert_array_equal(values[carried, 0], values[carried, 2])
    assert not values[~carried, 1:].any()


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        (lambda m: [[*m.get_weights()[:-1], np.zeros(3)]], r"shape \(3,\) for the weight .*bias.* \(1,\)"),
        (lambda m: [m.get_weights()[:3]], r"channel of 3 arrays, expected 11, .* or 9, as"),
        (lambda m: m.get_weights(), "flat weights of length 3,"),  # a channel in place of a list of channels
        (lambda m: [{"dense/kernle": np.zeros(3)}], "'dense/kernle', which is no weight here; there are"),
        (lambda m: [np.zeros((2, 69), np.float32)], r"shape \(2, .* beside weights of shape"),
    ],
)
def test_what_does_not_fit_is_refused(extra, sentence):
    model, _ = model_and_gradients()
    graph = ParameterGraph.from_keras(model)
    assert graph.layout.size == 15 + 12 + 12 + 26 + 4
    with pytest.raises(ConversionError, match=sentence):
        graph.values(model, extra=extra(model))
