"""Files of a zoo on disk: written beside and renamed, checked by size and SHA-256."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gmn_tf.errors import ZooError

MANIFEST = "manifest.json"
TABLE = "table.csv"
ARCHITECTURES = "architectures.json"
HISTOGRAM = "accuracies.png"
KERAS_FOLDER = "keras"
KERAS_TABLE = "accuracies.csv"


def weights_file(architecture: int) -> str:
    """Name of the file with the weights of all networks of one architecture."""
    return f"weights-{architecture:04d}.npy"


def make_folder(path: Path) -> None:
    """Makes a folder and its parents; ZooError where that cannot be done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZooError(f"Cannot write to {path}: {error.strerror or error}.") from error


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to `path` on success and removed on failure.

    Raises:
        ZooError: the file could not be written (disk full, no permission).
    """
    beside = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield beside
        with beside.open("rb+") as stream:
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        raise ZooError(
            f"Cannot write {path}: {error.strerror or error}; free space or choose another folder."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def write_bytes(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Creates `path` with what `write` puts into the stream."""
    with written(path) as beside, beside.open("wb") as stream:
        write(stream)


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON document."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    write_bytes(path, lambda stream: stream.write(text.encode()))


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes an `.npy` file of plain numbers."""
    write_bytes(path, lambda stream: np.save(stream, array, allow_pickle=False))


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows, all with the same columns, as CSV; floats so that they read back equal."""
    with written(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_json(path: Path) -> Any:
    """Reads a JSON document; ZooError where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ZooError(f"{path} is missing: the zoo is incomplete, generate it again.") from error
    except (OSError, ValueError) as error:
        raise ZooError(f"{path} is damaged ({error}): generate the zoo again.") from error


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file, as the manifest keeps them."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}


def check(path: Path, expected: dict[str, Any]) -> None:
    """Raises ZooError unless the file is what the manifest says."""
    if not path.is_file():
        raise ZooError(f"{path} is missing: the zoo is incomplete, generate it again.")
    size = path.stat().st_size
    if size != expected["size"]:
        raise ZooError(
            f"{path} was cut short or changed: {size} bytes, the manifest says {expected['size']}; "
            "generate the zoo again."
        )
    if fingerprint(path)["sha256"] != expected["sha256"]:
        raise ZooError(f"{path} was changed: its checksum is not the manifest's; generate the zoo again.")
