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


@pytest.mark.parametrize("name", ["cifar", "mnist", "mnist:", ""])
def test_unknown_names_are_refused(name):
    with pytest.raises(ZooError, match=r'Unknown data .*expected "digits" or "mnist:'):
        load_data(name)


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
