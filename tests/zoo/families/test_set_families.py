"""DeepSets: coordinates, poolings and layers on the elements, against Keras and by hand."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from family_checks import (
    assert_function_of_keras,
    assert_learns,
    assert_stored,
    random_images,
    random_weights,
)

import gmn_tf
from gmn_tf.zoo import stacked_sequences as sequences
from gmn_tf.zoo.draws import weight_list
from gmn_tf.zoo.families.architecture import NORM_MOMENTUM
from gmn_tf.zoo.families.deepsets import DeepSetsArchitecture, sample

GREY, COLOUR = ((8, 8, 1), 10), ((16, 16, 3), 4)

ARCHITECTURES = {
    "pixels": DeepSetsArchitecture(*GREY, (1, 1), (12, 8), pooling="mean"),
    "maximum": DeepSetsArchitecture(*GREY, (2, 2), (12,), (16,), pooling="max", activation="tanh"),
    "sum": DeepSetsArchitecture(*COLOUR, (4, 4), (8, 12), (8, 8), pooling="sum", activation="gelu"),
    "layer": DeepSetsArchitecture(*COLOUR, (2, 4), (8, 12), norm="layer", activation="silu"),
    "batch": DeepSetsArchitecture(*GREY, (2, 1), (8, 12), norm="batch"),
    "equivariant": DeepSetsArchitecture(*COLOUR, (4, 2), (8, 8), (8,), equivariant=True, pooling="sum"),
    "equivariant maximum": DeepSetsArchitecture(
        *GREY, (2, 2), (8, 8), equivariant=True, norm="batch", pooling="max"
    ),
}
each = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)


@each
def test_function_is_that_of_the_keras_model(architecture):
    assert_function_of_keras(architecture)


@each
def test_dropout_is_where_the_keras_model_has_it(architecture):
    assert_function_of_keras(dataclasses.replace(architecture, dropout=True), dropout_factor=0.7)


@each
def test_every_parameter_is_on_an_edge_of_a_sound_graph(architecture):
    model = architecture.keras_model()
    graph = gmn_tf.ParameterGraph.from_keras(model)
    slots = graph.edges["slot"]
    np.testing.assert_array_equal(np.sort(slots[slots >= 0]), np.arange(architecture.num_parameters))
    report = gmn_tf.check_symmetry(model, num_samples=2, graph=graph)
    assert report.passed, str(report)


@pytest.mark.parametrize("name", ["sum", "equivariant"])
def test_keras_files_load_in_safe_mode(name, tmp_path):
    assert_stored(ARCHITECTURES[name], tmp_path / "model.keras")


@pytest.mark.parametrize("name", ["maximum", "equivariant maximum"])
def test_training_lowers_the_loss(name, digits):
    assert_learns(ARCHITECTURES[name], digits, rate=0.02)


def test_elements_are_patches_with_the_coordinates_of_their_centres():
    architecture = DeepSetsArchitecture((4, 4, 1), 2, (2, 2), (3,))
    image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4, 1)
    elements = sequences.with_coordinates(sequences.patches(image, (2, 2)), architecture.coordinates())
    by_hand = [
        [0, 1, 4, 5, -0.5, -0.5],
        [2, 3, 6, 7, -0.5, 0.5],
        [8, 9, 12, 13, 0.5, -0.5],
        [10, 11, 14, 15, 0.5, 0.5],
    ]
    np.testing.assert_array_equal(elements[0, 0], by_hand)
    model = architecture.keras_model()
    cut = keras.Model(model.input, model.get_layer("coordinates").output)
    np.testing.assert_array_equal(np.asarray(cut(image[0]))[0], by_hand)


def test_moments_move_running_statistics_as_keras_does():
    architecture = ARCHITECTURES["batch"]
    flat, images = random_weights(architecture), random_images(architecture)
    scores, moments = architecture.logits(tf.constant(flat), tf.constant(images), training=True)
    assert [tuple(m.shape) for m in moments] == [(3, 8)] * 2 + [(3, 12)] * 4
    model = architecture.keras_model()
    for row in range(len(flat)):
        before = weight_list(architecture, flat[row])
        model.set_weights(before)
        np.testing.assert_allclose(scores[row], model(images[row], training=True), rtol=1e-4, atol=1e-5)
        found = iter(moments)
        for variable, old, new in zip(architecture.variables(), before, model.get_weights(), strict=True):
            if not variable.trainable:
                moved = NORM_MOMENTUM * old + (1 - NORM_MOMENTUM) * next(found)[row].numpy()
                np.testing.assert_allclose(new, moved, rtol=1e-4, atol=1e-6)


def test_every_option_is_drawn():
    drawn = [
        sample(np.random.default_rng(i), image_shape=(8, 8, 1), num_classes=10, number=i) for i in range(60)
    ]
    assert {len(a.element_units) for a in drawn} == {1, 2, 3}
    assert {len(a.head_units) for a in drawn} == {0, 1, 2}
    assert {a.norm for a in drawn} == {"none", "layer", "batch"}
    assert {a.pooling for a in drawn} == {"mean", "max", "sum"}
    assert {a.equivariant for a in drawn} == {True, False}
    assert {a.activation for a in drawn} == {"relu", "tanh", "gelu", "silu"}
    assert {a.patch for a in drawn} >= {(1, 1), (2, 2), (1, 2)}
    sizes = np.array([a.num_parameters for a in drawn])
    assert np.mean((sizes >= 1000) & (sizes <= 6000)) > 0.75
    assert np.quantile([a.width for a in drawn], 0.9) >= 1.5 * np.quantile([a.width for a in drawn], 0.1)
