"""Classification: losses and figures by hand."""

from __future__ import annotations

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.tasks import classification

LOGITS = np.log(np.array([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]]))


def test_cross_entropy_by_hand():
    expected = -(np.log(0.7) + np.log(0.25)) / 2
    assert classification.cross_entropy(np.array([0, 2]), LOGITS) == pytest.approx(expected)
    assert classification.cross_entropy(np.array([0, 2]), LOGITS + 1000) == pytest.approx(expected)


def test_every_member_is_taught_by_itself_and_padding_counts_nothing():
    loss = classification.loss(3)
    two = np.concatenate([LOGITS, LOGITS[::-1]], axis=1)  # two members
    padded = np.concatenate([two, np.full((1, 6), 50.0)]).astype(np.float32)
    label = np.array([[0.0], [2.0], [0.0]], np.float32)
    value = float(loss(label, padded, sample_weight=np.array([0.5, 0.5, 0.0], np.float32)))
    first = -np.log(0.7) - np.log(0.25)  # of network 0 by either member
    second = -np.log(0.25) - np.log(0.1)
    assert value == pytest.approx(0.5 * first / 2 + 0.5 * second / 2, rel=1e-5)


def test_probabilities_and_logits_are_inverses():
    p = classification.probabilities(LOGITS + 700)
    np.testing.assert_allclose(p, np.exp(LOGITS))
    np.testing.assert_allclose(classification.probabilities(classification.logits(p)), p)
    assert np.isfinite(classification.logits(np.array([1.0, 0.0]))).all()


def test_confusion_by_hand():
    counts = classification.confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])


def test_labels_are_read_or_refused():
    table = {"network": np.arange(3), "label": np.array([2.0, 0.0, 1.0])}
    np.testing.assert_array_equal(classification.labels(table, np.array([2, 0])), [1, 2])
    assert classification.num_classes(table) == 3
    with pytest.raises(ZooError, match="without the column label"):
        classification.labels({"network": np.arange(3)}, np.array([0]))
    for wrong in (-1.0, 0.5, np.nan):
        with pytest.raises(ZooError, match="for network 1 of the zoo, expected a whole number from 0"):
            classification.labels({"label": np.array([0.0, wrong])}, np.arange(2))
    with pytest.raises(ZooError, match="received label cat for network 0"):
        classification.labels({"label": np.array(["cat"])}, np.arange(1))
