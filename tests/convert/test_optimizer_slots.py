"""An optimiser's moments, found for the weights they belong to: against the formulas of one step."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import gmn_tf
from gmn_tf.errors import ConversionError


def model_of(library):
    """Two layers of equal shapes, one of them nested under the same name: only names and order tell."""
    layers = library.layers
    inner = library.Sequential([layers.Input((3,)), layers.Dense(3, name="dense")], name="inner")
    stack = [layers.Dense(3, name="dense"), inner, layers.BatchNormalization(name="norm")]
    return library.Sequential([layers.Input((3,)), *stack, layers.Dense(3, name="dense_kernel")])


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, 3)).astype("float32"), rng.normal(size=(8, 3)).astype("float32")


@pytest.mark.parametrize(
    ("library", "first", "second"), [(keras, "momentum", "velocity"), (tf_keras, "m", "v")]
)
def test_adams_moments_after_one_step(library, first, second):
    """m = (1 - .9) g, v = (1 - .999) g^2 (Kingma and Ba 2015, algorithm 1)."""
    keras.utils.set_random_seed(0)
    tf_keras.utils.set_random_seed(0)
    model, (x, y) = model_of(library), data()
    model.compile("adam", "mse")
    with tf.GradientTape() as tape:
        tensors = [v.value if library is keras else v for v in model.trainable_variables]
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
    expected = [g.numpy() for g in tape.gradient(loss, tensors)]
    model.train_on_batch(x, y)
    slots = gmn_tf.optimizer_slots(model)
    assert list(slots) == [first, second]
    for m, v, g in zip(slots[first], slots[second], expected, strict=True):
        np.testing.assert_allclose(m, 0.1 * g, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(v, 0.001 * g**2, rtol=1e-3, atol=1e-9)


def test_slots_that_only_some_weights_have():
    """Muon keeps a velocity for vectors alone; Adafactor's factors are not shaped like matrices."""
    model, (x, y) = model_of(keras), data()
    model.compile("muon", "mse")
    model.train_on_batch(x, y)
    velocity = gmn_tf.optimizer_slots(model)["velocity"]
    assert {None if a is None else a.ndim for a in velocity} <= {None, 1, 2}
    assert any(a is None for a in velocity) and any(a is not None for a in velocity)
    model.compile("adafactor", "mse")
    model.train_on_batch(x, y)
    assert set(gmn_tf.optimizer_slots(model)) == {"velocity"}


def test_plain_sgd_keeps_nothing_and_an_optimizer_can_be_given():
    model, (x, y) = model_of(keras), data()
    model.compile("sgd", "mse")
    model.train_on_batch(x, y)
    assert gmn_tf.optimizer_slots(model) == {}
    other = keras.optimizers.SGD(momentum=0.9)
    other.build(model.trainable_variables)
    (momentum,) = gmn_tf.optimizer_slots(model, other).values()
    assert [a.shape for a in momentum] == [tuple(v.shape) for v in model.trainable_variables]


def test_errors():
    model = model_of(keras)
    with pytest.raises(ConversionError, match="no optimiser: compile it"):
        gmn_tf.optimizer_slots(model)
    with pytest.raises(ConversionError, match="no slots yet: train a step"):
        gmn_tf.optimizer_slots(model, keras.optimizers.Adam())
    with pytest.raises(ConversionError, match="no slots yet: train a step"):
        gmn_tf.optimizer_slots(model_of(tf_keras), tf_keras.optimizers.Adam())
    with pytest.raises(ConversionError, match="legacy optimiser"):
        gmn_tf.optimizer_slots(model_of(tf_keras), tf_keras.optimizers.legacy.Adam())
