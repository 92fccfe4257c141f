"""Files of weights alone (`.weights.h5`), read into the order of their architecture: plan once, fill many."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gmn_tf.convert.load import check_finite, first_line, load_keras_model, quiet_logs
from gmn_tf.convert.tf_keras_models import is_tf_keras_model
from gmn_tf.errors import ConversionError, WeightsFileError

_SUFFIXES = (".h5", ".hdf5")
# What `save_weights` of a compiled model writes beside the weights.
_TRAINING_STATE = {"optimizer", "optimizer_weights", "metrics"}
_SEEDS = {"seed_generator", "_random_generator"}  # no weights, though Keras may save them


class WeightsReader:
    """Reads checkpoints of one architecture: what `ParameterGraph.values` takes, out of files of weights.

    Keras' own `load_weights` does the reading, on a private copy of the architecture; the model given is
    never changed. One reader reads any number of files.

    ```python
    graph = gmn_tf.ParameterGraph.from_keras(model)             # planned once
    read = gmn_tf.WeightsReader(model)
    values = graph.values(read("epoch-07.weights.h5"))          # float32 [num_edges]
    flat = np.stack([graph.flatten(read(path)) for path in paths])
    values = graph.values(flat)                                 # float32 [len(paths), num_edges]
    ```

    A file of weights states no architecture. One whose arrays have other shapes, or that has more or fewer of
    them, is refused; one that fits but was another network's (another activation, say) cannot be told.

    Args:
        model: the architecture: a built Keras 3 or tf_keras model, or the path of a whole model
            (`.keras`, or legacy `.h5`), which is loaded without running code from it.

    Raises:
        ModelFileError: `model` is a path that cannot be loaded safely.
        ConversionError: `model` is no built Keras model, or a copy of it cannot be made.
    """

    def __init__(self, model: Any) -> None:
        private = isinstance(model, (str, os.PathLike))
        self._model = load_keras_model(model) if private else _copy(model)
        # SpectralNormalization's weights, for one, are twice in a .weights.h5 file, but not in a legacy one.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "own.weights.h5"
            self._model.save_weights(str(path))
            self._shapes = self._stored(path)
        self._shapes |= Counter(tuple(variable.shape) for variable in self._model.weights)

    def __call__(self, path: str | os.PathLike[str]) -> list[np.ndarray]:
        """The weights in one file.

        Args:
            path: a `.weights.h5` file (`model.save_weights`, `ModelCheckpoint(save_weights_only=True)`), or
                a legacy `.h5` / `.hdf5` file of weights or of a whole model; written by Keras 3 or tf_keras.

        Returns:
            A list shaped like `model.get_weights()`.

        Raises:
            WeightsFileError: the file is missing, damaged, of another format or another architecture.
            ModelFileError: a weight in it is NaN or infinite.
        """
        path = Path(path)
        self._vet(path)
        try:
            with warnings.catch_warnings(), quiet_logs():
                warnings.simplefilter("ignore")
                self._model.load_weights(str(path))
        except MemoryError:
            raise
        except Exception as error:
            raise WeightsFileError(
                f"{path}: its weights do not fit the architecture {self._model.name!r} ({_reason(error)}); "
                "give the model that these weights were saved from."
            ) from error
        weights = self._model.get_weights()
        check_finite(self._model, weights, path)
        return weights

    def model(self, path: str | os.PathLike[str]) -> Any:
        """This reader's copy of the architecture with the weights of one file, until it reads the next.

        Arguments and errors as of a call.
        """
        self(path)
        return self._model

    def _vet(self, path: Path) -> None:
        """Refuses what is no file of this architecture's weights, and what points out of the file."""
        if not path.exists():
            raise WeightsFileError(f"{path}: there is no such file; give the path of a .weights.h5 file.")
        if path.is_dir() or path.suffix.lower() not in _SUFFIXES:
            found = "a folder" if path.is_dir() else f"a name that ends in {path.suffix or 'nothing'!r}"
            raise WeightsFileError(
                f"{path}: received {found}, expected weights in a .weights.h5 or .h5 file; "
                "save them with model.save_weights('x.weights.h5')."
            )
        stored = self._stored(path)
        surplus = stored - self._shapes  # Keras sees what is missing, and passes over what is too much
        if surplus:
            raise WeightsFileError(
                f"{path}: holds {stored.total()} arrays of weights, among them one of shape "
                f"{next(iter(surplus))} that the architecture {self._model.name!r} has no place for; give "
                "the model that these weights were saved from."
            )

    @staticmethod
    def _stored(path: Path) -> Counter[tuple[int, ...]]:
        """How many arrays of weights of each shape are in a file."""
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return Counter(_shapes(file, path))
        except (OSError, RuntimeError, KeyError) as error:
            raise WeightsFileError(
                f"{path}: not a readable HDF5 file, or cut short ({first_line(error)}); copy it again or "
                "save the weights anew."
            ) from error


def _copy(model: Any) -> Any:
    """A model of the same architecture with variables of its own."""
    library: Any = keras
    if is_tf_keras_model(model):
        import tf_keras

        library = tf_keras
    elif not isinstance(model, keras.Model):
        raise ConversionError(
            f"received {type(model).__name__}, expected a keras.Model (Keras 3 or tf_keras) or its path"
        )
    if not model.built:
        raise ConversionError(f"model {model.name!r} is not built: call it on a batch before reading weights")
    try:
        copy = library.models.clone_model(model)
    except Exception as error:
        raise ConversionError(
            f"the architecture of {model.name!r} cannot be copied ({first_line(error)}): give its layers a "
            "get_config that says their arguments"
        ) from error
    if [tuple(v.shape) for v in copy.weights] != [tuple(v.shape) for v in model.weights]:
        raise ConversionError(
            f"a copy of {model.name!r} has other weights than the model itself: its layers' get_config does "
            "not say all of their arguments"
        )
    return copy


def _shapes(file: Any, path: Path) -> list[tuple[int, ...]]:
    """Shapes of the weights in an HDF5 file; links out of it are refused, as they would read other files."""
    import h5py

    shapes: list[tuple[int, ...]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group):
            inside = all(isinstance(item.get(key, getlink=True), h5py.HardLink) for key in item)
        else:
            inside = not item.external and not item.is_virtual
        if not inside:
            raise WeightsFileError(f"{path}: {name or 'it'} points to data elsewhere; save the weights anew.")
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and parts[0] not in _TRAINING_STATE and _SEEDS.isdisjoint(parts):
            shapes.append(tuple(item.shape))

    visit("", file)
    file.visititems(visit)
    return shapes


def _reason(error: BaseException) -> str:
    """What Keras says of the first layer that did not fit, rather than how many did not."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        return first_line(ValueError(lines[1]))
    return first_line(error)
