"""Starts: each INR its own, the same ones always, within the recipe's limits."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import InrArchitecture

NUMBER = 40


def _pieces(architecture: InrArchitecture) -> list[np.ndarray]:
    flat = architecture.initial(NUMBER, seed=0)
    ends = np.cumsum([variable.size for variable in architecture.variables()])[:-1]
    return np.split(flat, ends, axis=1)


HIDDEN, DENSE = np.sqrt(6 / 32) / 30, 1 / np.sqrt(32)


@pytest.mark.parametrize(
    ("architecture", "limits"),
    [
        # kernel, bias of the first, the second and the last layer
        (InrArchitecture.of_recipe("dws"), [1 / 2, 0, HIDDEN, 0, DENSE, DENSE]),
        (InrArchitecture.of_recipe("nfn"), [1 / 2, 1 / np.sqrt(2), HIDDEN, DENSE, HIDDEN, DENSE]),
        (
            InrArchitecture(kind="relu"),
            [np.sqrt(6 / 2), 1 / np.sqrt(2), np.sqrt(6 / 32), DENSE, DENSE, DENSE],
        ),
    ],
)
def test_limits_of_the_recipes(architecture, limits):
    for piece, limit in zip(_pieces(architecture), limits, strict=True):
        assert np.abs(piece).max() <= limit * (1 + 1e-6)
        assert np.abs(piece).max() >= limit * 0.9
        assert np.std(piece) == pytest.approx(limit / np.sqrt(3), rel=0.15)  # uniform


def test_encodings_are_normal():
    frequencies = _pieces(InrArchitecture(kind="fourier", frequency=7.0))[0]
    assert np.std(frequencies) == pytest.approx(7.0, rel=0.1)
    assert np.std(_pieces(InrArchitecture(kind="triplane"))[0]) == pytest.approx(0.1, rel=0.05)


def test_each_inr_has_a_start_of_its_own_whoever_is_beside_it():
    architecture = InrArchitecture(hidden=(4,))
    all_ = architecture.initial(6, seed=3)
    assert all_.dtype == np.float32
    assert len(np.unique(all_, axis=0)) == 6
    np.testing.assert_array_equal(architecture.initial(2, seed=3, first=4), all_[4:])
    assert not np.array_equal(architecture.initial(6, seed=4), all_)
    with pytest.raises(InrError, match="expected 0 or more"):
        architecture.initial(1, seed=-1)
