"""Writing so that a reader finds the old file or the new one, never half of either."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gmn_tf.errors import RunError


def write(path: Path, fill: Callable[[Path], None]) -> None:
    """Lets `fill` write a file beside `path`, then renames it.

    Raises:
        RunError: the file cannot be written (a full disk, no permission); nothing half-written is left.
    """
    beside = path.with_name(f".{os.getpid()}.{path.name}")  # the suffix stays, some writers go by it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fill(beside)
        beside.replace(path)
    except OSError as error:
        raise RunError(
            f"{path} cannot be written ({error}): free some space or choose another folder"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON text, indented, with NaN and infinity as null."""
    text = json.dumps(finite(value), indent=2, default=_plain, allow_nan=False) + "\n"
    write(path, lambda beside: _write_text(beside, text))


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text."""
    write(path, lambda beside: _write_text(beside, text))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file's whole content."""
    write(path, lambda beside: _write_bytes(beside, data))


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Reads a JSON object; RunError says `what` is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path.parent} has no {path.name}: it is not {what}") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}): it is damaged, train again") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} holds no JSON object: it is damaged, train again")
    return value


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def finite(value: Any) -> Any:
    """The value with NaN and infinity, which JSON does not have, as None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} does not go into JSON")
