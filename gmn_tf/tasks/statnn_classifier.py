"""StatNN for classes: weight statistics into gradient-boosted trees, one ensemble per class."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.tasks import classification
from gmn_tf.tasks.statistics import Networks, feature_matrix, feature_table
from gmn_tf.tasks.statnn import NAMES, SplitNetworks
from gmn_tf.tasks.trees import Trees

LEARNING_RATES = (0.1,)
LEAF_NODES = (7, 15)
LEAF_SIZES = (20,)
MAX_TREES = 150
_CLASS = "class_{:03d}/{}"


class StatNNClassifier:
    """`gmn_tf.tasks.statnn.StatNN` with a logit per class (Unterthiner et al. 2020, section 4.2, on classes).

    Size and number of the trees are those with the lowest cross-entropy on the validation split.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.settings: dict[str, Any] = {}
        """The chosen settings and their loss on the validation split, after `fit`."""
        self.history: list[dict[str, Any]] = []
        """The settings tried, after `fit`."""
        self._names: list[str] = []
        self._trees: list[Trees] = []

    @property
    def num_parameters(self) -> int:
        """Numbers learnt: a threshold per split, a value per leaf."""
        return sum(trees.num_parameters for trees in self._trees)

    def fit(
        self, zoo: SplitNetworks, indices: np.ndarray, *, validation: np.ndarray | None = None
    ) -> StatNNClassifier:
        """Fits on the networks `indices`, chooses on `validation` (default: the zoo's validation split).

        Raises:
            ZooError: either set is empty, a weight is not finite, or a class has no training network.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        chosen = zoo.indices("validation") if validation is None else validation
        for name, part in (("training", indices), ("validation", chosen)):
            if not len(part):
                raise ZooError(f"received an empty {name} split, expected networks in it")
        number = classification.num_classes(zoo.table)
        y, y_chosen = (classification.labels(zoo.table, part) for part in (indices, chosen))
        absent = sorted(set(range(number)) - set(y.tolist()))
        if absent:
            raise ZooError(f"received no training network of class {absent[0]}: make a larger zoo")
        columns = feature_table(zoo, indices)
        self._names = sorted(columns)
        x = feature_matrix(columns, self._names)
        x_chosen = feature_matrix(feature_table(zoo, chosen), self._names)
        best, self.history = np.inf, []
        for rate, leaves, leaf_size in itertools.product(LEARNING_RATES, LEAF_NODES, LEAF_SIZES):
            fitted = HistGradientBoostingClassifier(
                learning_rate=rate,
                max_leaf_nodes=leaves,
                min_samples_leaf=leaf_size,
                max_iter=MAX_TREES,
                max_features=0.3,
                early_stopping=False,
                random_state=self.seed,
            ).fit(x, y)
            losses = [
                classification.cross_entropy(y_chosen, _all_logits(stage))
                for stage in fitted.staged_predict_proba(x_chosen)
            ]
            count = int(np.argmin(losses)) + 1
            self.history.append(
                {
                    "learning_rate": rate,
                    "max_leaf_nodes": leaves,
                    "min_samples_leaf": leaf_size,
                    "trees": count,
                    "validation_loss": losses[count - 1],
                }
            )
            if losses[count - 1] < best:
                best, self.settings = losses[count - 1], self.history[-1]
                self._trees = Trees.per_class(fitted, count=count)
        return self

    def predict(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        """Probabilities [n, classes]."""
        if not self._trees:
            raise ZooError("received a StatNNClassifier that was not fitted, expected fit() before predict()")
        x = feature_matrix(feature_table(zoo, indices), self._names)
        return classification.probabilities(np.stack([trees.predict(x) for trees in self._trees], axis=1))

    def get_state(self) -> dict[str, np.ndarray]:
        """All that `from_state` needs, as plain arrays by name."""
        if not self._trees:
            raise ZooError("received a StatNNClassifier that was not fitted, expected fit() first")
        state = {NAMES: np.array(self._names)}
        for label, trees in enumerate(self._trees):
            state |= {_CLASS.format(label, name): array for name, array in trees.arrays().items()}
        return state

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> StatNNClassifier:
        """A StatNNClassifier ready to predict, from `get_state`'s arrays.

        Raises:
            KeyError: an array is missing.
            RunError: they are no trees.
        """
        found = cls()
        found._names = [str(name) for name in state[NAMES]]
        prefixes = sorted({name.rpartition("/")[0] for name in state if "/" in name})
        for prefix in prefixes:
            own = {name.rpartition("/")[2]: a for name, a in state.items() if name.startswith(f"{prefix}/")}
            found._trees.append(Trees.from_arrays(own))
        if len(found._trees) < 2:
            raise KeyError("trees of two classes or more")
        return found


def _all_logits(probability: np.ndarray) -> np.ndarray:
    return classification.logits(probability, smallest=1e-12)
