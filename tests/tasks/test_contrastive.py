"""NT-Xent by hand."""

from __future__ import annotations

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest

from gmn_tf.tasks import contrastive

# Cosines: 0 and 1 are at 60 degrees (0.5), 2 and 3 the same, everything else at right angles or opposite.
VECTORS = np.array([[2, 0, 0], [1, 3**0.5, 0], [0, 0, 5], [0, 0, 0.1]], np.float32)
NUMBERS = np.array([1, 1, 2, 2], np.float32)
T = 0.5


def by_hand() -> np.ndarray:
    e = np.exp
    # View 0: positive cosine 0.5, negatives 0 and 0. View 2: positive 1, negatives 0 and 0.
    first = -np.log(e(0.5 / T) / (e(0.5 / T) + 2 * e(0)))
    third = -np.log(e(1 / T) / (e(1 / T) + 2 * e(0)))
    return np.array([first, first, third, third])


def test_four_vectors_by_hand():
    found = contrastive.nt_xent(VECTORS, NUMBERS, temperature=T)
    np.testing.assert_allclose(found, by_hand(), rtol=1e-5)


def test_opposite_views_and_a_small_temperature_stay_finite():
    pair = np.array([[1, 0], [-1, 0], [1, 0], [0, 1]], np.float32)
    found = np.asarray(contrastive.nt_xent(pair, NUMBERS, temperature=0.01))
    # View 0: its positive at -1, a negative at 1: log(e^100 (1 + ...)) + 100.
    assert found[0] == pytest.approx(200.0, rel=1e-5) and np.isfinite(found).all()


def test_padding_and_lonely_views_count_for_nothing():
    padded = np.concatenate([VECTORS, np.ones((2, 3), np.float32)])
    numbers = np.concatenate([NUMBERS, [contrastive.PADDING] * 2])
    found = np.asarray(contrastive.nt_xent(padded, numbers, temperature=T))
    np.testing.assert_allclose(found[:4], by_hand(), rtol=1e-5)
    assert (found[4:] == 0).all()
    assert float(contrastive.nt_xent(VECTORS[:3], NUMBERS[:3], temperature=T)[2]) == 0


def test_order_does_not_matter():
    order = np.array([2, 0, 3, 1])
    found = contrastive.nt_xent(VECTORS[order], NUMBERS[order], temperature=T)
    np.testing.assert_allclose(found, by_hand()[order], rtol=1e-5)


def test_the_loss_of_two_members_is_their_mean():
    loss = contrastive.loss(3, temperature=T)
    two = np.concatenate([VECTORS, VECTORS[::-1]], axis=1)
    value = float(loss(NUMBERS[:, np.newaxis], two, sample_weight=np.full(4, 0.25, np.float32)))
    # The second member has the vectors of view 3 at view 0, and so on: its losses are the same, reversed.
    assert value == pytest.approx((by_hand() + by_hand()[::-1]).mean() / 2, rel=1e-5)


def test_gradients_are_finite_also_of_a_zero_vector():
    import tensorflow as tf

    variable = tf.Variable(np.concatenate([VECTORS[:3], np.zeros((1, 3), np.float32)]))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(contrastive.nt_xent(variable, NUMBERS, temperature=T))
    assert np.isfinite(tape.gradient(total, variable)).all()


def test_figures_of_views():
    views = VECTORS.reshape(2, 2, 3)
    found = contrastive.figures(views, temperature=T)
    assert found["loss"] == pytest.approx(by_hand().mean(), rel=1e-5) and found["retrieval"] == 1
    swapped = contrastive.figures(VECTORS[[0, 2, 1, 3]].reshape(2, 2, 3), temperature=T)
    assert swapped["retrieval"] == 0 and swapped["loss"] > found["loss"]
    assert contrastive.figures(views * np.nan, temperature=T)["loss"] == np.inf
    assert np.isnan(contrastive.figures(views[:1], temperature=T)["loss"])
    # In one batch the third network's views lie on the first's, which tie with their own.
    six = np.concatenate([views, views[:1]])
    assert contrastive.figures(six, temperature=T)["loss"] > found["loss"]
    assert contrastive.figures(six, temperature=T, batch_size=2)["loss"] == found["loss"]
