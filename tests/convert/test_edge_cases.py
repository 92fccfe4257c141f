"""Corners where a first version was wrong: operands met twice, padding of neurons, masks, frozen layers."""

from __future__ import annotations

from math import factorial as f

import keras
import numpy as np
import pytest
import tf_keras
from keras import layers, ops
from soundness import assert_sound

import gmn_tf
from gmn_tf import ParameterGraph, UnsupportedLayerError
from gmn_tf.errors import ConversionError, GmnError
from gmn_tf.graph.symmetry import edge_permutation


def head(inputs, hidden):
    return keras.Model(inputs, layers.Dense(2)(hidden))


# An operand met twice: two edges with the same labels between the same nodes.
@pytest.mark.parametrize(
    "twice",
    [lambda x: x + x, lambda x: x * x, lambda x: layers.Maximum()([x, x]), lambda x: x / (x * x + 1.0)],
    ids=["x + x", "x * x", "max(x, x)", "x / (x * x + 1)"],
)
def test_a_tensor_combined_with_itself(twice):
    a = keras.Input((4,))
    assert_sound(head(a, twice(layers.Dense(3)(a))), order=f(3))


# The fingerprint hashes broadcast arrays without their shapes.
def test_a_transposed_kernel_is_another_graph():
    graphs = []
    for equation in ("ab,bc->ac", "ab,cb->ac"):
        a = keras.Input((3,))
        graphs.append(ParameterGraph.from_keras(keras.Model(a, layers.EinsumDense(equation, (3,))(a))))
    assert not np.array_equal(graphs[0].edges["source"], graphs[1].edges["source"])
    assert graphs[0] != graphs[1]


# Law 2: the 4 channels of a mixer's stream are free; position-mixing pins them with its joins.
def test_mlp_mixer_keeps_its_channels():
    a = keras.Input((8, 8, 3))
    x = layers.Reshape((4, 4))(layers.Conv2D(4, 4, strides=4)(a))
    y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
    y = layers.Dense(4)(layers.Dense(5, activation="gelu")(y))
    x = layers.Add()([x, layers.Permute((2, 1))(y)])
    y = layers.Dense(4)(layers.Dense(6, activation="gelu")(layers.LayerNormalization()(x)))
    x = layers.GlobalAveragePooling1D()(layers.Add()([x, y]))
    assert_sound(head(a, x), order=f(4) * f(5) * f(6))


# Zeros around nodes that differ from place to place have no coordinates of their own.
def test_zero_padding_of_neurons():
    a = keras.Input((4,))
    x = layers.ZeroPadding1D(1)(layers.Reshape((3, 2))(layers.Dense(6)(a)))
    assert_sound(head(a, layers.Flatten()(x)))


# Frozen layers are not trainable, and `trainable_only` promises trainable weights only.
def test_trainable_only_leaves_frozen_layers_out():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, trainable=False), layers.Dense(2)])
    assert ParameterGraph.from_keras(model, trainable_only=True).num_parameters == 3 * 2 + 2


# Keras computes with what `finalize_state` has copied out of mean and variance, not with the weights.
def test_normalization_in_the_middle_follows_its_weights():
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(size=(50, 3)) * [1.0, 5.0, 9.0] + [1.0, 2.0, 3.0])
    a = keras.Input((4,))
    assert_sound(head(a, norm(layers.Dense(3)(a))), order=f(3))


def test_assigned_statistics_of_a_normalization_take_effect():
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(size=(50, 2)))
    model = keras.Sequential([keras.Input((2,)), norm])
    graph, x = ParameterGraph.from_keras(model), np.ones((1, 2), "float32")
    before = np.asarray(model(x))
    values = graph.values(model)
    values[graph.edges_of(norm.adapt_mean.path, (0,))] += 1.0
    graph.assign(model, values)
    assert not np.array_equal(np.asarray(model(x)), before)


# Keras rewrites errors that are raised below an operation's call: several lines, terminal colours.
def test_an_operation_without_converter_is_refused_in_one_sentence():
    a = keras.Input((2, 2))
    with pytest.raises(UnsupportedLayerError) as caught:
        ParameterGraph.from_keras(keras.Model(a, ops.inv(layers.Dense(2)(a)), name="net"))
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


# A Lambda of tf_keras comes out as TypeError: unsupported callable.
def test_a_lambda_of_tf_keras_is_refused():
    k = tf_keras.layers
    model = tf_keras.Sequential([k.Input((3,)), k.Lambda(lambda x: x + 1, name="sneaky")])
    with pytest.raises(GmnError, match="'sneaky'"):
        ParameterGraph.from_keras(model)


# "Raises ConversionError: the permutation is no automorphism", but labels of nodes are not looked at.
def test_exchanging_inputs_is_no_automorphism():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    graph = ParameterGraph.from_keras(model)
    permutation = np.arange(graph.num_nodes)
    permutation[:2] = [1, 0]
    with pytest.raises(ConversionError, match="no automorphism"):
        edge_permutation(graph, permutation)


# An index outside the variable comes out as numpy's own error.
def test_an_index_outside_its_variable_is_refused():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    graph = ParameterGraph.from_keras(model)
    with pytest.raises(GmnError, match="index"):
        graph.edges_of(model.layers[0].kernel.path, (9, 9))


# Masks made by Embedding(mask_zero=True) or Masking reach the pooling as operations without converter.
@pytest.mark.parametrize("masked", ["embedding", "masking"])
def test_masks_convert(masked):
    if masked == "embedding":
        a = keras.Input((4,), dtype="int32")
        x = layers.Embedding(5, 3, mask_zero=True)(a)
    else:
        a = keras.Input((4, 2))
        x = layers.Dense(3)(layers.Masking()(a))
    assert_sound(head(a, layers.GlobalAveragePooling1D()(x)), order=f(3))


# A float mask computed by hidden neurons: neuron s speaks of key position s, so they are not free.
def test_a_computed_attention_mask_says_which_position_it_masks():
    a = keras.Input((5, 4))
    mask = ops.relu(layers.Dense(5)(a))
    report = gmn_tf.check_symmetry(head(a, layers.MultiHeadAttention(1, 2)(a, a, attention_mask=mask)))
    assert report.passed, str(report)
