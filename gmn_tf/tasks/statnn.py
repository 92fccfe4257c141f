"""The baselines: StatNN (weight statistics into gradient-boosted trees) and the constant predictor."""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.tasks import accuracy
from gmn_tf.tasks.metrics import r2
from gmn_tf.tasks.statistics import Networks, feature_matrix, feature_table
from gmn_tf.tasks.trees import Trees

LEARNING_RATES = (0.07,)
LEAF_NODES = (7, 15, 31)
LEAF_SIZES = (5, 20)
MAX_TREES = 300

NAMES = "feature_names"
"""Entry of a state that holds the names of the columns."""


class SplitNetworks(Networks, Protocol):
    """A zoo with its fixed splits."""

    def indices(self, split: str, /) -> np.ndarray: ...


class StatNN:
    """Gradient-boosted trees on per-layer statistics (Unterthiner et al. 2020).

    Features: `gmn_tf.tasks.statistics.feature_table`. Learning rate, size of the trees, size of their
    leaves and number of trees are those with the best R2 on the validation split.

    Example:
        predictions = StatNN(seed=0).fit(zoo, zoo.indices("train")).predict(zoo, zoo.indices("test"))
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.settings: dict[str, Any] = {}
        """The chosen settings and their R2 on the validation split, after `fit`."""
        self.history: list[dict[str, Any]] = []
        """The settings tried, each with its R2 on the validation split, after `fit`."""
        self._names: list[str] = []
        self._trees: Trees | None = None

    @property
    def num_parameters(self) -> int:
        """Numbers learnt: a threshold per split, a value per leaf."""
        return 0 if self._trees is None else self._trees.num_parameters

    def fit(self, zoo: SplitNetworks, indices: np.ndarray, *, validation: np.ndarray | None = None) -> StatNN:
        """Fits on the networks `indices`, chooses on `validation` (default: the zoo's validation split).

        Raises:
            ZooError: either set is empty, or a weight is not finite.
        """
        chosen = zoo.indices("validation") if validation is None else validation
        for name, part in (("training", indices), ("validation", chosen)):
            if not len(part):
                raise ZooError(f"received an empty {name} split, expected networks in it")
        train = feature_table(zoo, indices)
        self._names = sorted(train)
        x, y = feature_matrix(train, self._names), accuracy.targets(zoo.table, indices)
        x_chosen = feature_matrix(feature_table(zoo, chosen), self._names)
        y_chosen = accuracy.targets(zoo.table, chosen)
        best = np.inf
        self.history = []
        for rate, leaves, leaf_size in itertools.product(LEARNING_RATES, LEAF_NODES, LEAF_SIZES):
            trees = self._regressor(rate, leaves, leaf_size, MAX_TREES).fit(x, y)
            # Where R2 is defined it falls with the error; of networks with one accuracy it is not.
            stages = [np.clip(p, 0.0, 1.0) for p in trees.staged_predict(x_chosen)]
            errors = [float(np.mean((p - y_chosen) ** 2)) for p in stages]
            count = int(np.argmin(errors)) + 1
            score = r2(y_chosen, stages[count - 1])
            self.history.append(
                {
                    "learning_rate": rate,
                    "max_leaf_nodes": leaves,
                    "min_samples_leaf": leaf_size,
                    "trees": count,
                    "validation_r2": score if np.isfinite(score) else None,
                }
            )
            if errors[count - 1] < best:
                best, self.settings = errors[count - 1], self.history[-1]
                # Boosting adds trees one by one: the first `count` are what fitting `count` would give.
                self._trees = Trees.of(trees, count=count)
        return self

    def predict(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        """Predicted accuracies [n], clipped to [0, 1]."""
        if self._trees is None:
            raise ZooError("received a StatNN that was not fitted, expected fit() before predict()")
        return np.clip(
            self._trees.predict(feature_matrix(feature_table(zoo, indices), self._names)), 0.0, 1.0
        )

    def get_state(self) -> dict[str, np.ndarray]:
        """All that `from_state` needs, as plain arrays by name."""
        if self._trees is None:
            raise ZooError("received a StatNN that was not fitted, expected fit() before get_state()")
        return {NAMES: np.array(self._names), **self._trees.arrays()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> StatNN:
        """A StatNN ready to predict, from `get_state`'s arrays.

        Raises:
            KeyError: an array is missing.
            RunError: they are no trees.
        """
        statnn = cls()
        statnn._names = [str(name) for name in state[NAMES]]
        statnn._trees = Trees.from_arrays(state)
        return statnn

    def _regressor(self, rate: float, leaves: int, leaf_size: int, trees: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingRegressor

        return HistGradientBoostingRegressor(
            learning_rate=rate,
            max_leaf_nodes=leaves,
            min_samples_leaf=leaf_size,
            max_iter=trees,
            max_features=0.3,
            early_stopping=False,
            random_state=self.seed,
        )


class Constant:
    """Predicts the mean accuracy of the training networks, whatever the weights."""

    def __init__(self) -> None:
        self.value = float("nan")

    def fit(self, zoo: Networks, indices: np.ndarray) -> Constant:
        """Takes the mean over the networks `indices`; ZooError where there is none."""
        if not len(indices):
            raise ZooError("received an empty training split, expected networks in it")
        self.value = float(np.mean(accuracy.targets(zoo.table, indices)))
        return self

    def predict(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        """The same value for each of the networks `indices`, [n]."""
        return np.full(len(indices), self.value)
