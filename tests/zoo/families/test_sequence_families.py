"""Vision transformers, Mixers and recurrent networks, each option against Keras and by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from family_checks import assert_function_of_keras, assert_learns, assert_stored

import gmn_tf
from gmn_tf.zoo import stacked_sequences as sequences
from gmn_tf.zoo.families import mixer, recurrent, shared, vit
from gmn_tf.zoo.families.mixer import MixerArchitecture
from gmn_tf.zoo.families.recurrent import RecurrentArchitecture
from gmn_tf.zoo.families.vit import VitArchitecture

GREY, COLOUR = ((8, 8, 1), 10), ((16, 16, 3), 4)

ARCHITECTURES = {
    "vit": VitArchitecture(*GREY, (2, 2), 8, depth=2, heads=2, hidden=12),
    "vit, norm after": VitArchitecture(*GREY, (4, 2), 12, heads=1, hidden=8, pre_norm=False, pooling="max"),
    "vit, colour": VitArchitecture(*COLOUR, (4, 4), 8, heads=4, hidden=16, activation="relu"),
    "mixer": MixerArchitecture(*GREY, (2, 2), 8, depth=2, token_hidden=12, hidden=20),
    "mixer, no norm": MixerArchitecture(*GREY, (2, 4), 12, norm="none", token_hidden=8, activation="silu"),
    "mixer, colour": MixerArchitecture(*COLOUR, (4, 8), 8, hidden=16, activation="relu"),
    "simple": RecurrentArchitecture(*GREY, "simple", (12, 8), activation="relu", norm="layer"),
    "gru": RecurrentArchitecture(*GREY, "gru", (12,), head_units=16),
    "lstm": RecurrentArchitecture(*GREY, "lstm", (12,), pooling="mean"),
    "simple, both ways": RecurrentArchitecture(*GREY, "simple", (8,), both_ways=True),
    "gru, both ways": RecurrentArchitecture(
        *COLOUR, "gru", (4, 8), both_ways=True, norm="layer", pooling="max"
    ),
    "lstm, both ways": RecurrentArchitecture(*GREY, "lstm", (8, 4), both_ways=True, pooling="last"),
}
each = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)


@each
def test_function_is_that_of_the_keras_model(architecture):
    assert_function_of_keras(architecture)


@each
def test_dropout_is_where_the_keras_model_has_it(architecture):
    assert_function_of_keras(dataclasses.replace(architecture, dropout=True), dropout_factor=0.7)


@each
def test_every_parameter_is_on_an_edge(architecture):
    graph = gmn_tf.ParameterGraph.from_keras(architecture.keras_model())
    slots = graph.edges["slot"]
    np.testing.assert_array_equal(np.sort(slots[slots >= 0]), np.arange(architecture.num_parameters))


@pytest.mark.parametrize("name", ["vit", "mixer", "lstm"])
def test_graphs_are_sound(name):
    report = gmn_tf.check_symmetry(ARCHITECTURES[name].keras_model(), num_samples=1)
    assert report.passed, str(report)


@pytest.mark.parametrize("name", ["vit", "mixer", "gru, both ways"])
def test_keras_files_load_in_safe_mode(name, tmp_path):
    assert_stored(ARCHITECTURES[name], tmp_path / "model.keras")


@pytest.mark.parametrize("name", ["vit", "mixer", "simple", "gru", "lstm"])
def test_training_lowers_the_loss(name, digits):
    assert_learns(ARCHITECTURES[name], digits, rate=0.02)


def test_positions_tell_patches_apart():
    """Without its table of positions a transformer does not see where a patch lies, with it it does."""
    architecture = ARCHITECTURES["vit"]
    rng = np.random.default_rng(0)
    flat = rng.normal(0.0, 0.3, (1, architecture.num_parameters)).astype(np.float32)
    image = rng.random((1, 1, 8, 8, 1), np.float32)
    moved = np.roll(image, 4, axis=2)  # by two whole patches
    table = [v.shape for v in architecture.variables()].index((4, 4, 8))
    start = sum(v.size for v in architecture.variables()[:table])
    without = flat.copy()
    without[:, start : start + 4 * 4 * 8] = 0.5

    def scores(weights, x):
        return architecture.logits(tf.constant(weights), tf.constant(x))[0].numpy()

    np.testing.assert_allclose(scores(without, image), scores(without, moved), atol=1e-4)
    assert np.abs(scores(flat, image) - scores(flat, moved)).max() > 1e-3


def test_patches_by_hand():
    image = np.arange(2 * 4 * 2, dtype=np.float32).reshape(1, 1, 2, 4, 2)  # value 8 row + 2 column + channel
    found = sequences.patches(image, (1, 2)).numpy()[0, 0]
    np.testing.assert_array_equal(found, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]])
    found = sequences.patches(image, (2, 2)).numpy()[0, 0]
    np.testing.assert_array_equal(found, [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]])


def test_patches_of_a_drawn_size_divide_the_image():
    rng = np.random.default_rng(0)
    for height in range(8, 33):
        for width in (8, height, 31, 32):
            patch = shared.draw_patch(rng, (height, width, 1), patches=range(8, 37))
            assert patch is not None and height % patch[0] == 0 and width % patch[1] == 0
            assert 8 <= shared.num_patches((height, width, 1), patch) <= 36
    assert shared.draw_patch(rng, (8, 8, 1), patches=range(3, 4)) is None


@pytest.mark.parametrize(
    ("sample", "options"),
    [
        (
            vit.sample,
            {
                "depth": {1, 2, 3},
                "heads": {1, 2, 4},
                "activation": {"gelu", "relu", "silu"},
                "pre_norm": {True, False},
                "pooling": {"mean", "max"},
            },
        ),
        (
            mixer.sample,
            {"depth": {1, 2, 3}, "norm": {"layer", "none"}, "activation": {"gelu", "relu", "silu"}},
        ),
        (
            recurrent.sample,
            {
                "cell": {"simple", "gru", "lstm"},
                "both_ways": {True, False},
                "activation": {"tanh", "relu"},
                "norm": {"none", "layer"},
                "pooling": {"last", "mean", "max"},
                "head_units": {0, 16, 32},
            },
        ),
    ],
    ids=["vit", "mixer", "recurrent"],
)
def test_every_option_is_drawn(sample, options):
    drawn = [
        sample(np.random.default_rng(i), image_shape=(8, 8, 1), num_classes=10, number=i) for i in range(60)
    ]
    for name, values in options.items():
        assert {getattr(a, name) for a in drawn} == values, name
    sizes = np.array([a.num_parameters for a in drawn])
    assert np.mean((sizes >= 1000) & (sizes <= 6000)) > 0.75
    assert np.quantile([a.width for a in drawn], 0.9) >= 1.5 * np.quantile([a.width for a in drawn], 0.1)
