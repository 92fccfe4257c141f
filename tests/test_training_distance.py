"""Distances to training networks: worked by hand, and that they rise on what was never seen."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import RunError
from gmn_tf.training_distance import (
    NEIGHBOURS,
    DistanceFunction,
    TrainingDistance,
    percentile,
    verdict,
)


def features(points, *, name="description"):
    return {name: np.asarray(points, np.float32)}


def cloud(n, *, seed, architectures=1, spread=0.0):
    """Points around one centre per architecture; the centres lie `spread` apart on the diagonal."""
    rng = np.random.default_rng(seed)
    owner = np.arange(n) % architectures
    points = rng.normal(size=(n, 4)).astype(np.float32)
    points += (spread * owner)[:, np.newaxis]
    return features(points), owner


def served(fitted, points):
    return DistanceFunction(fitted)(points).numpy()


def test_a_line_worked_by_hand():
    """Training at 0 ... 10 (deviation root 10), held out all at 5.

    From 5 the nearest are 5, then 4 and 6, then 3 and 7: the fifth is 2 away, 2 / root 10 in standard
    units, which is the unit. From 100 the fifth nearest is 6, 94 away: 47 units.
    """
    line = np.arange(11.0)[:, np.newaxis]
    fitted = TrainingDistance.fit(
        features(line), np.zeros(11, int), features(np.full((4, 1), 5.0)), np.zeros(4, int)
    )
    assert NEIGHBOURS == 5
    np.testing.assert_allclose(fitted.unit, 2 / np.sqrt(10), rtol=1e-5)
    found = served(fitted, features([[5.0], [100.0], [-95.0], [np.nan], [np.inf]]))
    np.testing.assert_allclose(found[:3], [1.0, 47.0, 49.5], rtol=1e-5)
    assert np.isinf(found[3:]).all()
    assert found.dtype == np.float32


def test_what_is_served_equals_numpy():
    training, owner = cloud(60, seed=0)
    held_out, others = cloud(20, seed=1)
    fitted = TrainingDistance.fit(training, owner, held_out, others)
    expected = [fitted.of(row) for row in held_out["description"]]
    np.testing.assert_allclose(served(fitted, held_out), expected, rtol=1e-5)
    # 95 % of the held-out networks lie within 1.
    assert np.sum(np.array(expected) <= 1) == 19


def test_parts_weigh_alike_and_features_that_never_varied_count():
    rng = np.random.default_rng(0)
    narrow, wide = rng.normal(size=(50, 2)), 100.0 * rng.normal(size=(50, 20))
    constant = np.zeros((50, 1))
    training = {
        "representation": np.float32(wide),
        "description": np.float32(np.concatenate([narrow, constant], axis=1)),
    }
    fitted = TrainingDistance.fit(training, np.zeros(50, int), training, np.zeros(50, int))
    x = (np.concatenate(list(training.values()), axis=1) - fitted.shift) * fitted.scale
    np.testing.assert_allclose(np.square(x[:, :20]).sum(1).mean(), 1.0, rtol=1e-3)
    np.testing.assert_allclose(np.square(x[:, 20:]).sum(1).mean(), 1.0, rtol=1e-3)
    strange = {name: value[:1].copy() for name, value in training.items()}
    near = served(fitted, strange)[0]
    strange["description"][0, 2] = 5.0  # five more logs of an edge type that no training network has
    assert served(fitted, strange)[0] > 10 * max(near, 1.0)


def test_held_out_architectures_set_the_unit():
    """Architectures far apart from one another: with their own left out, a new one is in range."""
    training, owner = cloud(200, seed=0, architectures=20, spread=20.0)
    held_out, others = cloud(40, seed=1, architectures=20, spread=20.0)
    fitted = TrainingDistance.fit(training, owner, held_out, others)
    assert fitted.facts["other_architectures_only"] and fitted.facts["architectures"] == 20
    between = features([[20.0 * 7.5] * 4])
    assert served(fitted, between)[0] <= 1
    few = TrainingDistance.fit(training, owner % 4, held_out, others % 4)
    assert not few.facts["other_architectures_only"]
    assert served(few, between)[0] > 2
    assert served(fitted, held_out).max() < 1  # their own architectures are nearer


def test_many_training_networks_are_drawn_from(monkeypatch):
    monkeypatch.setattr("gmn_tf.training_distance.MAX_REFERENCES", 30)
    training, owner = cloud(300, seed=0)
    fitted = TrainingDistance.fit(training, owner, *cloud(50, seed=1))
    assert fitted.references.shape == (30, 4) and fitted.references.dtype == np.float32
    np.testing.assert_allclose(fitted.unit, TrainingDistance.fit(training, owner, *cloud(50, seed=1)).unit)


def test_percentiles_and_words():
    training, owner = cloud(60, seed=0)
    fitted = TrainingDistance.fit(training, owner, *cloud(200, seed=1))
    metadata = fitted.metadata()
    assert metadata["percentiles"]["95"] == 1.0 and metadata["held_out_networks"] == 200
    found = percentile(np.array([0.0, metadata["percentiles"]["50"], 1.0, 50.0, np.inf]), metadata)
    np.testing.assert_allclose(found, [0, 50, 95, 100, 100], atol=0.1)
    words = [verdict(value) for value in (0.0, 1.0, 1.01, 2.0, 2.01, float("inf"))]
    assert words == ["in range"] * 2 + ["at the edge"] * 2 + ["unlike its training networks"] * 2


def test_what_cannot_be_fitted_is_refused():
    good, owner = cloud(10, seed=0)
    with pytest.raises(RunError, match="no held-out networks"):
        TrainingDistance.fit(good, owner, features(np.zeros((0, 4))), np.zeros(0, int))
    with pytest.raises(RunError, match="NaN or infinite"):
        TrainingDistance.fit(features(np.full((3, 4), np.nan)), np.zeros(3, int), good, owner)
