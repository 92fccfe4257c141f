"""The labelled images a population is trained and measured on."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np

from gmn_tf.errors import ZooError

_DIGITS_TEST_SIZE = 500
_DIGITS_SPLIT_SEED = 0
_MNIST_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclasses.dataclass(frozen=True)
class Data:
    """Images in [0, 1], float32 [n, height, width, channels], and labels, int32 [n].

    `name` says where they come from and `hash` identifies their content: two data sets with the same
    hash are the same, whatever they are called.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    name: str
    hash: str

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        """Number of classes, counted from the training labels."""
        return int(self.y_train.max()) + 1


def load_data(name: str) -> Data:
    """Loads "digits" (bundled with scikit-learn) or "mnist:/path/to/mnist.npz".

    Args:
        name: "digits": 1,797 handwritten digits, 8 x 8, of which 500 are the test set, stratified, the
            same ones always. "mnist:PATH": an `.npz` file with the arrays `x_train`, `y_train`,
            `x_test`, `y_test`, as `keras.datasets.mnist` stores it.

    Raises:
        ZooError: the name is unknown, or the file is missing, damaged or of other content.
    """
    if name == "digits":
        return _digits()
    kind, _, path = name.partition(":")
    if kind == "mnist" and path:
        return _mnist(Path(path).expanduser(), name)
    raise ZooError(f'Unknown data "{name}": expected "digits" or "mnist:/path/to/mnist.npz".')


def _digits() -> Data:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).reshape(-1, 8, 8, 1)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=_DIGITS_TEST_SIZE, stratify=labels, random_state=_DIGITS_SPLIT_SEED
    )
    return _make(x_train, y_train, x_test, y_test, "digits")


def _mnist(path: Path, name: str) -> Data:
    if not path.is_file():
        raise ZooError(f"No such data file: {path}; expected an .npz file as keras.datasets.mnist stores it.")
    try:
        with np.load(os.fspath(path), allow_pickle=False) as archive:
            missing = [key for key in _MNIST_ARRAYS if key not in archive.files]
            if missing:
                raise ZooError(
                    f"{path} lacks the arrays {', '.join(missing)}: expected {', '.join(_MNIST_ARRAYS)}."
                )
            x_train, y_train, x_test, y_test = (archive[key] for key in _MNIST_ARRAYS)
    except ZooError:
        raise
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ZooError(f"{path} is not a readable .npz file of plain arrays: {error}") from error
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        _check(images, labels, path)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ZooError(f"{path} holds training and test images of different shapes.")
    scale = 255.0 if x_train.dtype == np.uint8 else 1.0
    return _make(_channels(x_train) / scale, y_train, _channels(x_test) / scale, y_test, name)


def _check(images: np.ndarray, labels: np.ndarray, path: Path) -> None:
    if images.ndim not in (3, 4) or images.dtype.kind not in "uif" or 0 in images.shape:
        raise ZooError(
            f"{path} holds images of shape {images.shape}: expected [n, height, width(, channels)]."
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "ui" or labels.min() < 0:
        raise ZooError(f"{path} holds labels of shape {labels.shape}: expected one class number per image.")


def _channels(images: np.ndarray) -> np.ndarray:
    return images[..., np.newaxis] if images.ndim == 3 else images


def _make(
    x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, name: str
) -> Data:
    arrays = (
        np.ascontiguousarray(x_train, np.float32),
        np.ascontiguousarray(y_train, np.int32),
        np.ascontiguousarray(x_test, np.float32),
        np.ascontiguousarray(y_test, np.int32),
    )
    digest = hashlib.sha256()
    for array in arrays:
        array.setflags(write=False)
        digest.update(str(array.shape).encode())
        digest.update(array.tobytes())
    return Data(*arrays, name=name, hash=digest.hexdigest())
