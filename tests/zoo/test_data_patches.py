"""The patches task: classes by the rule, regions apart, balanced, neither trivial nor a matter of colour."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.zoo import patches
from gmn_tf.zoo.data import Data, load_data


@pytest.fixture(scope="module")
def task() -> Data:
    return load_data("patches")


def _ramp(right: float, down: float, colour: tuple[int, int, int]) -> np.ndarray:
    """A patch whose brightness rises by so many bytes a pixel."""
    rows, columns = np.mgrid[:16, :16]
    light = 75 + right * (columns - 7.5) + down * (rows - 7.5)
    return (light[..., np.newaxis] + np.array(colour)).astype(np.uint8)


RED, BLUE, GREY = (60, 0, 0), (0, 0, 60), (10, 0, 0)


def test_classes_by_hand():
    bar = _ramp(0, 0, BLUE)
    bar[:, 4:12] += 40  # lighter in the middle: no side is lighter
    made = {
        0: _ramp(5, 0, RED),
        1: _ramp(0, 5, RED),
        2: _ramp(-5, 1, RED),
        3: _ramp(2, -5, RED),
        5: _ramp(5, 0, BLUE),
        7: _ramp(-5, -2, BLUE),
        9: bar,
    }
    np.testing.assert_array_equal(patches.classes(np.stack(list(made.values()))), list(made))
    without = {
        "flat": _ramp(0, 0, RED),
        "too weak": _ramp(3, 0, RED),
        "between the directions": _ramp(5, 4, RED),
        "between the colours": _ramp(5, 0, GREY),
    }
    assert set(patches.classes(np.stack(list(without.values())))) == {-1}


def test_turning_a_patch_turns_its_class():
    right = _ramp(5, 0, BLUE)
    turned = np.rot90(right), np.rot90(right, 2), np.rot90(right, 3), right[:, ::-1], right.transpose(1, 0, 2)
    np.testing.assert_array_equal(patches.classes(np.stack(turned)), [8, 7, 6, 7, 6])
    skewed = _ramp(5, 1, BLUE)[np.newaxis]
    eight = patches._orientations(skewed)
    assert len({one.tobytes() for one in eight}) == 8
    np.testing.assert_array_equal(np.bincount(patches.classes(eight), minlength=10)[5:], [2, 2, 2, 2, 0])


def test_the_task_is_balanced_and_the_same_always(task):
    assert task.x_train.shape == (4000, 16, 16, 3) and task.x_test.shape == (1000, 16, 16, 3)
    assert task.num_classes == patches.NUM_CLASSES == 10
    assert set(np.bincount(task.y_train)) == {400} and set(np.bincount(task.y_test)) == {100}
    assert load_data("patches").hash == task.hash
    as_bytes = np.round(task.x_test * 255).astype(np.uint8)
    np.testing.assert_array_equal(patches.classes(as_bytes), task.y_test)


def test_training_and_test_cells_part_both_photographs():
    kinds = np.array([[patches.is_test_cell(row, column) for column in range(10)] for row in range(6)])
    assert 0.2 < kinds.mean() < 0.3
    assert kinds.any(axis=1).all() and kinds.any(axis=0).sum() >= 5


def test_patches_of_different_cells_are_apart():
    """Mark each pixel with its place; the patches of a cell keep `BORDER` pixels from its edges."""
    rows, columns = np.mgrid[: patches.CELL, : patches.CELL]
    cell = np.stack([rows, columns, np.zeros_like(rows)], axis=2).astype(np.uint8)
    found = patches._cell_patches(cell)
    assert len(found) == 21 * 21
    for axis in (0, 1):
        assert found[..., axis].min() == patches.BORDER
        assert found[..., axis].max() == patches.CELL - patches.BORDER - 1


def test_no_test_patch_is_a_training_patch(task):
    train = {image.tobytes() for image in task.x_train}
    assert not any(image.tobytes() in train for image in task.x_test)


def test_colour_alone_halves_the_choices_and_shading_needs_more_than_a_mean(task):
    from sklearn.linear_model import RidgeClassifier

    def right(prepare):
        model = RidgeClassifier(alpha=10.0).fit(prepare(task.x_train), task.y_train)
        return float(np.mean(model.predict(prepare(task.x_test)) == task.y_test))

    assert 0.15 < right(lambda x: x.mean(axis=(1, 2))) < 0.35  # chance is .1
    assert 0.6 < right(lambda x: x.reshape(len(x), -1)) < 0.85  # kind 4 is not linear


def test_colour_patches_are_apart_and_the_same_always():
    from gmn_tf.zoo import colour_patches

    data = load_data("patches32")
    assert data.x_train.shape == (4000, 32, 32, 3) and data.x_test.shape == (1000, 32, 32, 3)
    np.testing.assert_array_equal(np.bincount(data.y_train), [2000, 2000])
    np.testing.assert_array_equal(np.bincount(data.y_test), [500, 500])
    assert load_data("patches32").hash == data.hash
    assert len({image.tobytes() for image in data.x_train}) > 3000  # not the same few
    rows, columns = np.mgrid[:427, :640]
    places = np.stack([rows, columns, np.zeros_like(rows)], axis=2)  # a photograph of its own coordinates
    pixels = [
        {tuple(place) for place in colour_patches._patches(places, test=test)[..., :2].reshape(-1, 2)}
        for test in (False, True)
    ]
    assert not pixels[0] & pixels[1]
