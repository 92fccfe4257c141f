"""Real `.keras` files: what is loaded has the graph and the values of what was saved."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tf_keras
from keras import layers, ops

from gmn_tf import ParameterGraph
from gmn_tf.convert.load import load_keras_model


def cnn():
    stack = [keras.Input((6, 6, 1)), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization()]
    stack += [layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(3, activation="softmax")]
    return keras.Sequential(stack)


def functional():
    a = keras.Input((5, 4))
    x = layers.LayerNormalization()(a + layers.MultiHeadAttention(2, 2)(a, a))
    inner = keras.Sequential([keras.Input((5, 4)), layers.Dense(6, activation="gelu"), layers.Dense(4)])
    return keras.Model(a, layers.Dense(2)(ops.mean(x + inner(x) * 0.5, axis=1)))


def shared():
    a, b, d = keras.Input((4,), name="a"), keras.Input((4,), name="b"), layers.Dense(3)
    return keras.Model({"a": a, "b": b}, layers.Dense(2)(layers.Subtract()([d(a), d(b)])))


def normalized():
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(2.0, 3.0, size=(50, 4)))
    return keras.Sequential([keras.Input((4,)), norm, layers.Dense(2)])


def half_precision():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype="bfloat16"), layers.Dense(2)])


@pytest.mark.parametrize("build", [cnn, functional, shared, normalized, half_precision])
def test_a_saved_model_has_the_same_graph_and_values(tmp_path, build):
    model = build()
    rng = np.random.default_rng(1)
    model.set_weights(
        [
            w if w.dtype.kind in "iu" else (w + rng.uniform(0.1, 1.0, w.shape)).astype(w.dtype)
            for w in model.get_weights()
        ]
    )
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    loaded = load_keras_model(tmp_path / "model.keras")
    graph, again = ParameterGraph.from_keras(model), ParameterGraph.from_keras(loaded)
    assert again == graph
    np.testing.assert_array_equal(again.values(loaded), graph.values(model))
    np.testing.assert_array_equal(graph.values(loaded), graph.values(model))
    restored = graph.weights(graph.values(loaded), base=loaded)
    assert [w.tobytes() for w in restored] == [w.tobytes() for w in model.get_weights()]


def test_edited_weights_are_saved_and_loaded(tmp_path):
    """Out of a file, into a graph, changed there, back into a file."""
    cnn().save(tmp_path / "before.keras")
    model = load_keras_model(tmp_path / "before.keras")
    graph = ParameterGraph.from_keras(model)
    head = graph.edges_of(model.layers[-1].kernel.path, (0, 1))
    values = graph.values(model)
    values[head] += 3.0
    expected = model.get_weights()
    expected[-2][0, 1] += 3.0
    graph.assign(model, values)
    model.save(tmp_path / "after.keras")
    loaded = load_keras_model(tmp_path / "after.keras")
    for got, want in zip(loaded.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_an_edited_graph_is_saved_as_a_model(tmp_path, library, suffix):
    """Edit values, assign, save, load: the file's model computes what the edited model computes."""
    layers = library.layers
    stack = [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.Flatten()]
    model = library.Sequential([layers.Input((6, 6, 1)), *stack, layers.Dense(3)])
    graph = ParameterGraph.from_keras(model)
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype("float32")
    original = np.array(model(images))
    values = graph.values(model)
    edited = np.where(graph.edges["slot"] >= 0, 0.5 * values + 0.1, values)
    graph.assign(model, edited)
    outputs = np.array(model(images))
    assert np.max(np.abs(outputs - original)) > 0.05
    model.save(tmp_path / f"edited{suffix}")
    loaded = load_keras_model(tmp_path / f"edited{suffix}")
    assert isinstance(loaded, library.Model)
    np.testing.assert_array_equal(np.array(loaded(images)), outputs)
    np.testing.assert_array_equal(ParameterGraph.from_keras(loaded).values(loaded), edited)


def test_weight_files_fill_the_plan_of_their_architecture(tmp_path):
    model, other = cnn(), cnn()
    graph = ParameterGraph.from_keras(model)
    other.save_weights(tmp_path / "other.weights.h5")
    model.load_weights(tmp_path / "other.weights.h5")
    np.testing.assert_array_equal(graph.values(model), graph.values(other))
