"""Data sets in the files they are published in: `.npz` archives, IDX files, CIFAR-10's binary version.

None of these can hold code, and nothing is ever unpickled; the "python version" of CIFAR-10, a pickle, is
refused.
"""

from __future__ import annotations

import gzip
import math
import os
import tarfile
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gmn_tf.errors import ZooError

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Training images [n, height, width(, channels)] and labels [n], test images and labels."""

DATA_SETS: dict[str, tuple[str, ...]] = {
    "mnist": ("mnist.npz", "mnist"),
    "fashion_mnist": ("fashion_mnist.npz", "fashion-mnist"),
    "cifar10": ("cifar10.npz", "cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
}
"""Data sets that come as files, and what they are called in Keras' folder of data sets."""

_NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_CIFAR_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
_CIFAR_SIDE = 32
_CIFAR_RECORD = 1 + 3 * _CIFAR_SIDE**2  # label, then the red, green and blue plane


def cached(kind: str) -> Path:
    """The file of a data set in the folder where Keras keeps its own.

    Raises:
        ZooError: it is not there.
    """
    home = os.environ.get("KERAS_HOME")
    folder = (Path(home) if home else Path.home() / ".keras") / "datasets"
    for name in DATA_SETS[kind]:
        if (folder / name).exists():
            return folder / name
    raise ZooError(
        f"No data file for {kind}: put an .npz file with the arrays {', '.join(_NPZ_ARRAYS)} at "
        f"{folder / DATA_SETS[kind][0]}, or name one with {kind}:/path/to/file."
    )


def read(kind: str, path: Path) -> Arrays:
    """Reads a data set.

    Args:
        kind: one of `DATA_SETS`.
        path: an `.npz` file with `x_train`, `y_train`, `x_test`, `y_test`, as `keras.datasets` gives them; a
            folder of the four IDX files that MNIST and Fashion-MNIST are published in, as they are or `.gz`;
            for "cifar10" also the binary version: a folder, or `.tar.gz`, of `data_batch_1.bin` to
            `data_batch_5.bin` and `test_batch.bin`.

    Raises:
        ZooError: the file is missing, damaged or of other content.
    """
    if not path.exists():
        raise ZooError(f"No such data file: {path}; expected {_expected(kind)}.")
    if kind == "cifar10" and (path.is_dir() or path.name.endswith((".tar.gz", ".tgz", ".tar"))):
        arrays = _cifar(path)
    elif path.is_dir():
        arrays = _idx_folder(path)
    else:
        arrays = _npz(path)
    x_train, y_train, x_test, y_test = arrays
    y_train, y_test = _labels(y_train), _labels(y_test)
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        _check(images, labels, path)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ZooError(f"{path} holds training and test images of different shapes.")
    return x_train, y_train, x_test, y_test


def _expected(kind: str) -> str:
    npz = f"an .npz file with the arrays {', '.join(_NPZ_ARRAYS)}"
    other = "the binary version (a folder or .tar.gz)" if kind == "cifar10" else "a folder of IDX files"
    return f"{npz}, or {other}"


def _npz(path: Path) -> Arrays:
    try:
        with np.load(os.fspath(path), allow_pickle=False) as archive:
            missing = [key for key in _NPZ_ARRAYS if key not in archive.files]
            if missing:
                raise ZooError(
                    f"{path} lacks the arrays {', '.join(missing)}: expected {', '.join(_NPZ_ARRAYS)}."
                )
            x_train, y_train, x_test, y_test = (archive[key] for key in _NPZ_ARRAYS)
            return x_train, y_train, x_test, y_test
    except ZooError:
        raise
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ZooError(f"{path} is not a readable .npz file of plain arrays: {error}") from error


def _idx_folder(path: Path) -> Arrays:
    x_train, y_train, x_test, y_test = (_idx(path, name) for name in _IDX_FILES)
    return x_train, y_train, x_test, y_test


def _idx(folder: Path, name: str) -> np.ndarray:
    """One IDX file of bytes: two zeros, type 8, number of axes, their lengths (big-endian), the bytes."""
    for path in (folder / f"{name}.gz", folder / name):
        if not path.is_file():
            continue
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (OSError, EOFError) as error:
            raise ZooError(f"{path} is damaged: {error}") from error
        axes = int(name[name.index("idx") + 3])
        start = 4 + 4 * axes
        sizes = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
        if content[:4] != bytes([0, 0, 8, axes]) or len(content) - start != math.prod(sizes):
            raise ZooError(f"{path} is not an IDX file of bytes with {axes} axes, or it was cut short.")
        return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)
    raise ZooError(f"{folder} lacks the file {name}.gz: expected the IDX files {', '.join(_IDX_FILES)}.")


def _cifar(path: Path) -> Arrays:
    if path.is_dir() and (path / "data_batch_1").exists():
        raise ZooError(
            f'{path} holds the "python version" of CIFAR-10, which is pickled and never read: take the '
            "binary version, or save the arrays of keras.datasets.cifar10.load_data() with numpy.savez."
        )
    blocks = _folder_blocks(path) if path.is_dir() else _archive_blocks(path)
    parts = []
    for name in _CIFAR_FILES:
        if name not in blocks:
            raise ZooError(f"{path} lacks the file {name}: expected {', '.join(_CIFAR_FILES)}.")
        content = np.frombuffer(blocks[name], np.uint8)
        if not len(content) or len(content) % _CIFAR_RECORD:
            raise ZooError(
                f"{name} of {path} was cut short: {len(content)} bytes, expected records of {_CIFAR_RECORD}."
            )
        parts.append(content.reshape(-1, _CIFAR_RECORD))
    train, test = np.concatenate(parts[:-1]), parts[-1]
    return _planes(train), train[:, 0], _planes(test), test[:, 0]


def _planes(records: np.ndarray) -> np.ndarray:
    planes = records[:, 1:].reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))  # [n, height, width, channels]


def _folder_blocks(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in _CIFAR_FILES if (path / name).is_file()}


def _archive_blocks(path: Path) -> dict[str, bytes]:
    """The named members of the archive, read in memory: nothing is extracted."""
    blocks = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                stream: BinaryIO | None = None
                if member.isfile() and name in _CIFAR_FILES:
                    stream = archive.extractfile(member)  # type: ignore[assignment]
                if stream is not None:
                    blocks[name] = stream.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ZooError(f"{path} is not a readable .tar.gz file: {error}") from error
    return blocks


def _labels(labels: np.ndarray) -> np.ndarray:
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels  # as Keras has CIFAR-10's


def _check(images: np.ndarray, labels: np.ndarray, path: Path) -> None:
    if images.ndim not in (3, 4) or images.dtype.kind not in "uif" or 0 in images.shape:
        raise ZooError(
            f"{path} holds images of shape {images.shape}: expected [n, height, width(, channels)]."
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "ui" or labels.min() < 0:
        raise ZooError(f"{path} holds labels of shape {labels.shape}: expected one class number per image.")
    if images.dtype != np.uint8 and not (images.min() >= 0 and images.max() <= 1):
        raise ZooError(
            f"{path} holds {images.dtype} images with values from {images.min():g} to {images.max():g}: "
            "expected bytes, or fractions in [0, 1]."
        )
