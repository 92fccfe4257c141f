"""Figures of merit of a regression over networks, and paired bootstrap intervals of their differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmn_tf.errors import RunError

Metric = Callable[[np.ndarray, np.ndarray], float]


def r2(target: np.ndarray, prediction: np.ndarray) -> float:
    """Coefficient of determination `1 - sum (y - p)^2 / sum (y - mean y)^2`.

    Args:
        target: true values y [n], n >= 1.
        prediction: predicted values p [n].

    Returns:
        1 for a perfect prediction, 0 for the mean of `target`, negative for worse; `nan` where all
        targets are equal, as nothing is left to explain.

    Raises:
        RunError: shapes differ, no entry, or a value is not finite.
    """
    y, p = _pair(target, prediction)
    spread = float(np.sum((y - y.mean()) ** 2))
    return 1.0 - float(np.sum((y - p) ** 2)) / spread if spread > 0 else float("nan")


def kendall_tau(target: np.ndarray, prediction: np.ndarray) -> float:
    """Kendall's tau-b: agreement of the two orders in [-1, 1], corrected for ties.

    Arguments and errors as for `r2`. `nan` where either side is constant, as it then has no order.
    """
    from scipy.stats import kendalltau

    y, p = _pair(target, prediction)
    if np.all(y == y[0]) or np.all(p == p[0]):
        return float("nan")
    return float(kendalltau(y, p, variant="b").statistic)


def mean_absolute_error(target: np.ndarray, prediction: np.ndarray) -> float:
    """Mean of `|y - p|`. Arguments and errors as for `r2`."""
    y, p = _pair(target, prediction)
    return float(np.mean(np.abs(y - p)))


METRICS: dict[str, Metric] = {"r2": r2, "tau": kendall_tau, "mae": mean_absolute_error}
"""The figures of every report, by the name under which it prints them."""


def paired_bootstrap(
    target: np.ndarray,
    prediction_a: np.ndarray,
    prediction_b: np.ndarray,
    metric: Metric,
    *,
    seed: int,
    samples: int = 2000,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """How far apart two predictors are on the same networks: `metric(y, a) - metric(y, b)`.

    The networks are drawn anew with replacement `samples` times, the same draw for both predictors,
    and the interval is taken between percentiles of the differences.

    Args:
        target: true values [n].
        prediction_a, prediction_b: predictions of the two [n].
        metric: one of `METRICS`, or any function of (target, prediction).
        seed: of the draws; the same seed gives the same interval.
        samples: number of draws.
        confidence: share of the draws inside the interval.

    Returns:
        (difference on the networks as they are, lower end, upper end).

    Raises:
        RunError: as for `r2`, or `samples` < 1.
    """
    y, a = _pair(target, prediction_a)
    _, b = _pair(target, prediction_b)
    if samples < 1:
        raise RunError(f"received samples={samples}, expected at least 1")
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(y), size=(samples, len(y)))
    differences = np.array([metric(y[draw], a[draw]) - metric(y[draw], b[draw]) for draw in draws])
    tail = 50.0 * (1.0 - confidence)
    low, high = np.nanpercentile(differences, [tail, 100.0 - tail])
    return metric(y, a) - metric(y, b), float(low), float(high)


def _pair(target: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, p = np.asarray(target, np.float64), np.asarray(prediction, np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise RunError(
            f"received targets of shape {y.shape} and predictions of shape {p.shape}, "
            "expected two vectors of one length, not empty"
        )
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise RunError("received targets or predictions that are NaN or infinite, expected finite values")
    return y, p
