"""StatNN with an MLP: it learns what statistics tell, and is restored from plain arrays."""

from __future__ import annotations

import numpy as np
import pytest
from toy_networks import Networks

from gmn_tf.errors import ZooError
from gmn_tf.tasks import statnn_mlp
from gmn_tf.tasks.metrics import r2
from gmn_tf.tasks.statnn_mlp import StatNNMLP


@pytest.fixture(scope="module")
def networks():
    return Networks()


@pytest.fixture(scope="module")
def fitted(networks):
    return StatNNMLP(0, epochs=25, hidden_dim=16).fit(networks, networks.indices("train"))


def test_it_learns(fitted, networks):
    test = networks.indices("test")
    predictions = fitted.predict(networks, test)
    assert predictions.shape == (40,) and ((predictions > 0) & (predictions < 1)).all()
    assert r2(networks.table["test_accuracy"][test], predictions) > 0.8
    tried = len(statnn_mlp.LEARNING_RATES) * len(statnn_mlp.DROPOUT_RATES)
    assert len(fitted.history) == tried
    assert fitted.settings["validation_loss"] == min(row["validation_loss"] for row in fitted.history)
    assert fitted.settings["networks_seen"] == tried * 25 * 160
    assert fitted.settings["steps"] == tried * 25 * 5


def test_the_best_epoch_is_what_is_kept(fitted, networks):
    validation = networks.indices("validation")
    score = r2(networks.table["test_accuracy"][validation], fitted.predict(networks, validation))
    assert score == pytest.approx(fitted.settings["validation_r2"], abs=1e-6)


def test_arrays_and_back(fitted, networks):
    arrays = fitted.get_state()
    assert not any(array.dtype.hasobject for array in arrays.values())
    again = StatNNMLP.from_state(arrays)
    test = networks.indices("test")
    np.testing.assert_array_equal(again.predict(networks, test), fitted.predict(networks, test))
    width = fitted._features.width
    assert again.num_parameters == fitted.num_parameters == (width + 1) * 16 + 17 * 16 + 17


def test_the_same_seed_gives_the_same_answers(networks, monkeypatch):
    monkeypatch.setattr(statnn_mlp, "DROPOUT_RATES", (0.4,))
    monkeypatch.setattr(statnn_mlp, "LEARNING_RATES", (4e-3,))
    test = networks.indices("test")
    answers = [
        StatNNMLP(seed, epochs=2, hidden_dim=8)
        .fit(networks, networks.indices("train"))
        .predict(networks, test)
        for seed in (5, 5, 6)
    ]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
    assert np.abs(answers[0] - answers[2]).max() > 1e-3


def test_bad_input_is_refused(networks):
    with pytest.raises(ZooError, match="empty validation"):
        StatNNMLP().fit(networks, networks.indices("train"), validation=np.array([], int))
    with pytest.raises(ZooError, match=r"fit\(\) before predict"):
        StatNNMLP().predict(networks, np.arange(3))
    with pytest.raises(ZooError, match=r"fit\(\) before get_state"):
        StatNNMLP().get_state()
