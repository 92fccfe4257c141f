"""Computation graphs: counts by hand, and the model's own output by passing messages along the edges."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from gmn_tf import ComputationGraph, UnsupportedLayerError
from gmn_tf.errors import ConversionError


def outputs_of(model, inputs):
    result = model(inputs)
    return [np.asarray(x) for x in (result if isinstance(result, list) else [result])]


def assert_same_output(model, seed=0):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.normal(0.1, 0.5, weight.shape))
    graph = ComputationGraph.from_keras(model)
    inputs = [rng.normal(size=(3, *spec.shape[1:])).astype("float32") for spec in model.inputs]
    expected = outputs_of(model, inputs if len(inputs) > 1 else inputs[0])
    for ours, theirs in zip(graph.forward(model, inputs), expected, strict=True):
        assert np.std(theirs) > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    return graph


# Input 2, hidden 3, output 1 and the constant: 7 nodes; 2 * 3 + 3 * 1 weights and 4 biases: 13 edges, each
# with a weight of its own.
def test_an_mlp_by_hand():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, activation="tanh"), layers.Dense(1)])
    graph = assert_same_output(model)
    assert (graph.num_nodes, graph.num_edges) == (7, 13)
    assert sorted(graph.edges["slot"].tolist()) == list(range(13))


# 4 steps of 1 channel, a kernel of 2 over them: 3 results. Each of the 2 weights and the bias is used 3
# times. Constant, 4 inputs, 3 results: 8 nodes.
def test_a_shared_kernel_by_hand():
    model = keras.Sequential([keras.Input((4, 1)), layers.Conv1D(1, 2)])
    graph = assert_same_output(model)
    assert (graph.num_nodes, graph.num_edges) == (8, 9)
    assert np.bincount(graph.edges["slot"]).tolist() == [3, 3, 3]
    assert graph.parameter_graph.num_edges == 3
    assert graph.summary().splitlines()[2].split() == ["edges", "9", "3"]
    assert graph.summary().splitlines()[-1].split()[-2:] == ["3", "1"]


def strided_and_padded():
    a = keras.Input((7, 6, 2))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(a)
    y = layers.Conv2D(4, (3, 2), padding="same", groups=2, activation="gelu")(x)
    x = layers.MaxPooling2D(2, padding="same")(layers.Add()([x, y]))
    return keras.Model(a, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


def depthwise_and_averages():
    a = keras.Input((6, 5, 2))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(a)
    x = layers.AveragePooling2D(2, padding="same")(layers.LeakyReLU()(x))
    return keras.Model(
        a,
        layers.Dense(2)(
            layers.Add()([f()(x) for f in (layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D)])
        ),
    )


def causal_and_dilated():
    a = keras.Input((9, 2))
    x = layers.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="swish")(a)
    x = layers.DepthwiseConv1D(2, dilation_rate=1)(layers.Permute((2, 1))(x))
    return keras.Model(a, layers.Reshape((-1,))(layers.Dropout(0.5)(x)))


def several_inputs_and_outputs():
    a, b = keras.Input((3,)), keras.Input((4,))
    dense = layers.Dense(2)
    x, y = dense(layers.Dense(3)(a)), dense(layers.Dense(3)(b))
    return keras.Model([a, b], [layers.Add()([x, y]), layers.Activation("sigmoid")(y)])


@pytest.mark.parametrize(
    "build", [strided_and_padded, depthwise_and_averages, causal_and_dilated, several_inputs_and_outputs]
)
def test_messages_give_the_models_output(build):
    graph = assert_same_output(build())
    assert graph.num_edges > graph.parameter_graph.num_edges


def test_permuted_neurons_move_the_edges_and_leave_the_output():
    """Proposition 1 of the paper in one case: an automorphism of the graph applied to the weights."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, activation="tanh"), layers.Dense(1)])
    graph = assert_same_output(model)
    first, bias, second, last = model.get_weights()
    order = [2, 0, 1]
    inputs = np.random.default_rng(0).normal(size=(4, 2))
    permuted = [first[:, order], bias[order], second[order], last]
    np.testing.assert_allclose(graph.forward(permuted, inputs)[0], graph.forward(model, inputs)[0], rtol=1e-6)
    wrong = [first[:, order], bias[order], second, last]
    assert np.abs(graph.forward(wrong, inputs)[0] - graph.forward(model, inputs)[0]).max() > 1e-3


def test_what_it_does_not_cover_is_named():
    a = keras.Input((4, 3))
    attention = keras.Model(a, layers.MultiHeadAttention(1, 2, name="att")(a, a), name="net")
    with pytest.raises(
        UnsupportedLayerError, match=r"'net/att' \(MultiHeadAttention\) has no computation graph"
    ):
        ComputationGraph.from_keras(attention)
    free = keras.Input((None, 3))
    with pytest.raises(ConversionError, match="an input axis of unknown size"):
        ComputationGraph.from_keras(keras.Model(free, layers.Conv1D(2, 2)(free)))
    b = keras.Input((3,))
    with pytest.raises(UnsupportedLayerError, match="Multiply"):
        ComputationGraph.from_keras(keras.Model(b, layers.Dense(2)(ops.multiply(b, b))))
