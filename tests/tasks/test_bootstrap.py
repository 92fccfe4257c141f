"""Figures of many draws at once are those of each draw by itself."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.tasks.bootstrap import draw_counts, resampled
from gmn_tf.tasks.metrics import METRICS, paired_bootstrap


@pytest.mark.parametrize("ties", [False, True])
def test_each_draw_equals_the_metrics_on_the_repeated_networks(ties):
    rng = np.random.default_rng(0)
    y = rng.random(40)
    p = y + 0.3 * rng.normal(size=40)
    if ties:
        y, p = np.round(y, 1), np.round(p, 1)
    counts = draw_counts(40, samples=25, seed=1)
    assert counts.shape == (25, 40) and (counts.sum(axis=1) == 40).all() and counts.std() > 0.5
    found = resampled(y, p, counts)
    for draw, count in enumerate(counts):
        rows = np.repeat(np.arange(40), count)
        for name, metric in METRICS.items():
            assert found[name][draw] == pytest.approx(metric(y[rows], p[rows]), abs=1e-12), name


def test_figures_that_are_not_defined_are_nan():
    y = np.array([0.1, 0.1, 0.9])
    counts = np.array([[2, 1, 0], [1, 1, 1]])
    found = resampled(y, np.array([0.2, 0.3, 0.4]), counts)
    assert np.isnan(found["r2"]).tolist() == [True, False]
    assert np.isnan(found["tau"]).tolist() == [True, False]
    assert np.isfinite(found["mae"]).all()
    assert np.isnan(resampled(y, np.full(3, 0.5), counts)["tau"]).all()


def test_intervals_agree_with_draw_by_draw_bootstrap():
    rng = np.random.default_rng(2)
    y = rng.random(60)
    a, b = y + 0.1 * rng.normal(size=60), y + 0.2 * rng.normal(size=60)
    counts = draw_counts(60, samples=1500, seed=3)
    ours, theirs = resampled(y, a, counts), resampled(y, b, counts)
    for name, metric in METRICS.items():
        low, high = np.percentile(ours[name] - theirs[name], [2.5, 97.5])
        _, expected_low, expected_high = paired_bootstrap(y, a, b, metric, seed=4, samples=600)
        width = expected_high - expected_low
        assert low == pytest.approx(expected_low, abs=0.2 * width)
        assert high == pytest.approx(expected_high, abs=0.2 * width)
