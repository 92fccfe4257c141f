"""Where trained metanetworks are found: those that come with the package by name, others by their folder."""

from __future__ import annotations

import os
from pathlib import Path

from gmn_tf.errors import RunError

DEFAULT = "accuracy-diverse"
"""The general accuracy predictor: what is used where no metanetwork is named."""

_PACKAGE = Path(__file__).resolve().parent

FOLDERS = (_PACKAGE / "_savedmodels", _PACKAGE.parent / "savedmodels")
"""Where they may lie: inside an installed package (setup.py puts them there), beside it in a checkout."""

_METADATA = "metadata.json"


def names() -> list[str]:
    """The metanetworks that come with this installation, sorted."""
    found = {path.parent.name for folder in FOLDERS for path in folder.glob(f"*/{_METADATA}")}
    return sorted(found)


def resolve(model: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a metanetwork.

    Args:
        model: a folder (an export or a run), or the name of a metanetwork that comes with the package;
            a folder of that name wins. `None` is `DEFAULT`.

    Raises:
        RunError: there is neither a folder nor a metanetwork of that name.
    """
    if model is not None and Path(model).exists():
        return Path(model)
    name = DEFAULT if model is None else os.fspath(model)
    if Path(name).name == name:  # no folders in it
        for folder in FOLDERS:
            if (folder / name / _METADATA).is_file():
                return folder / name
    known = f"those that come with it are {', '.join(names())}" if names() else "none comes with it"
    if model is None:
        raise RunError(
            f"this installation of gmn_tf is without its general metanetwork {DEFAULT!r} ({known}): name an "
            "export or a run folder as the model."
        )
    raise RunError(
        f"{name}: found nothing, expected the folder of a run or an export, or the name of a metanetwork "
        f"that comes with gmn_tf ({known})."
    )
