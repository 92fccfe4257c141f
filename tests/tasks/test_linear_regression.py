"""Ridge regression: known lines, and the choice of the penalty."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import RunError
from gmn_tf.tasks.linear_regression import LinearRegression


def data(number: int, *, seed: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(number, 6)) * [1, 10, 0.1, 1, 1, 1] + 5
    x[:, 5] = 3.0  # tells nothing
    y = np.stack([x[:, 0] - 2 * x[:, 1] + 7, 30 * x[:, 2]], axis=1)
    return x, y + noise * rng.normal(size=y.shape)


def test_a_line_is_found():
    x, y = data(50, seed=0)
    found = LinearRegression.fit(x, y, penalties=(0.0,))
    np.testing.assert_allclose(found.coefficients[:, 0], [1, -2, 0, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(found.intercept, [7, 0], atol=1e-6)
    far = data(20, seed=1)
    np.testing.assert_allclose(found(far[0]), far[1], atol=1e-6)


def test_it_is_ridge_regression():
    from sklearn.linear_model import Ridge

    x, y = data(40, seed=2, noise=5.0)
    scaled = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 1e-9, x.std(axis=0), 1.0)
    for penalty in (0.1, 3.0):
        expected = Ridge(alpha=penalty * len(x)).fit(scaled, y).predict(scaled)
        np.testing.assert_allclose(LinearRegression.fit(x, y, penalties=(penalty,))(x), expected, atol=1e-8)


def test_validation_chooses_the_penalty():
    rng = np.random.default_rng(3)
    x, other = rng.normal(size=(20, 40)), rng.normal(size=(200, 40))  # more features than rows
    y, judged = x.sum(axis=1, keepdims=True) + rng.normal(size=(20, 1)), other.sum(axis=1, keepdims=True)
    penalties = (1e-6, 0.3, 1e6)
    found = LinearRegression.fit(x, y, validation=(other, judged), penalties=penalties)
    each = [LinearRegression.fit(x, y, penalties=(penalty,)) for penalty in penalties]
    errors = [np.mean((one(other) - judged) ** 2) for one in each]
    assert errors[1] < min(errors[0], errors[2])
    assert found.penalty == penalties[int(np.argmin(errors))]
    assert LinearRegression.fit(x, y, penalties=penalties).penalty == 1e-6


def test_what_cannot_be_fitted_is_refused():
    x, y = data(5, seed=0)
    with pytest.raises(RunError, match=r"shape \(5, 6\) and targets of shape \(4, 2\)"):
        LinearRegression.fit(x, y[:4])
    with pytest.raises(RunError, match="not empty"):
        LinearRegression.fit(x[:0], y[:0])
    with pytest.raises(RunError, match="NaN or infinite"):
        LinearRegression.fit(x * np.nan, y)
