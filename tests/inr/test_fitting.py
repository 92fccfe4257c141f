"""Fitting: an independent Adam as the judge, quality on digits, no network minds its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gmn_tf.errors import InrError
from gmn_tf.inr import quality
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.coordinates import grid
from gmn_tf.inr.fitting import fit_many
from gmn_tf.zoo.data import load_data

SMALL = InrArchitecture(hidden=(8,))
POINTS = grid(6, 6)


def _targets(number: int = 5) -> np.ndarray:
    """Smooth pictures: waves across the square."""
    rng = np.random.default_rng(0)
    turn, phase = rng.uniform(0, 2 * np.pi, (2, number, 1))
    direction = rng.uniform(2.0, 4.0, (number, 1)) * np.concatenate([np.cos(turn), np.sin(turn)], axis=1)
    return (0.5 + 0.4 * np.sin(direction @ POINTS.T + phase)).astype(np.float32)[..., np.newaxis]


def test_steps_are_those_of_keras_adam():
    """The same steps by tf_keras' Adam, network by network; 3 steps, so that no rounding is amplified."""
    import tf_keras

    targets, steps = _targets(2), 3
    fitted = fit_many(SMALL, targets, POINTS, steps=steps, learning_rate=1e-3, seed=1)
    for row in range(2):
        flat = tf.Variable(SMALL.initial(2, seed=1)[row : row + 1])
        adam = tf_keras.optimizers.Adam(1e-3, beta_2=0.99, epsilon=1e-8)
        errors, weights = [], []
        for _ in range(steps + 1):
            with tf.GradientTape() as tape:
                error = tf.reduce_mean((SMALL.render(flat, POINTS) - targets[row]) ** 2)
            errors.append(float(error))
            weights.append(flat.numpy()[0].copy())
            adam.apply_gradients([(tape.gradient(error, flat), flat)])
        best = int(np.argmin(errors))
        assert best > 0
        # Adam moves each weight by about the learning rate a step, here by at most 3e-3.
        np.testing.assert_allclose(fitted.flat[row], weights[best], atol=2e-5)
        assert fitted.psnr[row] == pytest.approx(-10 * np.log10(errors[best]), abs=0.01)


def test_psnr_is_that_of_what_is_rendered():
    targets = _targets()
    fitted = fit_many(SMALL, targets, POINTS, steps=60, learning_rate=5e-3, decay="cosine")
    np.testing.assert_allclose(
        fitted.psnr, quality.psnr(SMALL.render(fitted.flat, POINTS).numpy(), targets), atol=0.02
    )
    start = quality.psnr(SMALL.render(SMALL.initial(5, seed=0), POINTS).numpy(), targets)
    assert (fitted.psnr > start + 3).all()
    assert (fitted.steps == 60).all()


def test_a_network_does_not_mind_its_neighbours():
    targets = _targets(7)
    settings = {"steps": 40, "learning_rate": 5e-3, "target_psnr": 14.0, "seed": 2}
    together = fit_many(SMALL, targets, POINTS, **settings)
    assert len(set(together.steps)) > 2  # they leave their slots at different steps
    queued = fit_many(SMALL, targets, POINTS, slots=2, **settings)
    np.testing.assert_allclose(queued.flat, together.flat, atol=1e-5)
    np.testing.assert_array_equal(queued.steps, together.steps)
    last = fit_many(SMALL, targets[5:], POINTS, first=5, **settings)
    np.testing.assert_allclose(last.flat, together.flat[5:], atol=1e-5)
    done = together.steps < 40
    assert done.any() and (together.psnr[done] >= 14.0).all()


def test_a_digit_is_shown_well():
    image = load_data("digits").x_train[:2].reshape(2, 64, 1)
    fitted = fit_many(InrArchitecture(), image, grid(8, 8), steps=400, target_psnr=35.0)
    assert (fitted.psnr >= 35.0).all(), fitted


@pytest.mark.parametrize("kind", ["relu", "fourier", "triplane"])
def test_the_other_kinds_learn_too(kind):
    architecture = InrArchitecture(kind=kind, hidden=(16,), num_features=8, resolution=4, frequency=3.0)
    targets = _targets(2)
    fitted = fit_many(architecture, targets, POINTS, steps=200, learning_rate=1e-2, decay="cosine")
    constant = quality.psnr(np.broadcast_to(targets.mean(axis=1, keepdims=True), targets.shape), targets)
    assert (fitted.psnr > constant + 3).all()
    if kind == "fourier":  # its frequencies are not trained
        np.testing.assert_array_equal(fitted.flat[:, :8], architecture.initial(2, seed=0)[:, :8])


def test_progress_counts_up():
    seen = []
    fit_many(
        SMALL, _targets(3), POINTS, steps=10, slots=1, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.zeros((2, 35, 1))}, r"targets of shape \(2, 35, 1\)"),
        ({"targets": np.zeros((2, 36, 3))}, r"expected \[N, M, 1\]"),
        ({"targets": np.zeros((0, 36, 1))}, "no targets"),
        ({"steps": 0}, "1 or more steps"),
        ({"learning_rate": 0.0}, "a learning rate above 0"),
        ({"decay": "linear"}, 'Unknown decay "linear"'),
        ({"initial": np.zeros((2, 3))}, r"initial weights of shape \(2, 3\), expected \(2, 33\)"),
        ({"targets": np.full((2, 36, 1), np.nan)}, "Network 0 never had a finite error"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    arguments = {"targets": np.zeros((2, 36, 1)), "steps": 2} | change
    with pytest.raises(InrError, match=message):
        fit_many(SMALL, arguments.pop("targets"), POINTS, **arguments)


def test_psnr_by_hand():
    found = quality.psnr(np.array([[0.1, -0.1], [0.0, 0.0]]), np.zeros((2, 2)))
    assert found[0] == pytest.approx(20.0) and found[1] == np.inf
    with pytest.raises(InrError, match="expected the same shape"):
        quality.psnr(np.zeros((2, 2)), np.zeros((2, 3)))
