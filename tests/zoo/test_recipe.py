"""Sampling: seeded, within its bounds, varied; splits fixed and disjoint."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.zoo import recipe
from gmn_tf.zoo.families import FAMILIES
from gmn_tf.zoo.hyper_parameters import sample_hyper_parameters
from gmn_tf.zoo.plan import Plan

DIGITS = {"image_shape": (8, 8, 1), "num_classes": 10}


def _architectures(count, seed=0):
    return [recipe.sample_architecture("cnn", number, seed=seed, **DIGITS) for number in range(count)]


def test_architectures_are_seeded_varied_and_small():
    architectures = _architectures(32)
    assert architectures == _architectures(32)
    assert architectures != _architectures(32, seed=1)
    assert len(set(architectures)) == 32
    assert {len(a.blocks) for a in architectures} == {1, 2, 3, 4}
    assert {b.norm for a in architectures for b in a.blocks} == {"none", "batch", "group"}
    assert {a.head for a in architectures} == {"average", "flatten"}
    assert {a.has_dropout for a in architectures} == {True, False}
    assert len({b.activation for a in architectures for b in a.blocks}) == 3
    assert any(len({b.filters for b in a.blocks}) == len(a.blocks) > 1 for a in architectures)
    sizes = [a.num_parameters for a in architectures]
    assert min(sizes) >= 500 and max(sizes) <= 6000 and np.median(sizes) >= 2000


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3)])
def test_keras_model_has_the_variables_of_the_architecture(shape):
    for number in range(6):
        architecture = recipe.sample_architecture("cnn", number, seed=0, image_shape=shape, num_classes=10)
        model = architecture.keras_model()
        assert [w.shape for w in model.get_weights()] == [v.shape for v in architecture.variables()]
        assert model.count_params() == architecture.num_parameters
        trainable = sum(v.size for v in architecture.variables() if v.trainable)
        assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == trainable


@pytest.mark.parametrize("number", range(3))
def test_keras_json_does_not_depend_on_models_made_before(number):
    architecture = _architectures(3)[number]
    assert architecture.keras_model().to_json() == architecture.keras_model().to_json()


@pytest.mark.parametrize("shape", [(3, 3, 1), (64, 64, 3), (8, 100, 1)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(ZooError, match="do not fit the family cnn: expected 8 to 32"):
        recipe.sample_architecture("cnn", 0, seed=0, image_shape=shape, num_classes=10)


def test_too_many_classes_are_refused():
    with pytest.raises(ZooError, match=r"No network of .* 5000 classes"):
        recipe.sample_architecture("cnn", 0, seed=0, image_shape=(8, 8, 1), num_classes=5000)


def test_hyper_parameters_are_seeded_and_vary():
    architectures = _architectures(4)
    drawn = [sample_hyper_parameters("cnn", i, architectures[i % 4], seed=0) for i in range(200)]
    assert drawn == [sample_hyper_parameters("cnn", i, architectures[i % 4], seed=0) for i in range(200)]
    assert drawn[0] != sample_hyper_parameters("cnn", 0, architectures[0], seed=1)
    rates = np.array([h.learning_rate for h in drawn])
    assert rates.max() / rates.min() > 100
    assert {h.optimizer for h in drawn} == {"adam", "sgd"}
    dropout = [architectures[i % 4].has_dropout for i in range(200)]
    assert [h.dropout_rate > 0 for h in drawn] == dropout


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        (1400, (1000, 100, 300)),
        (5000, (4000, 300, 700)),
        (15_000, (12_333, 856, 1811)),
        (140, (100, 10, 30)),
        (4, (2, 1, 1)),
        (3, (1, 1, 1)),
    ],
)
def test_splits_have_fixed_shares_and_do_not_depend_on_extras(size, counts):
    names = recipe.split_names(size, seed=3)
    assert tuple(np.sum(names == name) for name in ("train", "validation", "test")) == counts
    plan = Plan("cnn", "digits", "", size, 3, 5)
    np.testing.assert_array_equal(plan.splits()[:size], names)
    assert list(plan.splits()[size:]) == ["none"] * 5
    if size > 100:
        assert not np.array_equal(names, recipe.split_names(size, seed=4))


@pytest.mark.parametrize("family", ["cnn", "varying_cnns", "diverse"])
def test_every_network_has_one_architecture(family):
    plan = Plan(family, "digits", "", 1400, 0, 6)
    numbers = [index for a in range(plan.num_architectures) for index in plan.indices(a)]
    assert sorted(numbers) == list(range(1406))


def test_about_one_architecture_for_twenty_networks():
    assert recipe.num_architectures("cnn", 1400) == 32
    assert recipe.num_architectures("varying_cnns", 1400) == 70
    assert recipe.num_architectures("varying_cnns", 100_000) == 256
    assert recipe.num_architectures("varying_cnns", 5) == 5
    families = len(FAMILIES)
    for size in (100, 1400, 5000):
        count = recipe.num_architectures("diverse", size)
        assert count % families == 0 and abs(count - min(256, max(8, size / 20))) <= families


def test_diverse_has_equal_shares_of_all_families():
    found = [recipe.sample_architecture("diverse", a, seed=0, **DIGITS) for a in range(2 * len(FAMILIES))]
    assert [a.family for a in found] == 2 * list(FAMILIES)
    assert len(set(found)) == len(found)


def test_populations_by_name():
    known = recipe.populations()
    assert list(known)[:3] == ["cnn", "varying_cnns", "diverse"]
    assert set(FAMILIES) <= set(known)
    assert all(recipe.sample_architecture(f, 1, seed=0, **DIGITS).family == f for f in FAMILIES)
    with pytest.raises(ZooError, match='Unknown family "rnn": expected one of cnn, varying_cnns, diverse, '):
        recipe.population("rnn")


def test_varying_cnns_vary():
    found = [recipe.sample_architecture("varying_cnns", number, seed=0, **DIGITS) for number in range(60)]
    assert {len(a.blocks) for a in found} == {1, 2, 3, 4, 5}
    blocks = [block for a in found for block in a.blocks]
    assert {b.norm for b in blocks} == {"none", "batch", "group"}
    assert {b.kernel for b in blocks} == {1, 3, 5} and np.mean([b.kernel == 3 for b in blocks]) > 0.6
    assert {b.activation for b in blocks} == {"relu", "tanh", "gelu", "silu"}
    widths = sorted(a.width for a in found)
    assert widths[0] <= 8 and widths[-1] >= 24 and len(set(widths)) >= 5


def test_varied_hyper_parameters():
    architecture = recipe.sample_architecture("varying_cnns", 0, seed=0, **DIGITS)
    drawn = [sample_hyper_parameters("varying_cnns", i, architecture, seed=0) for i in range(200)]
    assert {h.optimizer for h in drawn} == {"adam", "sgd", "rmsprop"}
    assert {h.augmentation for h in drawn} == {"none", "shift", "noise"}
    noisy = [h.label_noise for h in drawn if h.label_noise]
    assert 0.25 < len(noisy) / 200 < 0.45 and max(noisy) <= 0.6
    assert drawn[7] == sample_hyper_parameters("varying_cnns", 7, architecture, seed=0)


# SHA-256 of what the population "cnn" of seed 0 draws for the digits: old seeds keep their networks.
CNN_DRAWS = "51a168c6c6638f0cf8b89a413cea67a58bb4b4606481fd0a17172177d6f61097"


def test_the_population_cnn_draws_what_it_always_did():
    architectures = _architectures(32)
    drawn = [
        [
            a.num_parameters,
            a.head,
            a.dropout,
            [[b.filters, b.stride, b.norm, b.groups, b.activation, b.pool, b.dropout] for b in a.blocks],
        ]
        for a in architectures
    ]
    for index in range(100):
        h = sample_hyper_parameters("cnn", index, architectures[index % 32], seed=0)
        drawn.append([h.optimizer, h.steps, *(f"{value:.9g}" for value in _numbers(h))])
    assert hashlib.sha256(json.dumps(drawn).encode()).hexdigest() == CNN_DRAWS


def _numbers(h):
    return h.learning_rate, h.weight_decay, h.initial_scale, h.train_fraction, h.dropout_rate
