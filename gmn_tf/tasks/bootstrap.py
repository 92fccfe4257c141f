"""Every figure of merit on thousands of bootstrap draws at once; seeds and methods share the draws."""

from __future__ import annotations

import numpy as np


def draw_counts(networks: int, *, samples: int, seed: int) -> np.ndarray:
    """How often each network is in each draw of `networks` with replacement: int64 [samples, networks]."""
    share = np.full(networks, 1.0 / networks)
    return np.random.default_rng(seed).multinomial(networks, share, size=samples)


def resampled(target: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """R2, Kendall's tau-b and mean absolute error of every draw, as `gmn_tf.tasks.metrics` defines them.

    A draw's figure is that of the networks repeated as often as they were drawn. Tau costs three matrix
    products: pairs weigh the product of their counts, and a network's pairs with itself are ties.

    Args:
        target, prediction: [n], finite.
        counts: int [samples, n], see `draw_counts`.

    Returns:
        {"r2", "tau", "mae"}, float64 [samples] each; `nan` where a figure is not defined.
    """
    y, p = np.asarray(target, np.float64), np.asarray(prediction, np.float64)
    weights = np.asarray(counts, np.float64)
    total = weights.sum(axis=1)
    centred = y - y.mean()
    mean = weights @ centred / total
    spread = weights @ centred**2 - total * mean**2
    one_value = _extent(y, counts) == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(one_value, np.nan, 1.0 - (weights @ (y - p) ** 2) / spread)
        y_order, p_order = (np.sign(values[:, np.newaxis] - values) for values in (y, p))
        agreement, y_pairs, p_pairs = (
            np.sum((weights @ pairs) * weights, axis=1)
            for pairs in (y_order * p_order, np.abs(y_order), np.abs(p_order))
        )
        tau = agreement / np.sqrt(y_pairs * p_pairs)  # 0 / 0 where either side is constant
    return {"r2": r2, "tau": tau, "mae": weights @ np.abs(y - p) / total}


def _extent(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    drawn = np.asarray(counts) > 0
    high = np.max(np.where(drawn, values, -np.inf), axis=1)
    return high - np.min(np.where(drawn, values, np.inf), axis=1)
