"""Mirrored and turned variants are the networks of mirrored and turned images."""

from __future__ import annotations

import keras
import numpy as np

from gmn_tf.graph import schema
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.training.augment import orientations
from gmn_tf.training.structure import Structure

MOVES = [
    lambda x: x,  # in the order of itertools.product([False, True], repeat=3)
    lambda x: x.swapaxes(-3, -2),
    lambda x: x[..., ::-1, :],
    lambda x: x.swapaxes(-3, -2)[..., ::-1, :],
    lambda x: x[..., ::-1, :, :],
    lambda x: x.swapaxes(-3, -2)[..., ::-1, :, :],
    lambda x: x[..., ::-1, ::-1, :],
    lambda x: x.swapaxes(-3, -2)[..., ::-1, ::-1, :],
]


def cnn(kernel=3, size=5):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.Conv2D(3, kernel, padding="same", activation="tanh"),
            layers.Conv2D(2, kernel),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def test_variants_are_the_networks_of_mirrored_images():
    """f(moved weights)(moved image) = f(weights)(image) for each of the eight symmetries of the square."""
    model = cnn()
    graph = ParameterGraph.from_keras(model)
    flat = np.concatenate([w.ravel() for w in model.get_weights()])
    images = np.random.default_rng(0).normal(size=(4, 5, 5, 1)).astype(np.float32)
    expected = model(images).numpy()
    slots = orientations(graph.edges)
    assert slots.shape == (8, graph.num_edges)
    np.testing.assert_array_equal(slots[0], graph.edges[schema.SLOT])
    for variant, move in zip(slots, MOVES, strict=True):
        model.set_weights(graph.weights(flat[variant]))
        np.testing.assert_allclose(model(move(images)).numpy(), expected, atol=1e-5)


def test_kernels_that_are_not_square_are_not_turned():
    graph = ParameterGraph.from_keras(cnn(kernel=(3, 2)))
    assert len(orientations(graph.edges)) == 4


def test_bundled_and_apart_show_the_same_variants():
    graph = ParameterGraph.from_keras(cnn())
    flat = np.random.default_rng(1).normal(size=graph.layout.size)
    apart, bundled = (Structure.of(graph, channels=c, augment=True) for c in (1, 9))
    assert apart.num_variants == bundled.num_variants == 8
    for variant in range(8):
        values = bundled.values(flat, variant=variant)
        np.testing.assert_array_equal(
            np.sort(values[bundled.slots[variant] >= 0]), np.sort(apart.values(flat, variant=variant)[:, 0])
        )
    np.testing.assert_array_equal(Structure.of(graph, channels=9).slots[0], bundled.slots[0])
