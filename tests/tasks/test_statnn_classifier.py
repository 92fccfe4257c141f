"""StatNN for classes: its stored trees answer as scikit-learn does."""

from __future__ import annotations

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from gmn_tf.errors import ZooError
from gmn_tf.tasks import classification
from gmn_tf.tasks.statnn_classifier import StatNNClassifier
from gmn_tf.tasks.trees import Trees


@pytest.mark.parametrize("number", [2, 3, 5])
def test_trees_of_each_class_answer_as_scikit_learn_does(number):
    rng = np.random.default_rng(number)
    x = rng.normal(size=(120, 4))
    y = np.digitize(x[:, 0] + x[:, 1] ** 2, np.linspace(0, 2, number - 1))
    x[rng.uniform(size=x.shape) < 0.1] = np.nan
    fitted = HistGradientBoostingClassifier(max_iter=7, min_samples_leaf=3).fit(x, y)
    for count in (3, 7):
        trees = Trees.per_class(fitted, count=count)
        assert len(trees) == number
        found = classification.probabilities(np.stack([t.predict(x) for t in trees], axis=1))
        *_, expected = (p for p, _ in zip(fitted.staged_predict_proba(x), range(count), strict=False))
        np.testing.assert_allclose(found, expected, atol=1e-10)
        copies = [Trees.from_arrays(t.arrays()) for t in trees]
        np.testing.assert_array_equal(copies[-1].predict(x), trees[-1].predict(x))


def test_what_is_not_fitted_is_refused():
    with pytest.raises(ZooError, match=r"expected fit\(\) before predict"):
        StatNNClassifier().predict(None, np.zeros(0, int))
    with pytest.raises(ZooError, match=r"expected fit\(\) first"):
        StatNNClassifier().get_state()
    with pytest.raises(KeyError):
        StatNNClassifier.from_state({"feature_names": np.array(["a"])})
