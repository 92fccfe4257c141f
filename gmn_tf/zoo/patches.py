"""A colour task of ten classes from two photographs that scikit-learn bundles.

The images are patches of 16 x 16 pixels of "china.jpg" and "flower.jpg". A class is one of five kinds of
shading times two of colour, both read off the patch by a rule, so that every label is right. Brightness is
the mean of the channels, 0 to 255; g, its gradient, is taken between the columns and the rows of each block
of 2 x 2 pixels.

- Shading. Kinds 0 to 3: the mean of g over the patch is at least `STRONG` and points within 30 degrees to the
  right, down, left or up: that side is lighter. Kind 4: the mean of g is at most `WEAK`, though its root mean
  square is at least `TEXTURE`: there is structure, and no side is lighter.
- Colour. Warm where mean red exceeds mean blue by at least `WARM`, cool where by at most `COOL`.

Patches between the classes are left out. Each photograph is cut into cells of 64 x 64 pixels, a quarter of
them for the test set; a patch lies in one cell and keeps 4 pixels from its border, so that training and test
patches are at least 8 pixels apart. Turning by 90 degrees and mirroring give more patches of each class;
their labels are computed anew.
"""

from __future__ import annotations

import numpy as np

from gmn_tf.zoo.image_files import Arrays

PATCH = 16
TRAIN_PER_CLASS, TEST_PER_CLASS = 400, 100
NUM_CLASSES = 10

CELL, BORDER, STRIDE = 64, 4, 2
STRONG, WEAK, TEXTURE = 4.0, 0.7, 6.0
"""Bytes per pixel."""
TOLERANCE = 30.0
"""Degrees."""
WARM, COOL = 30.0, -10.0

PHOTOGRAPHS = ("china.jpg", "flower.jpg")
_SEED = 0


def photograph_patches() -> Arrays:
    """Bytes [4000, 16, 16, 3] for training, [1000, 16, 16, 3] for test, and labels; the same always.

    The class is the kind of shading, 0 to 4, and 5 more where the patch is cool.
    """
    from sklearn.datasets import load_sample_image

    found: dict[bool, list[tuple[np.ndarray, np.ndarray]]] = {False: [], True: []}
    for name in PHOTOGRAPHS:
        photograph = load_sample_image(name)
        for row in range(photograph.shape[0] // CELL):
            for column in range(photograph.shape[1] // CELL):
                top, left = row * CELL, column * CELL
                patches = _cell_patches(photograph[top : top + CELL, left : left + CELL])
                turned = _orientations(patches[classes(patches) >= 0])
                found[is_test_cell(row, column)].append((turned, classes(turned)))
    rng = np.random.default_rng(_SEED)
    x_train, y_train = _balanced(found[False], TRAIN_PER_CLASS, rng)
    x_test, y_test = _balanced(found[True], TEST_PER_CLASS, rng)
    return x_train, y_train, x_test, y_test


def is_test_cell(row: int, column: int) -> bool:
    """Whether the patches of a cell are for the test set: every fourth, shifted by two from row to row."""
    return (column + 2 * row) % 4 == 1


def classes(patches: np.ndarray) -> np.ndarray:
    """Class of each patch, int64 [n], -1 where it has none; patches are bytes [n, 16, 16, 3]."""
    brightness = patches.sum(axis=3, dtype=np.int64)
    rows = brightness[:, 1:] + brightness[:, :-1]
    columns = brightness[:, :, 1:] + brightness[:, :, :-1]
    dx, dy = np.diff(rows, axis=2), np.diff(columns, axis=1)  # [n, 15, 15], six times the gradient
    along_x, along_y = dx.mean(axis=(1, 2)) / 6, dy.mean(axis=(1, 2)) / 6
    mean = np.hypot(along_x, along_y)
    texture = np.sqrt((dx**2 + dy**2).mean(axis=(1, 2))) / 6
    quarters = np.arctan2(along_y, along_x) / (np.pi / 2)
    nearest = np.round(quarters)
    one_side = (mean >= STRONG) & (np.abs(quarters - nearest) * 90.0 <= TOLERANCE)
    shading = np.where(one_side, nearest % 4, np.where((mean <= WEAK) & (texture >= TEXTURE), 4, -1))
    warmth = (patches[..., 0].astype(np.int64) - patches[..., 2]).mean(axis=(1, 2))
    cool = np.where(warmth >= WARM, 0, np.where(warmth <= COOL, 1, -1))
    return np.where((shading < 0) | (cool < 0), -1, shading + 5 * cool).astype(np.int64)


def _cell_patches(cell: np.ndarray) -> np.ndarray:
    """All patches of a cell at a stride, [n, 16, 16, 3]."""
    windows = np.lib.stride_tricks.sliding_window_view(
        cell[BORDER : CELL - BORDER, BORDER : CELL - BORDER], (PATCH, PATCH), axis=(0, 1)
    )[::STRIDE, ::STRIDE]  # [rows, columns, 3, 16, 16]
    return np.moveaxis(windows.reshape(-1, 3, PATCH, PATCH), 1, 3)


def _orientations(patches: np.ndarray) -> np.ndarray:
    """Each patch turned by 0, 90, 180 and 270 degrees, and these mirrored: [8 n, 16, 16, 3]."""
    turned = [np.rot90(patches, quarter, axes=(1, 2)) for quarter in range(4)]
    return np.concatenate([*turned, *(np.flip(one, axis=2) for one in turned)])


def _balanced(
    found: list[tuple[np.ndarray, np.ndarray]], number: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`number` patches of each class, drawn without repetition, in random order."""
    patches, labels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    chosen = [rng.choice(np.flatnonzero(labels == c), number, replace=False) for c in range(NUM_CLASSES)]
    order = rng.permutation(np.concatenate(chosen))
    return patches[order], labels[order]
