"""Columns of any distribution, with missing entries, as features of a neural network."""

from __future__ import annotations

import dataclasses

import numpy as np

POINTS = 101
_EDGE = 1e-3


@dataclasses.dataclass(frozen=True)
class QuantileFeatures:
    """Each column's place among its values in training, as a normal deviate; 0 where it is missing.

    Beside them stands a column for every distinct set of training rows in which something is missing.
    Columns that are constant in training are left out.

    Attributes:
        kept: int64 [k], the columns that are used.
        quantiles: float64 [POINTS, k], their quantiles in training.
        indicators: int64 [m], columns whose absence is told.
    """

    kept: np.ndarray
    quantiles: np.ndarray
    indicators: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> QuantileFeatures:
        """From the training rows [n, columns]; nan is missing."""
        missing = np.isnan(x)
        there = ~missing.all(axis=0)
        low = np.min(np.where(missing, np.inf, x), axis=0)
        high = np.max(np.where(missing, -np.inf, x), axis=0)
        kept = np.flatnonzero(there & (high > low))
        quantiles = np.nanquantile(x[:, kept], np.linspace(0, 1, POINTS), axis=0).reshape(POINTS, len(kept))
        some = np.flatnonzero(missing.any(axis=0) & there)
        _, first = np.unique(missing[:, some], axis=1, return_index=True)
        return cls(kept, quantiles, np.sort(some[first]))

    @property
    def width(self) -> int:
        """Columns that come out."""
        return len(self.kept) + len(self.indicators)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """float32 [n, width] for rows [n, columns]."""
        from scipy.special import ndtri

        place = np.linspace(0, 1, POINTS)
        features = np.zeros((len(x), len(self.kept)))
        for number, column in enumerate(self.kept):
            values, points = x[:, column], self.quantiles[:, number]
            # From below and from above: a value that fills several quantiles stands in their middle.
            share = np.interp(values, points, place) - np.interp(-values, -points[::-1], -place[::-1])
            features[:, number] = ndtri(np.clip(share / 2, _EDGE, 1 - _EDGE))
        told = np.isnan(x[:, self.indicators])
        return np.concatenate([np.nan_to_num(features, nan=0.0), told], axis=1).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """The attributes by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> QuantileFeatures:
        """The inverse of `arrays`; further entries are ignored."""
        return cls(**{field.name: arrays[field.name] for field in dataclasses.fields(cls)})
