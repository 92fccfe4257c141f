"""Vectorised training against Keras and against training one network at a time."""

from __future__ import annotations

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from gmn_tf.zoo import recipe
from gmn_tf.zoo.draws import batch_order, initial_weights, noisy_labels, shifts, weight_list
from gmn_tf.zoo.families.cnn import CnnArchitecture
from gmn_tf.zoo.families.conv_blocks import Block
from gmn_tf.zoo.hyper_parameters import HyperParameters
from gmn_tf.zoo.images import ShiftedImages
from gmn_tf.zoo.train import GroupTrainer

ARCHITECTURES = {
    "plain": CnnArchitecture(
        (8, 8, 1), 10, (Block(8, pool="max"), Block(12, stride=2, activation="gelu")), "flatten"
    ),
    "batch": CnnArchitecture(
        (8, 8, 1),
        10,
        (Block(8, norm="batch"), Block(12, stride=2, norm="batch", activation="tanh", pool="average")),
        "average",
    ),
    "group": CnnArchitecture(
        (8, 8, 1),
        10,
        (Block(8, stride=2, norm="group", groups=2), Block(12, norm="group", groups=4)),
        "flatten",
    ),
}
DROPOUT = CnnArchitecture(
    (8, 8, 1), 10, (Block(8), Block(8, stride=2, dropout=True)), "average", dropout=True
)

PARAMETERS = [
    HyperParameters("sgd", 0.05, 0.3, 1.0, 9, 0.5, 0.0),
    HyperParameters("adam", 0.01, 0.1, 0.5, 12, 0.02, 0.0),
    HyperParameters("adam", 0.003, 0.0, 2.0, 4, 1.0, 0.0),
    HyperParameters("rmsprop", 0.002, 0.2, 1.0, 8, 1.0, 0.0, "shift", 0.5),
]
SEED = 7


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_training_is_what_keras_does(name, digits):
    architecture = ARCHITECTURES[name]
    flat = GroupTrainer(architecture, digits, seed=SEED).train([0, 1, 2, 3], PARAMETERS)
    for index, parameters in enumerate(PARAMETERS):
        model = _trained_by_keras(architecture, digits, index, parameters)
        theirs = np.concatenate([w.ravel() for w in model.get_weights()])
        told = _determined(architecture, parameters)
        np.testing.assert_allclose(flat[index][told], theirs[told], rtol=2e-3, atol=2e-4)


def _determined(architecture, parameters):
    """Which weights are no rounding noise, bool [P].

    The bias of a convolution before BatchNorm has a gradient of exactly nothing, which float32 sums make
    noise and Adam or RMSprop makes steps of the learning rate; the function is unchanged, the running mean
    follows.
    """
    variables = architecture.variables()
    noisy = [
        parameters.optimizer in ("adam", "rmsprop")
        and variable.role in ("bias", "mean")
        and any(v.role == "mean" for v in variables[max(0, i - 3) : i + 4])
        and i < len(variables) - 1
        for i, variable in enumerate(variables)
    ]
    return np.repeat(~np.array(noisy), [v.size for v in variables])


def _trained_by_keras(architecture, digits, index, p):
    model = architecture.keras_model()
    model.set_weights(
        weight_list(architecture, initial_weights(architecture, index, seed=SEED, scale=p.initial_scale))
    )
    if p.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(p.learning_rate, momentum=0.9, weight_decay=p.weight_decay)
    elif p.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(p.learning_rate, weight_decay=p.weight_decay)
    else:
        optimizer = keras.optimizers.Adam(p.learning_rate, weight_decay=p.weight_decay or None)
    if p.weight_decay:
        optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if v.name != "kernel"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    order = batch_order(
        index, seed=SEED, steps=p.steps, fraction=p.train_fraction, num_images=len(digits.x_train)
    )
    told = noisy_labels(digits.y_train, index, seed=SEED, share=p.label_noise, num_classes=10)
    moves = np.zeros((p.steps, recipe.BATCH_SIZE, 2), int)
    if p.augmentation == "shift":
        moves = shifts(index, seed=SEED, steps=p.steps, limit=1)
    for batch, by in zip(order, moves, strict=True):
        images = np.stack([_moved(digits.x_train[i], *move) for i, move in zip(batch, by, strict=True)])
        with tf.GradientTape() as tape:
            value = loss(told[batch], model(images, training=True))
        gradients = tape.gradient(value, [v.value for v in model.trainable_variables])
        assert np.sqrt(sum(float(tf.reduce_sum(g**2)) for g in gradients)) < recipe.CLIP_NORM
        optimizer.apply(gradients, model.trainable_variables)
    return model


def _moved(image, down, right):
    """Moved by so many pixels, zeros where nothing comes from."""
    moved = np.zeros_like(image)
    height, width = image.shape[:2]
    for row in range(max(down, 0), height + min(down, 0)):
        for column in range(max(right, 0), width + min(right, 0)):
            moved[row, column] = image[row - down, column - right]
    return moved


@pytest.mark.parametrize("architecture", [*ARCHITECTURES.values(), DROPOUT], ids=[*ARCHITECTURES, "dropout"])
def test_together_is_the_same_as_one_at_a_time(architecture, digits):
    parameters = [
        dataclasses.replace(p, dropout_rate=0.3 if architecture.has_dropout else 0.0) for p in PARAMETERS
    ]
    trainer = GroupTrainer(architecture, digits, seed=SEED)
    together = trainer.train([4, 5, 6, 7], parameters)
    assert len({row.tobytes() for row in together}) == 4
    for row, index in enumerate([4, 5, 6, 7]):
        alone = trainer.train([index], parameters[row : row + 1])
        told = _determined(architecture, parameters[row])
        np.testing.assert_allclose(alone[0][told], together[row][told], rtol=1e-3, atol=1e-4)


def test_finished_networks_keep_their_weights(digits):
    # With 17 networks a phase ends at every second length only: the others rest inside a phase.
    lengths = range(2, 19)
    parameters = [dataclasses.replace(PARAMETERS[0], steps=steps) for steps in lengths]
    trainer = GroupTrainer(ARCHITECTURES["batch"], digits, seed=SEED)
    flat = trainer.train([0] * len(parameters), parameters)
    for row in (0, 1, 8, 15, 16):
        alone = trainer.train([0], parameters[row : row + 1])
        np.testing.assert_allclose(flat[row], alone[0], rtol=1e-3, atol=1e-4)
    moves = np.abs(np.diff(flat, axis=0)).max(axis=1)
    assert moves.min() > 1e-3  # one more step is seen


def test_moments_of_the_batch_are_biased(digits):
    architecture = CnnArchitecture((8, 8, 1), 10, (Block(8, stride=2, norm="batch"),), "average")
    flat = initial_weights(architecture, 0, seed=SEED, scale=1.0)
    images = digits.x_train[:2]
    _, (mean, variance) = architecture.logits(
        tf.constant(flat[np.newaxis]), tf.constant(images[np.newaxis]), training=True
    )
    kernel, *_ = weight_list(architecture, flat)
    before = tf.nn.conv2d(images, kernel, 2, "SAME").numpy()
    np.testing.assert_allclose(mean[0], before.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance[0], before.var(axis=(0, 1, 2)), rtol=1e-4)


def test_dropout_drops_its_share_and_keeps_the_mean(digits):
    trainer = GroupTrainer(DROPOUT, digits, seed=SEED)
    rate = tf.constant([0.0, 0.25, 0.5])
    turns = tf.constant([[0.1, 0.2], [0.7, 0.3], [0.9, 0.8]])
    x = tf.ones([32, 4, 4, 3, 8])
    first, second = (trainer._dropout(rate, turns, step)(x, 0, axis=3).numpy() for step in (3, 4))
    dropped = np.mean(first == 0.0, axis=(0, 1, 2, 4))
    np.testing.assert_allclose(dropped, rate, atol=0.03)
    np.testing.assert_allclose(first.mean(axis=(0, 1, 2, 4)), 1.0, atol=0.05)
    assert not np.array_equal(first[..., 1:, :], second[..., 1:, :])


def test_dropout_changes_training(digits):
    trainer = GroupTrainer(DROPOUT, digits, seed=SEED)
    with_dropout = dataclasses.replace(PARAMETERS[0], dropout_rate=0.5)
    a, b = trainer.train([0, 0], [PARAMETERS[0], with_dropout])
    assert np.abs(a - b).max() > 1e-2


def test_weights_stay_finite_whatever_the_learning_rate(digits):
    wild = dataclasses.replace(PARAMETERS[0], learning_rate=1e30, weight_decay=1e10)
    flat = GroupTrainer(ARCHITECTURES["batch"], digits, seed=SEED).train([0, 1], [wild, PARAMETERS[0]])
    assert np.isfinite(flat).all()


def test_batches_come_from_the_networks_own_subset():
    order = batch_order(3, seed=0, steps=10, fraction=0.05, num_images=1000)
    assert order.shape == (10, 32)
    values, counts = np.unique(order, return_counts=True)
    assert len(values) == 50 and counts.max() - counts.min() <= 1
    other = batch_order(4, seed=0, steps=10, fraction=0.05, num_images=1000)
    assert set(other.ravel()) != set(values)


def test_wrong_labels_are_a_share_and_the_networks_own(digits):
    arguments = {"seed": 0, "share": 0.5, "num_classes": 10}
    told = noisy_labels(digits.y_train, 3, **arguments)
    assert np.mean(told != digits.y_train) == pytest.approx(0.45, abs=0.04)  # a tenth of the draws is right
    np.testing.assert_array_equal(told, noisy_labels(digits.y_train, 3, **arguments))
    assert np.mean(told != noisy_labels(digits.y_train, 4, **arguments)) > 0.3
    clean = noisy_labels(digits.y_train, 3, seed=0, share=0.0, num_classes=10)
    np.testing.assert_array_equal(clean, digits.y_train)


@pytest.mark.parametrize("move", [(0, 0), (1, -1), (-1, 0)])
def test_images_are_moved_and_filled_with_zeros(move, digits):
    images = ShiftedImages(digits)
    numbers = np.array([[0, 5], [len(digits.x_train) - 1, 2]])
    cut = images.windows(images.corners(numbers, np.broadcast_to(move, (2, 2, 2)))).numpy()
    assert cut.shape == (2, 2, 8, 8, 1)
    for i, j in np.ndindex(2, 2):
        np.testing.assert_array_equal(cut[i, j], _moved(digits.x_train[numbers[i, j]], *move))


def test_noise_is_each_networks_own_and_has_its_deviation(digits):
    trainer = GroupTrainer(ARCHITECTURES["plain"], digits, seed=SEED)
    images = tf.constant(np.broadcast_to(digits.x_train[:32], (3, 32, 8, 8, 1)))
    noise, turns = tf.constant([0.0, 0.2, 0.2]), tf.constant([0.3, 0.1, 0.7])
    added = trainer._with_noise(images, noise, turns, 3).numpy() - images.numpy()
    np.testing.assert_array_equal(added[0], 0.0)
    np.testing.assert_allclose(added[1:].std(axis=(1, 2, 3, 4)), 0.2, atol=0.01)
    np.testing.assert_allclose(added[1:].mean(axis=(1, 2, 3, 4)), 0.0, atol=0.01)
    assert np.abs(added[1] - added[2]).max() > 0.1


def test_augmentation_and_wrong_labels_change_training(digits):
    trainer = GroupTrainer(ARCHITECTURES["plain"], digits, seed=SEED)
    plain = dataclasses.replace(PARAMETERS[1], train_fraction=1.0)
    changes = [{}, {"augmentation": "shift"}, {"augmentation": "noise"}, {"label_noise": 0.5}]
    flat = trainer.train([0] * 4, [dataclasses.replace(plain, **change) for change in changes])
    for first, second in itertools.combinations(flat, 2):
        assert np.abs(first - second).max() > 1e-3
