"""Running mean and variance of edge features per (edge type, layer), in numpy, over any number of batches."""

from __future__ import annotations

import numpy as np

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema

NUM_EDGE_TYPES = len(schema.EdgeType)
FIRST_PARAMETERLESS_TYPE = int(schema.EdgeType.RECURRENT) + 1
"""Edge types from this one on carry no parameter; their value is 1 and is never normalised."""


class LabelStatistics:
    """Collects features by label; fast enough for a whole zoo.

    Attributes:
        count: float64 [num types, max_layers], rows seen in each cell.
        mean, variance: float64 [num types, max_layers, num_features]; 0 where the count is 0.
    """

    def __init__(self, num_features: int = 1, *, max_layers: int = 64) -> None:
        self.num_features, self.max_layers = num_features, max_layers
        self.count = np.zeros((NUM_EDGE_TYPES, max_layers))
        self.mean = np.zeros((NUM_EDGE_TYPES, max_layers, num_features))
        self.variance = np.zeros_like(self.mean)

    def update(self, edge_type: np.ndarray, layer: np.ndarray, values: np.ndarray) -> LabelStatistics:
        """Adds rows; returns self.

        Args:
            edge_type, layer: int [n], the labels.
            values: [n] or [n, num_features] for one network, or [networks, n, num_features] for many
                of one architecture.
        """
        values = np.asarray(values)
        if values.ndim == 1:
            values = values[:, np.newaxis]
        if values.ndim == 2:
            values = values[np.newaxis]
        if values.ndim != 3 or values.shape[1:] != (len(edge_type), self.num_features):
            raise SchemaError(
                f"received values of shape {values.shape}, expected "
                f"[{len(edge_type)}], [{len(edge_type)}, {self.num_features}] or "
                f"[networks, {len(edge_type)}, {self.num_features}]"
            )
        layer = np.clip(layer, 0, self.max_layers - 1)
        cell = np.clip(edge_type, 0, NUM_EDGE_TYPES - 1) * self.max_layers + layer
        for index in np.unique(cell):
            rows = values[:, cell == index].reshape(-1, self.num_features).astype(np.float64)
            self._merge(divmod(int(index), self.max_layers), len(rows), rows.mean(0), rows.var(0))
        return self

    def _merge(self, cell: tuple[int, int], count: int, mean: np.ndarray, variance: np.ndarray) -> None:
        # Chan et al., "Updating formulae and a pairwise algorithm for computing sample variances".
        total = self.count[cell] + count
        shift = mean - self.mean[cell]
        self.variance[cell] = (
            self.variance[cell] * self.count[cell]
            + variance * count
            + shift**2 * self.count[cell] * count / total
        ) / total
        self.mean[cell] += shift * count / total
        self.count[cell] = total


def normalization_tables(
    count: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    *,
    smallest: float = 1e-3,
    prior: float = 10.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Complete tables of mean and standard deviation, from cells of which some were never seen.

    A cell that was not seen takes its type's statistics over all layers, a type that was not seen
    those of all types. The variance of a cell seen n times is drawn towards its type's as if by `prior`
    more rows, lest a few rows that happen to agree divide by next to nothing. Types without parameters
    keep mean 0 and deviation 1.

    Args:
        count: [types, layers], mean, variance: [types, layers, features]; as in `LabelStatistics`.
        smallest: floor of the standard deviation, relative to max(1, |mean|).
    """
    count = np.asarray(count, np.float64).copy()
    count[FIRST_PARAMETERLESS_TYPE:] = 0
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    by_type = _pool(count, mean, variance, axis=1)
    overall = _pool(*by_type, axis=0)
    seen_type = by_type[0] > 0
    type_mean = np.where(seen_type[:, None], by_type[1], overall[1])
    type_variance = np.where(seen_type[:, None], by_type[2], overall[2])
    seen = (count > 0)[:, :, None]
    mean = np.where(seen, mean, type_mean[:, None])
    share = (count / (count + prior))[:, :, None]
    deviation = np.sqrt(share * variance + (1 - share) * type_variance[:, None])
    deviation = np.maximum(deviation, smallest * np.maximum(1.0, np.abs(mean)))
    if overall[0] == 0:
        mean, deviation = np.zeros_like(mean), np.ones_like(deviation)
    mean[FIRST_PARAMETERLESS_TYPE:] = 0
    deviation[FIRST_PARAMETERLESS_TYPE:] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)


def _pool(
    count: np.ndarray, mean: np.ndarray, variance: np.ndarray, *, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    total = count.sum(axis)
    share = (count / np.maximum(np.expand_dims(total, axis), 1))[..., None]
    pooled = (share * mean).sum(axis)
    spread = (share * (variance + (mean - np.expand_dims(pooled, axis)) ** 2)).sum(axis)
    return total, pooled, spread
