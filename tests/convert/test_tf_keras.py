"""tf_keras (Keras 2) models: the same graph as the same architecture in Keras 3, with their own weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tf_keras
from soundness import assert_sound

from gmn_tf import ParameterGraph, UnsupportedLayerError, check_symmetry
from gmn_tf.errors import ConversionError

LIBRARIES = [keras, tf_keras]


def cnn(library):
    k = library.layers
    a = k.Input((6, 6, 1))
    x = k.BatchNormalization()(k.Conv2D(4, 3, activation="relu")(a))
    x = k.Add()([x, k.SeparableConv2D(4, 3, padding="same")(x)])
    x = k.Dropout(0.1)(k.GlobalAveragePooling2D()(k.LeakyReLU()(x)))
    return library.Model(a, k.Dense(3, activation="softmax")(x))


def transformer(library):
    k = library.layers
    a = k.Input((5,), dtype="int32")
    x = k.Embedding(7, 4)(a)
    x = k.LayerNormalization()(k.Add()([x, k.MultiHeadAttention(2, 3)(x, x)]))
    x = library.Sequential([k.Input((5, 4)), k.Dense(3), k.ReLU()])(x)
    return library.Model(a, k.Flatten()(x))


def mlp(library):
    k = library.layers
    return library.Sequential([k.Input((4,)), k.Dense(3, activation="relu"), k.Dense(2)])


def shared(library):
    k = library.layers
    a, b, d = k.Input((4,)), k.Input((4,)), k.Dense(3)
    return library.Model([a, b], k.Dense(2)(k.Subtract()([d(a), d(b)])))


BUILDERS = [mlp, cnn, transformer, shared]


@pytest.mark.parametrize("build", BUILDERS)
def test_both_libraries_give_the_same_graph(build):
    ours, theirs = (ParameterGraph.from_keras(build(library)) for library in LIBRARIES)
    assert ours == theirs


@pytest.mark.parametrize("build", BUILDERS)
def test_weights_come_back_into_their_own_places(build):
    model = build(tf_keras)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    graph = ParameterGraph.from_keras(model)
    values = graph.values(model)
    assert graph.num_parameters == model.count_params()
    for got, want in zip(graph.weights(values), model.get_weights(), strict=True):
        assert got.dtype == want.dtype and got.tobytes() == want.tobytes()
    carried = graph.edges["slot"] >= 0
    flat = np.concatenate([w.ravel() for w in model.get_weights()])
    np.testing.assert_array_equal(values[carried], flat[graph.edges["slot"][carried]])
    graph.assign(model, np.where(carried, 2 * values, values))
    np.testing.assert_array_equal(np.concatenate([w.ravel() for w in model.get_weights()]), 2 * flat)


# By hand: 3!; the stream of 4 channels, with which the 4 depthwise results move; 2! heads, 3! query-key and
# 3! value dimensions in each, 4! of the stream, while Dense is an output; 3!.
@pytest.mark.parametrize("build, order", [(mlp, 6), (cnn, 24), (transformer, 2 * 6**4 * 24), (shared, 6)])
def test_the_graph_is_sound_for_them(build, order):
    tf_keras.utils.set_random_seed(0)
    model = build(tf_keras)
    before = model.get_weights()
    report = check_symmetry(model, num_samples=4)
    assert report.passed, str(report)
    assert report.group_order == order and report.effect_of_weights > 0.01
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert_sound(build(keras), order=order, samples=4)


def test_the_order_of_weights_is_the_callers():
    """tf_keras lists a frozen layer's weights last, Keras 3 where the layer stands."""
    model = mlp(tf_keras)
    model.layers[0].trainable = False
    graph = ParameterGraph.from_keras(model)
    for got, want in zip(graph.weights(graph.values(model)), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_arithmetic_on_tensors():
    k = tf_keras.layers
    a = k.Input((4,))
    x = k.Dense(3)(a)
    model = tf_keras.Model(a, k.Dense(2)(x + k.Dense(3)(a) * x))
    assert ParameterGraph.from_keras(model).num_parameters == model.count_params()
    assert check_symmetry(model, num_samples=2).passed


def test_subclassed_models_are_refused_with_the_way_out():
    class Net(tf_keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.dense = tf_keras.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Net()
    with pytest.raises(ConversionError, match="model 'net' is not built: call it on a batch"):
        ParameterGraph.from_keras(model)
    model(np.ones((1, 3), "float32"))
    with pytest.raises(
        UnsupportedLayerError, match=r"tf_keras model 'net' \(Net\) is subclassed; .* as Keras 3"
    ):
        ParameterGraph.from_keras(model)


def test_a_layer_without_counterpart_is_named():
    class Own(tf_keras.layers.Layer):
        def call(self, x):
            return x + 1.0

    a = tf_keras.layers.Input((3,))
    model = tf_keras.Model(a, Own(name="own")(a))
    with pytest.raises(
        UnsupportedLayerError, match=r"tf_keras layer 'own' \(Own\) has no counterpart .*Keras 3"
    ):
        ParameterGraph.from_keras(model)
