"""Boosted regression trees as plain arrays: stored without pickle, evaluated without scikit-learn."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gmn_tf.errors import RunError

_PER_NODE = ("feature", "threshold", "missing_left", "left", "right", "value")


@dataclasses.dataclass(frozen=True)
class Trees:
    """An additive ensemble: `baseline + sum over trees of the value of the leaf that a row falls into`.

    Nodes of all trees stand one after the other. A row goes left where its feature is at most the
    threshold, or, where it is missing (nan), as `missing_left` says.

    Attributes:
        baseline: float64 [1].
        roots: int64 [trees], the first node of each tree.
        feature: int64 [nodes], column that a node splits by.
        threshold: float64 [nodes].
        missing_left: bool [nodes].
        left, right: int64 [nodes], the children; a leaf's are itself.
        value: float64 [nodes], of a leaf.
    """

    baseline: np.ndarray
    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, fitted: Any, *, count: int) -> Trees:
        """The first `count` trees of a fitted `sklearn.ensemble.HistGradientBoostingRegressor`."""
        return cls._of(fitted, count=count, column=0)

    @classmethod
    def per_class(cls, fitted: Any, *, count: int) -> list[Trees]:
        """The first `count` trees of each class of a fitted `HistGradientBoostingClassifier`.

        Their answers are logits, whose softmax are the probabilities. Of two classes scikit-learn fits the
        second's alone; the first's are those of no trees.
        """
        classes = range(len(fitted._predictors[0]))
        found = [cls._of(fitted, count=count, column=column) for column in classes]
        if len(found) > 1:
            return found
        nothing = np.zeros(0)
        none = {field.name: nothing.astype(np.int64) for field in dataclasses.fields(cls)}
        empty = {**none, "baseline": np.zeros(1), "threshold": nothing, "value": nothing}
        return [cls(**{**empty, "missing_left": nothing.astype(bool)}), *found]

    @classmethod
    def _of(cls, fitted: Any, *, count: int, column: int) -> Trees:
        # No public attribute of scikit-learn's holds them; a test compares the answers.
        parts = [stage[column].nodes for stage in fitted._predictors[:count]]
        nodes = np.concatenate(parts)
        sizes = [len(part) for part in parts]
        roots = np.cumsum([0, *sizes[:-1]])
        own = np.arange(len(nodes))
        first = np.repeat(roots, sizes)
        leaf = nodes["is_leaf"].astype(bool)
        return cls(
            baseline=np.asarray(fitted._baseline_prediction, np.float64).reshape(-1)[column : column + 1],
            roots=roots,
            feature=np.where(leaf, 0, nodes["feature_idx"].astype(np.int64)),
            threshold=np.where(leaf, 0.0, nodes["num_threshold"].astype(np.float64)),
            missing_left=nodes["missing_go_to_left"].astype(bool),
            left=np.where(leaf, own, first + nodes["left"].astype(np.int64)),
            right=np.where(leaf, own, first + nodes["right"].astype(np.int64)),
            value=nodes["value"].astype(np.float64),
        )

    @property
    def num_parameters(self) -> int:
        """A threshold per split and a value per leaf."""
        return len(self.value)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Answers float64 [n] for rows [n, features], in which nan is a missing value."""
        answer = np.full(len(x), self.baseline[0])
        rows = np.arange(len(x))
        for root in self.roots:
            node = np.full(len(x), root)
            while True:
                values = x[rows, self.feature[node]]
                goes_left = np.where(
                    np.isnan(values), self.missing_left[node], values <= self.threshold[node]
                )
                following = np.where(goes_left, self.left[node], self.right[node])
                if np.array_equal(following, node):
                    break
                node = following
            answer += self.value[node]
        return answer

    def arrays(self) -> dict[str, np.ndarray]:
        """The attributes by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Trees:
        """The inverse of `arrays`; further entries are ignored.

        Raises:
            RunError: they are no trees: a node that leads nowhere, or back.
        """
        found = cls(**{field.name: arrays[field.name] for field in dataclasses.fields(cls)})
        size = len(found.value)
        own = np.arange(size)
        sound = all(len(getattr(found, name)) == size for name in _PER_NODE)
        if sound:
            leaf = (found.left == own) & (found.right == own)
            for child in (found.left, found.right):  # children stand behind, so every walk down ends
                sound &= bool(((child < size) & (leaf | (child > own))).all())
        if not sound or not ((found.roots >= 0) & (found.roots < size)).all():
            raise RunError("received arrays that are no trees, expected those that Trees.arrays gives")
        return found
