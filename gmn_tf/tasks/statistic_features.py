"""Statistics of the weights as a representation: what is there before anything is learnt."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.tasks.quantiles import QuantileFeatures
from gmn_tf.tasks.statistics import Networks, feature_matrix, feature_table
from gmn_tf.tasks.statnn import NAMES


class StatisticFeatures:
    """Moments and quantiles of every variable (`gmn_tf.tasks.statistics`), brought to a normal distribution.

    Args:
        seed: not used; nothing is drawn.
    """

    def __init__(self, seed: int = 0) -> None:
        self.settings: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self._names: list[str] = []
        self._features: QuantileFeatures | None = None

    @property
    def num_parameters(self) -> int:
        """Nothing is learnt."""
        return 0

    def fit(
        self, zoo: Networks, indices: np.ndarray, *, validation: np.ndarray | None = None
    ) -> StatisticFeatures:
        """Takes the quantiles of the networks `indices`; ZooError where there is none."""
        if not len(indices):
            raise ZooError("received an empty training split, expected networks in it")
        columns = feature_table(zoo, indices)
        self._names = sorted(columns)
        self._features = QuantileFeatures.of(feature_matrix(columns, self._names))
        return self

    def predict(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        """Features float32 [n, features]."""
        if self._features is None:
            raise ZooError("received StatisticFeatures that were not fitted, expected fit() before predict()")
        return self._features(feature_matrix(feature_table(zoo, indices), self._names))

    def get_state(self) -> dict[str, np.ndarray]:
        """All that `from_state` needs, as plain arrays by name."""
        if self._features is None:
            raise ZooError("received StatisticFeatures that were not fitted, expected fit() first")
        return {NAMES: np.array(self._names), **self._features.arrays()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> StatisticFeatures:
        """From `get_state`'s arrays; KeyError where one is missing."""
        found = cls()
        found._names = [str(name) for name in state[NAMES]]
        found._features = QuantileFeatures.from_arrays(state)
        return found
