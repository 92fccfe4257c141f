"""Keras files in, Keras models out, without ever running code that a file brings along.

The architecture stored in the file is vetted before Keras sees it (`gmn_tf.convert.vetting`); what passes is
loaded with Keras' own safe mode. Files written by Keras 2 are read by tf_keras, all others by Keras 3.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.convert.vetting import vet
from gmn_tf.errors import ModelFileError

_ARCHIVE_SUFFIXES = (".keras",)
_HDF5_SUFFIXES = (".h5", ".hdf5")
_MAX_JSON_BYTES = 1 << 28


def load_keras_model(path: str | os.PathLike[str]) -> Any:
    """Loads a whole Keras model, refusing everything that could run code or carries broken numbers.

    Args:
        path: a `.keras` archive, or a legacy `.h5` / `.hdf5` file that holds a whole model.

    Returns:
        The model, uncompiled: a `keras.Model`, or a `tf_keras.Model` when Keras 2 wrote the file.

    Raises:
        ModelFileError: the file is missing, a folder, cut short, no Keras model, holds weights only, needs
            code (Lambda, unregistered classes), was never built, or has NaN or infinite weights.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.exists():
        raise ModelFileError(f"{path}: there is no such file; give the path of a .keras or .h5 file.")
    if path.is_dir():
        raise ModelFileError(
            f"{path}: this is a folder, expected a .keras or .h5 file; save with model.save('x.keras')."
        )
    if suffix in _ARCHIVE_SUFFIXES:
        config, version = _read_archive(path)
    elif suffix in _HDF5_SUFFIXES:
        config, version = _read_hdf5(path)
    else:
        raise ModelFileError(
            f"{path}: the name ends in {suffix or 'nothing'!r}, expected .keras or .h5; "
            "save the model with model.save('x.keras')."
        )
    library = _library(version)
    vet(config, path=path, library=library)
    model = _load(path, library)
    if not model.built:
        raise ModelFileError(
            f"{path}: the model was saved before it was built, so it has no weights; "
            "call it once on data (or give it an Input) and save it anew."
        )
    check_finite(model, model.get_weights(), path)
    return model


def _library(version: str) -> Any:
    if version.split(".")[0] == "2":
        import tf_keras

        return tf_keras
    import keras

    import gmn_tf.keras_layers  # noqa: F401  (registers them)

    return keras


def _read_archive(path: Path) -> tuple[Any, str]:
    """The architecture and the Keras version that a .keras archive states."""
    with path.open("rb") as file:
        start = file.read(4)
    if not zipfile.is_zipfile(path):
        found = "an archive cut short" if start[:2] == b"PK" else "no zip archive" if start else "empty"
        raise ModelFileError(
            f"{path}: this is {found}, so not a whole .keras file; copy it again or save the model anew."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "config.json" not in names:
                raise ModelFileError(
                    f"{path}: a zip archive without config.json, so not a Keras model; "
                    "save the model with model.save('x.keras')."
                )
            config = _read_json(archive, "config.json", path)
            metadata = _read_json(archive, "metadata.json", path) if "metadata.json" in names else {}
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise ModelFileError(f"{path}: damaged archive ({first_line(error)}); copy it again.") from error
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return config, str(version or "3")


def _read_json(archive: zipfile.ZipFile, name: str, path: Path) -> Any:
    if archive.getinfo(name).file_size > _MAX_JSON_BYTES:
        raise ModelFileError(f"{path}: {name} would unpack to more than {_MAX_JSON_BYTES} bytes; refused.")
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: {name} in it is not readable JSON; save the model anew.") from error


def _read_hdf5(path: Path) -> tuple[Any, str]:
    """The architecture and the Keras version that an HDF5 file states."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            stored, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "2")
            weights_only = "layer_names" in file.attrs or "layers" in file or "vars" in file
    except OSError as error:
        raise ModelFileError(
            f"{path}: not a readable HDF5 file, or cut short ({first_line(error)}); "
            "copy it again or save the model as .keras."
        ) from error
    if stored is None:
        found, instead = "no Keras model in it", ""
        if weights_only:
            found, instead = "weights without an architecture", ", or give the architecture beside it"
        raise ModelFileError(f"{path}: {found}; save the whole model with model.save('x.keras'){instead}.")
    try:
        return json.loads(stored), version.decode() if isinstance(version, bytes) else str(version)
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path}: its model_config is no readable JSON; save it anew.") from error


def _load(path: Path, library: Any) -> Any:
    try:
        with warnings.catch_warnings(), quiet_logs():
            warnings.simplefilter("ignore")
            return library.models.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"{path}: Keras cannot load it ({first_line(error)}); check that it opens with "
            "keras.saving.load_model, or save the model anew."
        ) from error


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Silences what Keras logs through absl below errors."""
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def check_finite(model: Any, weights: Sequence[np.ndarray], path: Path) -> None:
    """Raises `ModelFileError` where a weight of the list, read from `path`, is NaN or infinite."""
    for variable, value in zip(model.weights, weights, strict=True):
        value = np.asarray(value)
        if value.dtype.kind not in "fc" and value.dtype.name != "bfloat16":
            continue
        finite = np.isfinite(value.astype(np.float64))
        if not finite.all():
            name = getattr(variable, "path", None) or variable.name
            raise ModelFileError(
                f"{path}: {int((~finite).sum())} of the {finite.size} values of {name} are NaN or infinite; "
                "the training that made it diverged, so give a model with finite weights."
            )


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, at most 160 characters of it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."
