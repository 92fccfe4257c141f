"""Movements and symmetries of INRs, held against what the INRs render."""

from __future__ import annotations

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.coordinates import grid, line
from gmn_tf.inr.movements import equivalent, graded, moved, turning

SIREN = InrArchitecture(hidden=(6, 5), frequency=7.0)
POINTS = grid(8, 8)


def weights(architecture: InrArchitecture = SIREN, number: int = 3) -> np.ndarray:
    flat = architecture.initial(number, seed=4)
    return flat + np.random.default_rng(1).normal(scale=0.1, size=flat.shape).astype(np.float32)


def render(architecture: InrArchitecture, flat: np.ndarray, points: np.ndarray = POINTS) -> np.ndarray:
    return np.asarray(architecture.render(flat, points))


@pytest.mark.parametrize("kind", ["siren", "relu"])
def test_a_moved_inr_shows_what_it_showed_at_the_moved_points(kind):
    architecture = InrArchitecture(kind=kind, hidden=(6, 5), frequency=7.0)
    flat = weights(architecture)
    matrices = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    shift = np.array([[0.3, -0.2], [0.0, 0.5], [-0.1, 0.1]], np.float32)
    answer = render(architecture, moved(architecture, flat, matrix=matrices, shift=shift))
    there = POINTS[np.newaxis] @ matrices + shift[:, np.newaxis]
    expected = np.concatenate([render(architecture, flat[i : i + 1], there[i]) for i in range(3)])
    np.testing.assert_allclose(answer, expected, atol=2e-5)
    assert np.abs(answer - render(architecture, flat)).max() > 0.05


def test_a_quarter_turn_is_that_of_the_pixels():
    flat = weights()
    pixels = render(SIREN, flat).reshape(3, 8, 8)
    turned = render(SIREN, moved(SIREN, flat, matrix=turning(90.0))).reshape(3, 8, 8)
    np.testing.assert_allclose(turned, np.rot90(pixels, axes=(1, 2)), atol=1e-5)


def test_a_shift_of_two_pixels_moves_the_picture_up():
    flat = weights()
    pixels = render(SIREN, flat).reshape(3, 8, 8)
    shifted = render(SIREN, moved(SIREN, flat, shift=np.array([2 * 2 / 7, 0.0]))).reshape(3, 8, 8)
    np.testing.assert_allclose(shifted[:, :6], pixels[:, 2:], atol=1e-5)


def test_fourier_features_turn_and_do_not_shift():
    architecture = InrArchitecture(kind="fourier", hidden=(5,), num_features=8, frequency=3.0)
    flat = weights(architecture)
    turned = render(architecture, moved(architecture, flat, matrix=turning(30.0)))
    np.testing.assert_allclose(turned, render(architecture, flat, POINTS @ turning(30.0)), atol=1e-5)
    with pytest.raises(InrError, match=r'"fourier" INR to shift: expected "siren" or "relu"'):
        moved(architecture, flat, shift=np.zeros(2))
    planes = InrArchitecture(kind="triplane", hidden=(5,), num_features=3, resolution=3)
    with pytest.raises(InrError, match='Received a "triplane" INR: expected "siren"'):
        moved(planes, planes.initial(1, seed=0), matrix=turning(1.0))


def test_flipped_and_turned_neurons_show_the_same():
    flat = weights()
    rng = np.random.default_rng(2)
    signs = [rng.choice([-1, 1], (3, units)) for units in SIREN.hidden]
    turns = [rng.integers(-3, 4, (3, units)) for units in SIREN.hidden]
    assert any((s < 0).any() for s in signs) and any((k % 2).any() for k in turns)
    changed = equivalent(SIREN, flat, signs=signs, half_turns=turns)
    np.testing.assert_allclose(render(SIREN, changed), render(SIREN, flat), atol=2e-4)
    assert np.abs(changed - flat).max() > 0.1
    np.testing.assert_allclose(equivalent(SIREN, flat), flat, atol=1e-7)
    relu = InrArchitecture(kind="relu", hidden=(3,))
    with pytest.raises(InrError, match='Received a "relu" INR: expected a "siren"'):
        equivalent(relu, relu.initial(1, seed=0))


def test_grading_changes_contrast_around_the_middle_and_adds_brightness():
    architecture = InrArchitecture(hidden=(4,), output_scale=0.5, output_shift=0.5, num_outputs=3)
    flat = weights(architecture)
    contrast, brightness = np.array([2.0, 1.0, 0.5]), np.array([0.0, 0.25, -0.1])
    before = render(architecture, flat)
    after = render(architecture, graded(architecture, flat, contrast=contrast, brightness=brightness))
    expected = contrast[:, None, None] * (before - 0.5) + 0.5 + brightness[:, None, None]
    np.testing.assert_allclose(after, expected, atol=1e-5)


def test_waves_move_too_and_wrong_shapes_are_refused():
    wave = InrArchitecture(hidden=(4,), num_inputs=1, output_shift=0.0)
    flat = weights(wave)
    points = line(20, -1.0, 1.0)
    answer = render(wave, moved(wave, flat, matrix=np.array([[0.5]]), shift=np.array([0.2])), points)
    np.testing.assert_allclose(answer, render(wave, flat, points * 0.5 + 0.2), atol=2e-5)
    with pytest.raises(InrError, match=r"expected \(N, 13\)"):
        moved(wave, flat[:, :-1], matrix=np.eye(1))
