"""Published file formats: read without running code, refused where cut short, found where Keras keeps."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.zoo import image_files
from gmn_tf.zoo.data import load_data

BATCHES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]


def _cifar_files(seed: int = 0) -> dict[str, bytes]:
    """Two records per file; the first pixel of the first image of each file is (1, 2, 3)."""
    rng = np.random.default_rng(seed)
    contents = {}
    for name in BATCHES:
        records = rng.integers(0, 256, (2, 3073), dtype=np.uint8)
        records[:, 0] = (3, 9)
        records[0, 1], records[0, 1 + 1024], records[0, 1 + 2048] = 1, 2, 3
        contents[name] = records.tobytes()
    return contents


def _folder(path, contents):
    path.mkdir(parents=True)
    for name, content in contents.items():
        (path / name).write_bytes(content)
    return path


def _idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


def _fashion_files() -> dict[str, bytes]:
    rng = np.random.default_rng(1)
    return {
        "train-images-idx3-ubyte.gz": gzip.compress(_idx(rng.integers(0, 256, (6, 4, 5), dtype=np.uint8))),
        "train-labels-idx1-ubyte.gz": gzip.compress(_idx(np.arange(6, dtype=np.uint8))),
        "t10k-images-idx3-ubyte": _idx(np.full((2, 4, 5), 255, np.uint8)),
        "t10k-labels-idx1-ubyte": _idx(np.array([1, 4], np.uint8)),
    }


def test_cifar_binary_folder(tmp_path):
    data = load_data(f"cifar10:{_folder(tmp_path / 'bin', _cifar_files())}")
    assert data.x_train.shape == (10, 32, 32, 3) and data.x_test.shape == (2, 32, 32, 3)
    np.testing.assert_allclose(data.x_train[2, 0, 0] * 255, [1, 2, 3], atol=1e-5)  # red, green, blue planes
    np.testing.assert_array_equal(data.y_train, [3, 9] * 5)
    assert data.num_classes == 10


def test_cifar_archive_is_read_without_extracting(tmp_path):
    contents = _cifar_files()
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**contents, "readme.html": b"<html>", "../outside.bin": b"x"}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("cifar-10-batches-bin/link.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    folder = _folder(tmp_path / "bin", contents)
    assert load_data(f"cifar10:{path}").hash == load_data(f"cifar10:{folder}").hash
    assert {found.name for found in tmp_path.iterdir()} == {path.name, "bin"}


def test_cifar_npz_with_labels_in_a_column(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"x_{part}": rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8) for part in ("train", "test")}
    np.savez(tmp_path / "cifar.npz", **arrays, y_train=[[0], [1], [2], [9]], y_test=[[0], [1], [2], [9]])
    np.testing.assert_array_equal(load_data(f"cifar10:{tmp_path / 'cifar.npz'}").y_test, [0, 1, 2, 9])


def test_cifar_python_version_is_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was run",))

    folder = _folder(tmp_path / "py", {"data_batch_1": pickle.dumps(Bomb()), "test_batch": b""})
    with pytest.raises(ZooError, match=r"python version.*pickled and never read: take the binary version"):
        load_data(f"cifar10:{folder}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_4.bin", None, r"lacks the file data_batch_4.bin"),
        ("test_batch.bin", b"\x00" * 3000, r"test_batch.bin .* was cut short: 3000 bytes.*records of 3073"),
        ("data_batch_1.bin", b"", r"cut short: 0 bytes"),
    ],
)
def test_wrong_cifar_files_are_refused(tmp_path, name, content, message):
    contents = {key: value for key, value in (_cifar_files() | {name: content}).items() if value is not None}
    with pytest.raises(ZooError, match=message):
        load_data(f"cifar10:{_folder(tmp_path / 'bin', contents)}")


def test_a_cut_archive_is_refused(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in _cifar_files().items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ZooError, match=r"not a readable .tar.gz|lacks the file"):
        load_data(f"cifar10:{path}")


def test_idx_folder(tmp_path):
    data = load_data(f"fashion_mnist:{_folder(tmp_path / 'idx', _fashion_files())}")
    assert data.x_train.shape == (6, 4, 5, 1) and data.num_classes == 6
    assert np.all(data.x_test == 1.0)
    np.testing.assert_array_equal(data.y_test, [1, 4])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t10k-labels-idx1-ubyte", None, "lacks the file t10k-labels-idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte", _idx(np.zeros((2, 4, 5), np.uint8))[:-1], "or it was cut short"),
        (
            "t10k-images-idx3-ubyte",
            b"\x00\x00\x08\x01\x00\x00\x00\x01\x00",
            "not an IDX file of bytes with 3",
        ),
        ("t10k-images-idx3-ubyte", b"", "not an IDX file"),
        ("train-labels-idx1-ubyte.gz", b"no gzip", "is damaged"),
    ],
)
def test_wrong_idx_files_are_refused(tmp_path, name, content, message):
    contents = {
        key: value for key, value in (_fashion_files() | {name: content}).items() if value is not None
    }
    with pytest.raises(ZooError, match=message):
        load_data(f"fashion_mnist:{_folder(tmp_path / 'idx', contents)}")


@pytest.mark.parametrize("kind", image_files.DATA_SETS)
def test_an_absent_file_is_told_where_to_go(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ZooError) as caught:
        load_data(kind)
    assert str(tmp_path / "datasets" / f"{kind}.npz") in str(caught.value)
    assert f"{kind}:/path/to/file" in str(caught.value)


def test_plain_names_find_what_keras_has(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    _folder(tmp_path / "datasets" / "fashion-mnist", _fashion_files())
    _folder(tmp_path / "datasets" / "cifar-10-batches-bin", _cifar_files())
    assert load_data("fashion_mnist").x_train.shape == (6, 4, 5, 1)
    assert load_data("fashion_mnist@2").x_train.shape == (6, 2, 2, 1)
    assert load_data("cifar10@grey").x_train.shape == (10, 32, 32, 1)


def test_images_that_are_neither_bytes_nor_fractions_are_refused(tmp_path):
    images, labels = np.full((3, 4, 4), 200), np.arange(3)
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.raises(ZooError, match="values from 200 to 200: expected bytes, or fractions"):
        load_data(f"mnist:{tmp_path / 'a.npz'}")
