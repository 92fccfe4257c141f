"""Result files: written beside and renamed, so that none is ever half there."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, text: str) -> None:
    """Writes a text file."""
    beside = path.with_name(path.name + ".partial")
    beside.write_text(text)
    beside.replace(path)
