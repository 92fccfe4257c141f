"""What every family owes: drawn within bounds, the function of its Keras model, gradients, conversion."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

import gmn_tf
from gmn_tf.errors import ZooError
from gmn_tf.zoo import families
from gmn_tf.zoo.draws import initial_weights, weight_list
from gmn_tf.zoo.families.architecture import MAX_PARAMETERS, MIN_PARAMETERS

GREY, COLOUR, LARGE = (8, 8, 1), (16, 16, 3), (28, 28, 1)
NETWORKS, BATCH, CLASSES = 2, 5, 10

each_family = pytest.mark.parametrize("family", families.FAMILIES)


@functools.cache
def drawn(family, number, image_shape, num_classes=CLASSES, seed=0):
    rng = np.random.default_rng([seed, number])
    return families.sampler(family)(rng, image_shape=image_shape, num_classes=num_classes, number=number)


def _weights(architecture, rng):
    """Random weights [N, P] as in mid-training: none is 0 or 1, variances are positive."""
    start = [initial_weights(architecture, i, seed=0, scale=1.0) for i in range(NETWORKS)]
    return (np.stack(start) + rng.uniform(-0.1, 0.1, (NETWORKS, architecture.num_parameters))).astype("f4")


@each_family
@pytest.mark.parametrize("image_shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_function_is_that_of_the_keras_model(family, image_shape):
    rng = np.random.default_rng(1)
    for number in range(4):
        architecture = drawn(family, number, image_shape)
        flat = _weights(architecture, rng)
        images = rng.random((NETWORKS, BATCH, *image_shape), np.float32)
        scores, moments = architecture.logits(tf.constant(flat), tf.constant(images))
        assert moments == []
        model = architecture.keras_model(name=family)
        for row in range(NETWORKS):
            model.set_weights(weight_list(architecture, flat[row]))
            expected = np.asarray(model(images[row], training=False))
            assert np.ptp(expected, axis=0).max() > 1e-4  # it depends on the image
            np.testing.assert_allclose(scores[row], expected, rtol=1e-5, atol=1e-5)


@each_family
def test_gradients_are_finite_in_training(family):
    rng = np.random.default_rng(2)
    for number in range(4):
        architecture = drawn(family, number, GREY)
        flat = tf.constant(_weights(architecture, rng))
        images = tf.constant(rng.random((NETWORKS, BATCH, *GREY), np.float32))
        with tf.GradientTape() as tape:
            tape.watch(flat)
            scores, moments = architecture.logits(flat, images, dropout=_halved, training=True)
            loss = tf.reduce_sum(scores**2)
        gradient = tape.gradient(loss, flat).numpy()
        assert np.isfinite(gradient).all()
        variables = architecture.variables()
        assert len(moments) == sum(not variable.trainable for variable in variables)
        trained = np.repeat([v.trainable for v in variables], [v.size for v in variables])
        assert np.mean(gradient[:, trained] != 0.0) > 0.5  # ReLUs may be dead
        # Each network's scores depend on its own weights alone.
        with tf.GradientTape() as tape:
            tape.watch(flat)
            first = tf.reduce_sum(architecture.logits(flat, images, training=True)[0][0] ** 2)
        np.testing.assert_array_equal(tape.gradient(first, flat).numpy()[1], 0.0)


def _halved(x, number, /, *, axis=0):
    assert x.shape[axis] == NETWORKS
    return x * 0.5


@each_family
@pytest.mark.parametrize("image_shape", [GREY, COLOUR, LARGE], ids=["grey", "colour", "large"])
def test_drawn_within_bounds_varied_and_seeded(family, image_shape):
    found = [drawn(family, number, image_shape) for number in range(24)]
    assert all(a.family == family and a.image_shape == image_shape for a in found)
    sizes = [a.num_parameters for a in found]
    assert min(sizes) >= MIN_PARAMETERS and max(sizes) <= MAX_PARAMETERS
    assert len(set(found)) >= 22
    assert len({a.width for a in found}) >= 3
    assert {a.has_dropout for a in found} == {True, False}
    again = families.sampler(family)(
        np.random.default_rng([0, 3]), image_shape=image_shape, num_classes=CLASSES, number=3
    )
    assert again == found[3]


@each_family
def test_variables_are_those_of_the_keras_model(family):
    for number in range(6):
        architecture = drawn(family, number, GREY, 7)
        model = architecture.keras_model(name=family)
        assert model.output_shape == (None, 7) and model.input_shape == (None, *GREY)
        assert [w.shape for w in model.get_weights()] == [v.shape for v in architecture.variables()]
        trainable = sum(v.size for v in architecture.variables() if v.trainable)
        assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == trainable
        assert model.to_json() == architecture.keras_model(name=family).to_json()


@each_family
def test_every_parameter_is_on_an_edge(family):
    for number in range(4):
        architecture = drawn(family, number, GREY)
        model = architecture.keras_model(name=family)
        weights = weight_list(architecture, _weights(architecture, np.random.default_rng(3))[0])
        model.set_weights(weights)
        graph = gmn_tf.ParameterGraph.from_keras(model)
        back = graph.weights(graph.values(model))
        assert len(back) == len(weights)
        for ours, theirs in zip(back, weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_an_unknown_family_is_refused():
    with pytest.raises(ZooError, match='Unknown family "rnn": expected one of cnn, '):
        families.sampler("rnn")
