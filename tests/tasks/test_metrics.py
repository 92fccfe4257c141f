"""Figures of merit against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import RunError
from gmn_tf.tasks.metrics import kendall_tau, mean_absolute_error, paired_bootstrap, r2


def test_r2_by_hand():
    # Mean 2.5, spread 2.25 + .25 + .25 + 2.25 = 5; errors 1 + 0 + 1 + 0 = 2; 1 - 2 / 5.
    assert r2(np.array([1, 2, 3, 4]), np.array([2, 2, 4, 4])) == pytest.approx(0.6)
    assert r2(np.array([1, 2, 3]), np.array([2, 2, 2])) == pytest.approx(0.0)
    assert np.isnan(r2(np.array([1.0, 1.0]), np.array([1.0, 2.0])))


def test_kendall_tau_b_by_hand():
    # Pairs of (1, 2, 3, 4) against (1, 3, 2, 4): 5 agree, 1 does not: 4 / 6.
    assert kendall_tau(np.array([1, 2, 3, 4]), np.array([1, 3, 2, 4])) == pytest.approx(4 / 6)
    # One tie in p: 5 agree, none disagrees, n0 = 6, n1 = 0, n2 = 1: 5 / sqrt(6 * 5).
    assert kendall_tau(np.array([1, 2, 3, 4]), np.array([1, 2, 2, 3])) == pytest.approx(5 / np.sqrt(30))
    assert np.isnan(kendall_tau(np.array([1, 2, 3]), np.array([5, 5, 5])))


def test_mean_absolute_error_by_hand():
    assert mean_absolute_error(np.array([0.0, 1.0, 0.5]), np.array([0.5, 1.0, 0.25])) == pytest.approx(0.25)


def test_bootstrap_interval_holds_the_difference_and_is_repeatable():
    generator = np.random.default_rng(0)
    y = generator.uniform(size=200)
    close, far = y + generator.normal(0, 0.05, 200), y + generator.normal(0, 0.2, 200)
    difference, low, high = paired_bootstrap(y, close, far, r2, seed=1, samples=300)
    assert difference == pytest.approx(r2(y, close) - r2(y, far))
    assert 0 < low < difference < high
    assert paired_bootstrap(y, close, far, r2, seed=1, samples=300) == (difference, low, high)
    assert paired_bootstrap(y, far, close, r2, seed=1, samples=300)[1] == pytest.approx(-high)


def test_bootstrap_is_paired():
    # The same predictor twice differs by nothing in every draw; unpaired draws would not say so.
    y, p = np.random.default_rng(2).uniform(size=(2, 50))
    assert paired_bootstrap(y, p, p, kendall_tau, seed=0, samples=50) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("target", "prediction"),
    [([1.0, 2.0], [1.0]), ([], []), ([1.0, float("nan")], [1.0, 2.0]), ([1.0, 2.0], [1.0, float("inf")])],
)
def test_bad_input_is_refused(target, prediction):
    with pytest.raises(RunError, match="received"):
        r2(np.array(target), np.array(prediction))
