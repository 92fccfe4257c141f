"""Baselines with answers per edge: they go along with the edges, NFN-NP's also with the neurons."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, padding, relabelled, small_cnn

tf = pytest.importorskip("tensorflow")

from gmn_tf.errors import SchemaError  # noqa: E402
from gmn_tf.models.deepsets import DeepSets  # noqa: E402
from gmn_tf.models.flat_mlp import FlatMLP  # noqa: E402
from gmn_tf.models.neural_functional import NeuralFunctional  # noqa: E402

KINDS = {
    "nfn": (NeuralFunctional, {"num_places": 4, "max_taps": 9, "width": 8}),
    "mlp": (FlatMLP, {"length": 512, "hidden_dim": 16}),
}


@pytest.fixture(scope="module", params=KINDS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    kind, settings = KINDS[name]
    tf.keras.utils.set_random_seed(0)
    made = kind(1, output="edge", initial_step=0.5, **settings)
    made.adapt([merge(*[small_cnn(seed, scale=0.2 + 0.1 * seed) for seed in range(5)])])
    return made


def close(found, expected):
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_answers_go_along_with_the_edges(model):
    network = small_cnn(1)
    nodes, edges, values = network
    order = np.random.default_rng(0).permutation(len(values))
    moved = nodes, {key: column[order] for key, column in edges.items()}, values[order]
    answers = model(merge(network)).numpy()
    assert answers.shape == (len(values), 1) and np.abs(answers).min() < np.abs(answers).max()
    close(model(merge(moved)).numpy(), answers[order])


def test_other_networks_and_padding_change_nothing(model):
    first, second = small_cnn(1), small_cnn(2, channels=(1, 6, 5, 3))
    alone = model(merge(first)).numpy()
    together = model(merge(second, first, padding(5, 60))).numpy()
    start = len(second[2])
    close(together[start : start + len(alone)], alone)


def test_permuted_neurons_take_their_answers_along(name, model):
    network = small_cnn(1)
    answers = model(merge(network)).numpy()
    other, order = relabelled(network, 3)
    moved = model(merge(other)).numpy()
    if name == "nfn":
        close(moved, answers[order])
    else:
        assert np.abs(moved - answers[order]).max() > 1e-3 * np.abs(answers).max()


def test_the_step_scales_all_answers(name):
    kind, settings = KINDS[name]
    found = []
    for step in (0.0, 0.25, 0.5):
        tf.keras.utils.set_random_seed(0)
        found.append(kind(1, output="edge", initial_step=step, **settings)(merge(small_cnn(1))).numpy())
    assert not found[0].any() and np.abs(found[1]).max() > 0
    close(2 * found[1], found[2])


def test_configuration_names_the_step_where_there_is_one(name):
    kind, settings = KINDS[name]
    made = kind(1, output="edge", initial_step=0.5, **settings)
    assert kind.from_config(made.get_config()).get_config() == made.get_config()
    assert made.get_config()["initial_step"] == 0.5
    assert "initial_step" not in kind(1, **settings).get_config()


def test_what_does_not_go_is_refused():
    with pytest.raises(SchemaError, match="received units=3 with output='edge', expected num_channels=1"):
        FlatMLP(3, output="edge")
    with pytest.raises(SchemaError, match="expected 'graph': DeepSets has one answer per network"):
        DeepSets(1, output="edge")
