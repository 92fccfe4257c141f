"""Targets, loss and its weights of the accuracy task."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gmn_tf.errors import ZooError
from gmn_tf.tasks import accuracy


def test_targets_must_be_shares():
    table = {accuracy.TARGET_COLUMN: np.array([0.1, 0.9, 1.5], np.float32)}
    np.testing.assert_allclose(accuracy.targets(table, np.array([1, 0])), [0.9, 0.1])
    with pytest.raises(ZooError, match="network 2"):
        accuracy.targets(table, np.array([0, 2]))
    with pytest.raises(ZooError, match=accuracy.TARGET_COLUMN):
        accuracy.targets({}, np.array([0]))


def test_loss_is_the_mean_over_real_networks_alone():
    target, logit = np.array([[0.25], [1.0], [0.0]]), np.array([[0.5], [-1.0], [50.0]])
    weight = np.array([0.5, 0.5, 0.0])  # two networks and the padding, which is wildly wrong
    # -(y log s(z) + (1 - y) log(1 - s(z))) = log(1 + e^z) - y z.
    by_hand = 0.5 * (np.log1p(np.exp(0.5)) - 0.125 + np.log1p(np.exp(-1.0)) + 1.0)
    assert float(accuracy.loss()(target, logit, weight)) == pytest.approx(by_hand, rel=1e-6)
    assert accuracy.cross_entropy(target[:2, 0], logit[:2, 0]) == pytest.approx(by_hand, rel=1e-6)


def test_probability_does_not_overflow():
    np.testing.assert_allclose(
        accuracy.probability(np.array([-1e4, 0.0, 2.0, 1e4])), [0, 0.5, tf.sigmoid(2.0).numpy(), 1], atol=1e-7
    )
