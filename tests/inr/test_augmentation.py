"""Random changes of INRs: what they keep, and what is refused."""

from __future__ import annotations

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.augmentation import InrAugmentation
from gmn_tf.inr.coordinates import grid

SIREN = InrArchitecture(hidden=(6, 5), frequency=7.0)
FLAT = SIREN.initial(4, seed=4) * 2
POINTS = grid(6, 6)


def change(flat: np.ndarray = FLAT, *, seed: int = 0, architecture=SIREN, **values) -> np.ndarray:
    return InrAugmentation.of(values)(architecture, flat, np.random.default_rng(seed))


def render(flat: np.ndarray, points: np.ndarray = POINTS) -> np.ndarray:
    return np.asarray(SIREN.render(flat, points))


def test_nothing_asked_for_nothing_changed():
    np.testing.assert_array_equal(change(), FLAT)


@pytest.mark.parametrize("values", [{"signs": 0.5}, {"phases": 3}, {"signs": 0.5, "phases": 1}])
def test_symmetries_change_weights_and_nothing_shown(values):
    changed = change(**values)
    assert np.abs(changed - FLAT).max() > 0.1
    np.testing.assert_allclose(render(changed), render(FLAT), atol=2e-4)


def test_pictures_move_each_by_a_draw_of_its_own():
    same = np.repeat(FLAT[:1], 500, axis=0)
    turned = change(same, rotation=20.0)
    kernel = SIREN.variables()[0].size
    np.testing.assert_array_equal(turned[:, kernel:], same[:, kernel:])
    # The first kernel is turned: its columns keep their lengths.
    before, after = (x[:, :kernel].reshape(-1, 2, SIREN.hidden[0]) for x in (same, turned))
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), np.linalg.norm(before, axis=1), rtol=1e-5)
    angle = np.arctan2(after[:, 1, 0], after[:, 0, 0]) - np.arctan2(before[:, 1, 0], before[:, 0, 0])
    angle = np.degrees((angle + np.pi) % (2 * np.pi) - np.pi)
    assert 18 < np.abs(angle).max() < 20.001 and abs(angle.mean()) < 3


def test_scaling_goes_as_far_either_way():
    same = np.repeat(FLAT[:1], 500, axis=0)
    ratio = change(same, scaling=0.25)[:, 0] / same[:, 0]
    assert 0.8 - 1e-5 < ratio.min() < 0.82 and 1.22 < ratio.max() < 1.25 + 1e-5


def test_contrast_shear_translation_and_brightness_change_what_is_shown():
    for values in ({"contrast": 0.5}, {"shear": 0.3}, {"translation": 0.3}, {"brightness": 0.3}):
        assert np.abs(render(change(**values)) - render(FLAT)).max() > 0.01, values


def test_noise_is_in_units_of_each_variable_and_dropout_spares_biases():
    noisy = change(np.repeat(FLAT[:1], 400, axis=0), noise=0.1) - FLAT[:1]
    start = 0
    for variable in SIREN.variables():
        part = slice(start, start + variable.size)
        start += variable.size
        np.testing.assert_allclose(noisy[:, part].std(), 0.1 * FLAT[0, part].std(), rtol=0.15, atol=1e-9)
    dropped = change(np.ones_like(FLAT), dropout=0.25)
    biases = np.concatenate([np.full(v.size, v.role == "bias") for v in SIREN.variables()])
    assert (dropped[:, biases] == 1).all()
    kernels = dropped[:, ~biases]
    assert set(np.round(np.unique(kernels), 4)) == {0.0, np.round(np.float32(4 / 3), 4)}
    assert 0.1 < (kernels == 0).mean() < 0.4


def test_the_generator_decides_and_the_given_weights_stay():
    before = FLAT.copy()
    every = {"rotation": 10, "noise": 0.1, "signs": 0.5, "translation": 0.1}
    first, again, other = (change(seed=seed, **every) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01 and first.dtype == np.float32
    np.testing.assert_array_equal(FLAT, before)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InrError, match=r"Unknown augmentation turning: expected some of rotation, transl"):
        InrAugmentation.of({"turning": 3})
    with pytest.raises(InrError, match="Received noise -1: expected 0 or more"):
        InrAugmentation.of({"noise": -1})
    with pytest.raises(InrError, match=r"Received signs 1\.5: expected 0 or more, and 1 or less"):
        InrAugmentation.of({"signs": 1.5})
    with pytest.raises(InrError, match="Received dropout 1: expected less"):
        InrAugmentation.of({"dropout": 1})
    wave = InrArchitecture(hidden=(4,), num_inputs=1)
    with pytest.raises(InrError, match="INR of 1 coordinates: rotation and shear are of pictures"):
        change(wave.initial(2, seed=0), architecture=wave, rotation=10)
