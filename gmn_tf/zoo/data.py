"""The labelled images a population is trained and measured on."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import image_files, resizing
from gmn_tf.zoo.image_files import Arrays

MAX_TEST = 2000
"""Test images kept of a larger set; an accuracy measured on 2,000 has a standard error of at most .011."""

_DIGITS_TEST_SIZE = 500
_SPLIT_SEED = 0
_OPTION = re.compile(r"(?P<name>.*)@(?P<option>\d+|grey)")


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
    """Loads a data set by name, with a file where it needs one; nothing is downloaded.

    Args:
        name: one of

            - "digits": 1,797 handwritten digits, 8 x 8 grey, bundled with scikit-learn, of which 500 are the
              test set, stratified, the same ones always.
            - "patches": patches of two photographs bundled with scikit-learn, 16 x 16 in colour, 10 classes;
              see `gmn_tf.zoo.patches`.
            - "digits28": the digits enlarged to 28 x 28 by cubic splines.
            - "patches32": patches of those photographs, 32 x 32 in colour, labelled by photograph; see
              `gmn_tf.zoo.colour_patches`.
            - "mnist:PATH", "fashion_mnist:PATH", "cifar10:PATH": files in the forms that
              `gmn_tf.zoo.image_files` reads. Without ":PATH" the file is looked for where Keras keeps its
              data sets, `~/.keras/datasets` (or `$KERAS_HOME/datasets`).

            and behind it, optionally, "@14" (any number of pixels a side: the images are made that small by
            averaging areas) and "@grey" (the mean over the channels), such as "cifar10:PATH@16@grey".

    Of a data set with more than 2,000 test images a stratified choice of 2,000 is kept, the same always.

    Raises:
        ZooError: the name is unknown, or the file is missing, damaged or of other content.
    """
    source, size, grey = _options(name)
    kind, _, path = source.partition(":")
    if source in _BUNDLED:
        images, where = _BUNDLED[source](), source
    elif kind in image_files.DATA_SETS and source != f"{kind}:":
        file = Path(path).expanduser() if path else image_files.cached(kind)
        images, where = image_files.read(kind, file), str(file)
    else:
        known = [f'"{bundled}"' for bundled in _BUNDLED]
        known += [f'"{file}" or "{file}:/path/to/file"' for file in image_files.DATA_SETS]
        raise ZooError(
            f'Unknown data "{name}": expected one of {", ".join(known)}, each also with @14 (pixels a side) '
            "or @grey behind it."
        )
    x_train, y_train, x_test, y_test = images
    kept = _kept(y_test)
    x_test, y_test = x_test[kept], y_test[kept]
    return _make(
        _prepared(x_train, size, grey, where), y_train, _prepared(x_test, size, grey, where), y_test, name
    )


def _options(name: str) -> tuple[str, int | None, bool]:
    """The name without its options, pixels a side or None, whether to average channels."""
    size, grey = None, False
    while match := _OPTION.fullmatch(name):
        name, option = match["name"], match["option"]
        if option == "grey":
            grey = True
        elif size is None:
            size = int(option)
    return name, size, grey


def _digits() -> Arrays:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).reshape(-1, 8, 8, 1)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=_DIGITS_TEST_SIZE, stratify=labels, random_state=_SPLIT_SEED
    )
    return x_train, y_train, x_test, y_test


def _patches() -> Arrays:
    from gmn_tf.zoo.patches import photograph_patches

    return photograph_patches()


def _digits28() -> Arrays:
    x_train, y_train, x_test, y_test = _digits()
    return resizing.enlarge(x_train, 28), y_train, resizing.enlarge(x_test, 28), y_test


def _patches32() -> Arrays:
    from gmn_tf.zoo.colour_patches import colour_patches

    return colour_patches()


_BUNDLED: dict[str, Callable[[], Arrays]] = {
    "digits": _digits,
    "patches": _patches,
    "digits28": _digits28,
    "patches32": _patches32,
}


def _kept(labels: np.ndarray) -> np.ndarray:
    """Numbers of the test images that are kept, rising: all, or `MAX_TEST` of them, stratified."""
    if len(labels) <= MAX_TEST:
        return np.arange(len(labels))
    rng = np.random.default_rng(_SPLIT_SEED)
    order = rng.permutation(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * MAX_TEST / len(labels)
    wanted = np.floor(shares).astype(int)
    wanted[np.argsort(wanted - shares, kind="stable")[: MAX_TEST - wanted.sum()]] += 1  # largest remainders
    kept = [order[labels[order] == c][:number] for c, number in zip(classes, wanted, strict=True)]
    return np.sort(np.concatenate(kept))


def _prepared(images: np.ndarray, size: int | None, grey: bool, where: str) -> np.ndarray:
    """float32 [n, height, width, channels]; bytes become fractions of 255."""
    images = images[..., np.newaxis] if images.ndim == 3 else images
    scaled = images.astype(np.float32)  # a copy
    if images.dtype == np.uint8:
        scaled /= np.float32(255.0)
    if grey and scaled.shape[3] > 1:
        scaled = scaled.mean(axis=3, keepdims=True)
    if size is None or scaled.shape[1:3] == (size, size):
        return scaled
    return resizing.shrink(scaled, size, where=where)


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
        digest.update(array.data)
    return Data(*arrays, name=name, hash=digest.hexdigest())
