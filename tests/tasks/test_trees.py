"""Trees as plain arrays: they answer as scikit-learn does, and what is no tree is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import RunError
from gmn_tf.tasks.trees import Trees

ROWS = 300


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 6))
    x[rng.random(x.shape) < 0.2] = np.nan
    y = np.nan_to_num(x[:, 0]) * (np.isnan(x[:, 1]) - 0.5) + 0.1 * rng.normal(size=ROWS)
    return x, y


def fitted(data, count):
    from sklearn.ensemble import HistGradientBoostingRegressor

    arguments = {"max_features": 0.5, "early_stopping": False, "random_state": 3, "min_samples_leaf": 5}
    return HistGradientBoostingRegressor(max_iter=count, **arguments).fit(*data)


def test_by_hand():
    """Baseline 1; a split at 1, missing to the right, with leaves 10 and 20; a tree that is a leaf of 0.5."""
    trees = Trees(
        baseline=np.array([1.0]),
        roots=np.array([0, 3]),
        feature=np.array([1, 0, 0, 0]),
        threshold=np.array([1.0, 0, 0, 0]),
        missing_left=np.array([False, False, False, False]),
        left=np.array([1, 1, 2, 3]),
        right=np.array([2, 1, 2, 3]),
        value=np.array([7.0, 10.0, 20.0, 0.5]),
    )
    x = np.array([[9, 1.0], [9, 1.01], [9, np.nan], [9, -np.inf]])
    np.testing.assert_array_equal(trees.predict(x), [11.5, 21.5, 21.5, 11.5])
    assert trees.num_parameters == 4


def test_answers_are_those_of_scikit_learn(data):
    forest = fitted(data, 20)
    trees = Trees.of(forest, count=20)
    fresh = np.random.default_rng(1).normal(size=(100, 6))
    fresh[::7, 2] = np.nan
    for x in (data[0], fresh):
        np.testing.assert_allclose(trees.predict(x), forest.predict(x), rtol=1e-12, atol=1e-12)
    assert trees.predict(fresh).std() > 0.1


def test_the_first_trees_are_those_of_a_shorter_boosting(data):
    first = Trees.of(fitted(data, 20), count=8)
    np.testing.assert_allclose(first.predict(data[0]), fitted(data, 8).predict(data[0]), rtol=1e-12)


def test_arrays_and_back(data, tmp_path):
    trees = Trees.of(fitted(data, 3), count=3)
    np.savez(tmp_path / "trees.npz", **trees.arrays())
    with np.load(tmp_path / "trees.npz", allow_pickle=False) as stored:
        again = Trees.from_arrays(dict(stored))
    np.testing.assert_array_equal(again.predict(data[0]), trees.predict(data[0]))


def test_what_is_no_tree_is_refused(data):
    arrays = Trees.of(fitted(data, 3), count=3).arrays()
    back = arrays["left"].copy()
    back[arrays["left"][0]] = 0  # a child that leads back to the root: a walk without end
    for wrong in ({"left": back}, {"right": arrays["right"] + 10**6}, {"value": arrays["value"][1:]}):
        with pytest.raises(RunError, match="are no trees"):
            Trees.from_arrays({**arrays, **wrong})
    with pytest.raises(RunError, match="are no trees"):
        Trees.from_arrays({**arrays, "roots": arrays["roots"] - 1})
