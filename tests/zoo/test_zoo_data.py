"""Data sets: fixed split, content hash, clear refusals."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.zoo.data import load_data


def _save(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 12, 12), dtype=np.uint8),
        "y_train": np.arange(20, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 256, (10, 12, 12), dtype=np.uint8),
        "y_test": np.arange(10, dtype=np.uint8),
    }
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return f"mnist:{path}"


def test_digits_are_split_the_same_way_always(digits):
    again = load_data("digits")
    assert again.hash == digits.hash
    assert digits.x_test.shape == (500, 8, 8, 1)
    assert digits.x_train.shape == (1297, 8, 8, 1)
    assert digits.x_train.min() == 0.0 and digits.x_train.max() == 1.0
    assert np.bincount(digits.y_test).min() >= 48  # stratified
    train = {image.tobytes() for image in digits.x_train}
    assert not any(image.tobytes() in train for image in digits.x_test)


def test_data_cannot_be_changed_in_place(digits):
    with pytest.raises(ValueError):
        digits.x_train[0] = 1.0


def test_mnist_file(tmp_path):
    data = load_data(_save(tmp_path / "mnist.npz"))
    assert data.image_shape == (12, 12, 1) and data.num_classes == 10
    assert 0.9 < data.x_train.max() <= 1.0
    other = load_data(_save(tmp_path / "other.npz", y_test=np.zeros(10, np.uint8)))
    assert other.hash != data.hash


@pytest.mark.parametrize("name", ["cifar", "mnist:", "", "@14", "digits:file", "digits@small", "mnist:@14"])
def test_unknown_names_are_refused(name):
    with pytest.raises(
        ZooError, match=r'Unknown data .*expected one of "digits", "patches", .*"mnist" or "mni'
    ):
        load_data(name)


def test_an_option_makes_images_smaller(digits):
    small = load_data("digits@4")
    assert small.image_shape == (4, 4, 1) and small.hash != digits.hash
    by_hand = digits.x_test[7, 2:4, 4:6, 0].mean()
    assert small.x_test[7, 1, 2, 0] == pytest.approx(by_hand, abs=1e-6)
    np.testing.assert_array_equal(small.y_test, digits.y_test)
    assert load_data("digits@8").hash == digits.hash
    with pytest.raises(ZooError, match="@9 for digits, whose images are 8 x 8: expected 1 to 8"):
        load_data("digits@9")


def test_an_option_averages_colours(tmp_path):
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (10, 12, 12, 3), dtype=np.uint8) for name in ("x_train", "x_test")}
    name = _save(tmp_path / "colours.npz", y_train=np.arange(10), **images)
    grey = load_data(name + "@grey")
    assert load_data(name).image_shape == (12, 12, 3) and grey.image_shape == (12, 12, 1)
    np.testing.assert_allclose(grey.x_test[..., 0], images["x_test"].mean(axis=3) / 255, atol=1e-6)
    assert load_data(name + "@6@grey").image_shape == (6, 6, 1)
    assert load_data(name + "@grey@6").hash == load_data(name + "@6@grey").hash


def test_large_test_sets_are_cut_to_2000_stratified(tmp_path):
    labels = np.repeat(np.arange(4), [2500, 100, 1399, 1])
    images = np.arange(4000).reshape(4000, 1, 1) / 4000.0 * np.ones((1, 2, 2))
    name = _save(tmp_path / "large.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    data = load_data(name)
    assert len(data.x_train) == 4000 and len(data.x_test) == 2000
    np.testing.assert_array_equal(
        np.bincount(data.y_test)[:3], [1250, 50, 700]
    )  # .5 of a network rounds once
    chosen = np.round(data.x_test[:, 0, 0, 0] * 4000).astype(int)
    np.testing.assert_array_equal(labels[chosen], data.y_test)  # each image kept its label
    assert len(set(chosen)) == 2000 and load_data(name).hash == data.hash


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ZooError, match="No such data file"):
        load_data(f"mnist:{tmp_path / 'none.npz'}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": None}, "lacks the arrays x_test"),
        ({"x_train": np.array([{}] * 20, dtype=object)}, "not a readable .npz"),
        ({"x_train": np.zeros((20, 3))}, "images of shape"),
        ({"y_train": np.zeros(19, np.int64)}, "labels of shape"),
        ({"x_test": np.zeros((10, 8, 8))}, "different shapes"),
    ],
)
def test_wrong_content_is_refused(tmp_path, changes, message):
    with pytest.raises(ZooError, match=message):
        load_data(_save(tmp_path / "bad.npz", **changes))


def test_truncated_file_is_refused(tmp_path):
    name = _save(tmp_path / "cut.npz")
    content = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ZooError, match=r"not a readable .npz"):
        load_data(name)
