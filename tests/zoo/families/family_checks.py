"""What the tests of single families share: weights as in mid-training, the function against Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from gmn_tf.zoo.draws import initial_weights, weight_list

NETWORKS, BATCH = 3, 6


def random_weights(architecture, seed=0):
    """[NETWORKS, P]: a network's start, and every weight moved, so that none is left at 0 or 1."""
    rng = np.random.default_rng(seed)
    start = [initial_weights(architecture, i, seed=seed, scale=1.0) for i in range(NETWORKS)]
    return (np.stack(start) + rng.uniform(-0.1, 0.1, (NETWORKS, architecture.num_parameters))).astype("f4")


def random_images(architecture, seed=1):
    shape = (NETWORKS, BATCH, *architecture.image_shape)
    return np.random.default_rng(seed).random(shape, np.float32)


def assert_function_of_keras(architecture, *, dropout_factor=None):
    """`logits` equals the Keras model with the same weights, for networks at once and one by one.

    With `dropout_factor`, dropout layers multiply by it (and by their number), on both sides: so each is
    where the Keras model has it.
    """
    flat, images = random_weights(architecture), random_images(architecture)
    numbers = []

    def dropout(x, number, /, *, axis=0):
        assert x.shape[axis] == NETWORKS
        numbers.append(number)
        return x * dropout_factor * (1 + number)

    scores, moments = architecture.logits(
        tf.constant(flat), tf.constant(images), dropout=dropout if dropout_factor else None
    )
    assert moments == []
    model = architecture.keras_model(name="model")
    if dropout_factor:
        model = with_factors(model, dropout_factor)
        found = [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
        assert numbers == list(range(sum(layer.name.startswith("factor") for layer in found)))
        assert numbers, "an architecture without dropout tests nothing"
    for row in range(NETWORKS):
        model.set_weights(weight_list(architecture, flat[row]))
        expected = np.asarray(model(images[row], training=False))
        assert np.ptp(expected, axis=0).max() > 1e-3, "the control: the scores depend on the image"
        np.testing.assert_allclose(scores[row], expected, rtol=1e-5, atol=1e-5)


def with_factors(model, factor):
    """The same model with a multiplication in place of each dropout layer, in the order they are called."""
    numbers = {
        layer.name: number
        for number, layer in enumerate(x for x in model.layers if isinstance(x, keras.layers.Dropout))
    }

    def replaced(layer):
        if layer.name in numbers:
            number = numbers[layer.name]
            return keras.layers.Rescaling(factor * (1 + number), name=f"factor_{number}")
        return layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=replaced)


def losses_while_training(architecture, data, *, steps=100, rate=0.01):
    """Adam on batches of digits through `logits`: the loss [steps, NETWORKS] before each step."""
    flat = tf.Variable(
        np.stack([initial_weights(architecture, i, seed=3, scale=1.0) for i in range(NETWORKS)])
    )
    optimizer = keras.optimizers.Adam(rate)
    rng = np.random.default_rng(0)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            scores, _ = architecture.logits(flat, images, training=True)
            losses = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores), axis=1)
            loss = tf.reduce_sum(losses)
        return losses, tape.gradient(loss, flat)

    found = []
    for _ in range(steps):
        batch = rng.integers(len(data.x_train), size=(NETWORKS, 64))
        losses, gradient = step(tf.constant(data.x_train[batch]), tf.constant(data.y_train[batch]))
        optimizer.apply_gradients([(gradient, flat)])
        found.append(losses.numpy())
    return np.array(found)


def assert_learns(architecture, data, **settings):
    """The loss of every network falls well below that of guessing, and of where it began."""
    losses = losses_while_training(architecture, data, **settings)
    last = losses[-5:].mean(axis=0)
    assert np.all(last < 0.75 * np.log(10)), last
    assert np.all(last < 0.75 * losses[:3].mean(axis=0)), last


def assert_stored(architecture, path):
    """A `.keras` file loads in safe mode, to the same function."""
    model = architecture.keras_model(name="model")
    model.set_weights(weight_list(architecture, random_weights(architecture)[0]))
    model.save(path)
    images = random_images(architecture)[0]
    loaded = keras.saving.load_model(path, safe_mode=True)
    np.testing.assert_array_equal(loaded(images), model(images))
