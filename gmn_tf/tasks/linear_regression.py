"""How much of some known numbers a representation tells linearly: ridge regression on frozen features."""

from __future__ import annotations

import dataclasses

import numpy as np

from gmn_tf.errors import RunError

PENALTIES = tuple(10.0**power for power in range(-6, 5))
"""Of squared coefficients, features standardised, per training row; the validation rows choose."""


@dataclasses.dataclass(frozen=True)
class LinearRegression:
    """`x @ coefficients + intercept`, [n, features] to [n, targets].

    Attributes:
        coefficients: float64 [features, targets].
        intercept: float64 [targets].
        penalty: which of `PENALTIES` was chosen.
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    penalty: float

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        targets: np.ndarray,
        *,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
        penalties: tuple[float, ...] = PENALTIES,
    ) -> LinearRegression:
        """Least squares with a penalty on the squared coefficients of standardised features.

        Args:
            features: [n, features]; what is constant gets the coefficient 0.
            targets: [n, targets].
            validation: (features, targets) whose mean squared error chooses the penalty; None takes the
                first one.
            penalties: to choose from.

        Raises:
            RunError: numbers of rows differ, there is none, or a value is not finite.
        """
        x, y = np.asarray(features, np.float64), np.asarray(targets, np.float64)
        if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not len(x):
            raise RunError(
                f"received features of shape {x.shape} and targets of shape {y.shape}, expected two matrices "
                "of as many rows, not empty"
            )
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise RunError("received features or targets that are NaN or infinite, expected finite values")
        centre, mean = x.mean(axis=0), y.mean(axis=0)
        scale = x.std(axis=0)
        scale = np.where(scale > 1e-9 * np.maximum(np.abs(centre), 1.0), scale, np.inf)
        left, values, right = np.linalg.svd((x - centre) / scale, full_matrices=False)
        projected = left.T @ (y - mean)
        smallest = (1e-10 * values.max(initial=0.0)) ** 2  # directions that the rows do not tell
        found = []
        for penalty in penalties if validation is not None else penalties[:1]:
            below = values**2 + penalty * len(x)
            shrunk = np.divide(values, below, out=np.zeros_like(values), where=below > smallest)
            coefficients = (right.T * shrunk) @ projected / scale[:, np.newaxis]
            found.append(cls(coefficients, mean - centre @ coefficients, penalty))
        if validation is None:
            return found[0]
        errors = [float(np.mean((each(validation[0]) - validation[1]) ** 2)) for each in found]
        return found[int(np.argmin(errors))]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Predictions float64 [n, targets]."""
        return np.asarray(features, np.float64) @ self.coefficients + self.intercept
