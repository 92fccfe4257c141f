"""The baselines: what StatNN measures, and that it learns what statistics tell."""

from __future__ import annotations

import numpy as np
import pytest
from toy_networks import Networks

from gmn_tf.errors import ZooError
from gmn_tf.tasks import statnn
from gmn_tf.tasks.metrics import r2
from gmn_tf.tasks.statistics import NAMES, feature_table, statistics, variables
from gmn_tf.tasks.statnn import Constant, StatNN


@pytest.fixture(scope="module")
def networks():
    return Networks()


def test_statistics_by_hand():
    # Mean 2, variance (4 + 1 + 0 + 1 + 4) / 5 = 2, quantiles of 0 .. 4.
    np.testing.assert_allclose(statistics(np.array([[3, 1, 0, 4, 2]])), [[2, 2, 0, 1, 2, 3, 4]])
    assert len(NAMES) == 7


def test_places_count_from_both_ends(networks):
    places = [v.places for v in variables(networks.template(1))]
    assert places == [
        ("kernel/+0", "kernel/-2"),
        ("bias/+0", "bias/-2"),
        ("gamma/+0", "gamma/-2"),
        ("beta/+0", "beta/-2"),
        ("mean/+0", "mean/-2"),
        ("variance/+0", "variance/-2"),
        ("kernel/+1", "kernel/-1"),
        ("bias/+1", "bias/-1"),
        ("kernel/+2", "kernel/-0"),
        ("bias/+2", "bias/-0"),
    ]


def test_features_are_aligned_and_missing_ones_are_nan(networks):
    columns = feature_table(networks, np.array([3, 0, 1]))
    np.testing.assert_allclose(columns["kernel/-0/q100"], 2 * networks.table["test_accuracy"][[3, 0, 1]])
    assert np.isnan(columns["gamma/+0/mean"]).tolist() == [False, True, False]
    np.testing.assert_allclose(columns["layers"], [3, 2, 3])


def test_statnn_learns_and_beats_the_constant(networks, monkeypatch):
    monkeypatch.setattr(statnn, "MAX_TREES", 60)
    monkeypatch.setattr(statnn, "LEAF_NODES", (7,))
    train, test = networks.indices("train"), networks.indices("test")
    y = networks.table["test_accuracy"][test]
    model = StatNN(0).fit(networks, train)
    assert r2(y, model.predict(networks, test)) > 0.9
    assert model.settings["validation_r2"] > 0.9
    assert model.history and model.settings in model.history
    again = StatNN.from_state(model.get_state())
    np.testing.assert_array_equal(again.predict(networks, test), model.predict(networks, test))
    assert again.num_parameters == model.num_parameters > 100
    constant = Constant().fit(networks, train)
    assert r2(y, constant.predict(networks, test)) < 0.1
    assert constant.value == pytest.approx(networks.table["test_accuracy"][train].mean())


def test_bad_input_is_refused(networks):
    with pytest.raises(ZooError, match="empty training"):
        StatNN(0).fit(networks, np.array([], int))
    with pytest.raises(ZooError, match="not fitted"):
        StatNN(0).predict(networks, networks.indices("test"))
    broken = Networks(20)
    broken.weights[1][2, 0] = np.nan
    with pytest.raises(ZooError, match="network 5"):
        feature_table(broken, np.arange(20))


def test_validation_networks_of_one_accuracy_do_choose(networks, monkeypatch):
    """R2 of a single network is not defined; the error is."""
    monkeypatch.setattr(statnn, "MAX_TREES", 20)
    monkeypatch.setattr(statnn, "LEAF_NODES", (7,))
    train = networks.indices("train")
    model = StatNN(0).fit(networks, train, validation=networks.indices("validation")[:1])
    assert model.settings["validation_r2"] is None and np.isfinite(model.predict(networks, train)).all()
