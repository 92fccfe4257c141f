"""Columns of any scale become normal deviates, whatever is missing."""

from __future__ import annotations

import numpy as np

from gmn_tf.tasks.quantiles import QuantileFeatures


def table(rows=400):
    rng = np.random.default_rng(0)
    x = np.stack(
        [
            np.exp(3 * rng.normal(size=rows)),  # long tail
            np.full(rows, 4.0),  # constant: left out
            rng.normal(size=rows),
            rng.normal(size=rows),
            np.where(rng.random(rows) < 0.6, 0.0, rng.random(rows)),  # one value fills many quantiles
            np.full(rows, np.nan),  # never there: left out
        ],
        axis=1,
    )
    x[: rows // 4, 2:4] = np.nan  # missing together: one column tells
    return x


def test_columns_become_normal():
    x = table()
    features = QuantileFeatures.of(x)
    assert features.kept.tolist() == [0, 2, 3, 4] and features.indicators.tolist() == [2]
    out = features(x)
    assert out.dtype == np.float32 and out.shape == (400, 5) and features.width == 5
    np.testing.assert_allclose([out[:, 0].mean(), out[:, 0].std()], [0, 1], atol=0.05)
    assert (np.argsort(out[:, 0], kind="stable") == np.argsort(x[:, 0], kind="stable")).mean() > 0.95


def test_missing_values_are_0_and_told():
    x = table()
    out = QuantileFeatures.of(x)(x)
    assert (out[:100, 1:3] == 0).all() and (out[100:, 1:3] != 0).mean() > 0.9
    np.testing.assert_array_equal(out[:, 4], np.arange(400) < 100)


def test_a_frequent_value_stands_in_the_middle_of_its_quantiles():
    """0 is the value of 60 %: its place is 0.3, the deviate -0.524."""
    x = table()
    out = QuantileFeatures.of(x)(x)
    zeros = out[x[:, 4] == 0, 3]
    assert np.ptp(zeros) == 0 and abs(zeros[0] + 0.524) < 0.1


def test_what_lies_beyond_the_training_values_stays_finite():
    features = QuantileFeatures.of(table())
    out = features(np.array([[1e30, 4, -1e30, 5, 2, np.nan], [0, 9, 0, np.nan, -1, 3]]))
    assert np.isfinite(out).all() and np.abs(out).max() < 4


def test_arrays_and_back():
    features = QuantileFeatures.of(table())
    again = QuantileFeatures.from_arrays(features.arrays())
    np.testing.assert_array_equal(again(table()), features(table()))
