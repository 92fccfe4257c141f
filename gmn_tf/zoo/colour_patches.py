"""Colour patches of 32 x 32 pixels of the two photographs that scikit-learn bundles.

Any patch counts, whatever it shows; its label is the photograph, 0 for "china.jpg" and 1 for "flower.jpg".
Training and test patches are apart as `gmn_tf.zoo.patches` says: no test pixel is a training pixel. Patches
of one side overlap: their corners are multiples of 4 pixels.
"""

from __future__ import annotations

import numpy as np

from gmn_tf.zoo.image_files import Arrays
from gmn_tf.zoo.patches import BORDER, CELL, PHOTOGRAPHS, is_test_cell

PATCH, STRIDE = 32, 4
TRAIN_PER_PHOTOGRAPH, TEST_PER_PHOTOGRAPH = 2000, 500

_SEED = 0


def colour_patches() -> Arrays:
    """Bytes [4000, 32, 32, 3] for training, [1000, 32, 32, 3] for test, and labels; the same always."""
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(_SEED)
    sides: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for name in PHOTOGRAPHS:
        photograph = load_sample_image(name)
        for test, number in ((False, TRAIN_PER_PHOTOGRAPH), (True, TEST_PER_PHOTOGRAPH)):
            found = _patches(photograph, test=test)
            sides[test].append(found[rng.choice(len(found), number, replace=False)])
    return *_mixed(sides[False], rng), *_mixed(sides[True], rng)


def _patches(photograph: np.ndarray, *, test: bool) -> np.ndarray:
    """All patches of the cells for test, or of those for training, [n, 32, 32, 3]."""
    found = []
    for row in range(photograph.shape[0] // CELL):
        for column in range(photograph.shape[1] // CELL):
            if is_test_cell(row, column) == test:
                top, left = row * CELL + BORDER, column * CELL + BORDER
                inner = photograph[top : top + CELL - 2 * BORDER, left : left + CELL - 2 * BORDER]
                windows = np.lib.stride_tricks.sliding_window_view(inner, (PATCH, PATCH), axis=(0, 1))
                found.append(windows[::STRIDE, ::STRIDE].reshape(-1, 3, PATCH, PATCH))
    return np.moveaxis(np.concatenate(found), 1, 3)


def _mixed(patches: list[np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Patches of both photographs in random order, and their labels."""
    labels = np.repeat(np.arange(len(patches)), [len(one) for one in patches])
    order = rng.permutation(len(labels))
    return np.concatenate(patches)[order], labels[order]
