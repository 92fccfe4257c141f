"""Exports tell how far a network lies from the training networks, and it rises on unseen families."""

from __future__ import annotations

import itertools
import json

import keras
import numpy as np
import pytest
from small_exports import convolutional, weights

import gmn_tf
from gmn_tf.export import export
from gmn_tf.zoo.store import Zoo


@pytest.fixture(scope="module")
def judge(_judge):
    return gmn_tf.load(_judge)


def unseen():
    """Networks of families that are not in the population, with Keras' own initial weights."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    rows = layers.Reshape((8, 8))(image)
    patches = layers.Dense(8)(layers.Reshape((16, 4))(image))
    mixed = layers.LayerNormalization()(patches)
    mixed = patches + layers.MultiHeadAttention(2, 4)(mixed, mixed)
    mixed = mixed + layers.Dense(8)(layers.Dense(16, activation="gelu")(layers.LayerNormalization()(mixed)))
    turned = layers.Permute((2, 1))(patches)
    return {
        "mlp": keras.Sequential(
            [image, layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(10)]
        ),
        "recurrent": keras.Model(image, layers.Dense(10)(layers.LSTM(8)(rows))),
        "transformer": keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling1D()(mixed))),
        "mixer": keras.Model(
            image, layers.Dense(10)(layers.GlobalAveragePooling1D()(layers.Dense(16, "gelu")(turned)))
        ),
    }


@pytest.fixture(scope="module")
def familiar():
    """Networks of the population's recipe, of architectures drawn anew."""
    rng = np.random.default_rng(77)
    models = []
    for _ in range(12):
        model = convolutional(rng)
        shapes = [tuple(variable.shape) for variable in model.weights]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        parts = np.split(weights(model, rng), ends)
        model.set_weights([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
        models.append(model)
    return models


def test_networks_of_the_population_are_in_range(judge, familiar):
    found = judge.predict(familiar)
    assert np.median(found.distance) < 1
    assert np.mean(found.distance <= 2) >= 0.9, found.distance
    assert found.verdicts.count("in range") >= 8


def test_unseen_families_are_far(judge, familiar):
    usual = judge.predict(familiar).distance.max()
    for name, model in unseen().items():
        found = judge.predict([model])
        assert found.distance[0] > max(2, 1.5 * usual), (name, found.distance, usual)
        assert found.verdicts == ["unlike its training networks"] and found.percentile[0] == 100


def test_strange_scales_are_far(judge, familiar):
    model = familiar[0]
    own = model.get_weights()
    distances = []
    for factor in (1.0, 4.0, 16.0, 64.0, 1e30):
        model.set_weights([factor * w for w in own])
        distances.append(float(judge.predict(model).distance[0]))
    model.set_weights([np.zeros_like(w) for w in own])
    zero = float(judge.predict(model).distance[0])
    model.set_weights(own)
    assert all(a < b for a, b in itertools.pairwise(distances)), distances
    assert min(distances[2:]) > 2 and zero > 2, (distances, zero)


def test_both_signatures_answer_distances(_judge):
    signatures = json.loads((_judge / "metadata.json").read_text())["signatures"]
    for name in ("serving_default", "raw"):
        assert signatures[name]["outputs"] == {
            output: {"dtype": "float32", "shape": [None]} for output in ("accuracy", "distance")
        }
    assert signatures["serving_default"]["inputs"] == {"examples": {"dtype": "string", "shape": [None]}}
    answers = json.loads((_judge / "check" / "answers.json").read_text())
    assert len(answers["distance"]) == 3 and np.ptp(answers["distance"]) > 0


def test_held_out_networks_have_the_percentiles_that_the_metadata_says(judge, _judged_zoo):
    """The validation networks themselves: nearer than the unit, as their own architectures count here."""
    zoo = Zoo.load(_judged_zoo)
    found = judge.predict([zoo.model(int(index)) for index in zoo.indices("validation")])
    assert found.distance.max() <= 1 + 1e-3 or np.mean(found.distance <= 1) >= 0.95
    facts = judge.metadata["distance"]
    assert facts["held_out_networks"] == 20 and facts["training_networks"] == 80
    assert facts["other_architectures_only"] and facts["percentiles"]["95"] == 1.0


def test_exports_without_their_zoo_tell_no_distance(_judge_run, _tiny_zoo, tmp_path):
    out = export(_judge_run, tmp_path / "out", zoo=_tiny_zoo, examples=1)
    predictor = gmn_tf.load(out)
    found = predictor.predict(unseen()["mlp"])
    assert not predictor.tells_distance and found.distance is found.verdicts is found.percentile is None
    card = (out / "README.md").read_text()
    assert "Not stored" in card and "Not told" in card and "answer `accuracy`, float32" in card
    assert not gmn_tf.load(_judge_run).tells_distance
