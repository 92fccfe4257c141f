"""A population of trained networks on disk: the class `Zoo`."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files, splits

if TYPE_CHECKING:
    import keras

FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Version 1 has no files of splits: the setting "all" alone, from the table."""

TRAIN, VALIDATION, TEST, NO_SPLIT = splits.TRAIN, splits.VALIDATION, splits.TEST, splits.NO_SPLIT
SPLITS = splits.SPLITS

_COLUMNS: dict[str, Callable[[str], Any]] = {
    "network": int,
    "architecture": int,
    "row": int,
    "split": str,
    "test_accuracy": np.float32,
    "family": str,
    "width": int,
    "num_parameters": int,
    "image": int,
    "label": int,
    "optimizer": str,
    "steps": int,
    "augmentation": str,
}
"""Other columns hold numbers (float32, NaN where empty) where all their entries are, and else text."""
_REQUIRED = ("network", "architecture", "row", "split")


class Zoo:
    """Networks of one or more architectures with their weights, hyper-parameters and measured accuracies.

    Network i is row i of the table. Open one with `Zoo.load`.

    Attributes:
        path: the folder.
        manifest: format version, family, data name and hash, recipe, seed, counts, files with their sizes
            and checksums.
        table: one numpy column per name, each [number of networks]: "network", "architecture", "row" (its row
            in the weights file), "split" ("train", "validation", "test", or "none" for networks that are only
            meant as `.keras` examples), of classifiers "test_accuracy" (float32, fraction in [0, 1]),
            "family" and "width" where the population has them, the hyper-parameters; of INRs see
            `gmn_tf.inr.generate`.
        architectures: each architecture as the JSON of its Keras 3 model.
        settings: names of the settings that have splits, see `gmn_tf.zoo.splits`; "all" is always there.
    """

    def __init__(
        self,
        path: Path,
        manifest: dict[str, Any],
        table: dict[str, np.ndarray],
        architectures: list[str],
        *,
        settings: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.table = table
        self.architectures = architectures
        self._settings = dict(settings) if settings is not None else {splits.ALL: table["split"]}
        self._templates: dict[int, keras.Model] = {}
        self._weights: dict[int, np.ndarray] = {}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Zoo:
        """Opens a zoo and checks every file against the manifest's sizes and checksums.

        Raises:
            ZooError: there is no zoo, it is empty, incomplete, damaged, or of another format version.
        """
        folder = Path(path)
        if not (folder / files.MANIFEST).is_file():
            found = "no such folder" if not folder.exists() else f"it has no {files.MANIFEST}"
            raise ZooError(f"{folder} is not a zoo ({found}): make one with `gmn-tf zoo --out {folder}`.")
        manifest = files.read_json(folder / files.MANIFEST)
        version = manifest.get("format_version") if isinstance(manifest, dict) else None
        if version not in READABLE_VERSIONS:
            raise ZooError(
                f"{folder} has zoo format {version}, expected {FORMAT_VERSION}: generate the zoo again."
            )
        listed = manifest.get("files")
        if not isinstance(listed, dict) or not {files.TABLE, files.ARCHITECTURES} <= set(listed):
            raise ZooError(
                f"{folder / files.MANIFEST} lists no files: the zoo is damaged, generate it again."
            )
        for name, expected in listed.items():
            files.check(folder / name, expected)
        architectures = files.read_json(folder / files.ARCHITECTURES)
        table = _read_table(folder / files.TABLE)
        if not len(table["split"]) or not architectures:
            raise ZooError(f"{folder} holds no networks: generate the zoo again with a size of at least 1.")
        zoo = cls(folder, manifest, table, architectures)
        zoo._check_rows()
        zoo._settings = splits.read(folder, listed, table)
        return zoo

    def __len__(self) -> int:
        return len(self.table["split"])

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{len(self.indices(split))} {split}" for split in SPLITS if len(self.indices(split))
        )
        return f"Zoo({str(self.path)!r}: {counts}; {len(self.architectures)} architectures)"

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings that have splits, "all" first; see `gmn_tf.zoo.splits`."""
        return tuple(self._settings)

    def indices(self, split: str, setting: str = splits.ALL) -> np.ndarray:
        """Numbers of the networks of a split, rising, int64.

        Args:
            split: "train", "validation" or "test", or "none" for the networks that are in none of them.
            setting: one of `settings`; see `gmn_tf.zoo.splits`.

        Raises:
            ZooError: there is no such split or setting.
        """
        if split not in SPLITS:
            raise ZooError(f'Unknown split "{split}": expected one of {", ".join(SPLITS)}.')
        if setting not in self._settings:
            raise ZooError(
                f'This zoo has no setting "{setting}": expected one of {", ".join(self.settings)}.'
            )
        return np.flatnonzero(self._settings[setting] == split)

    def flat_weights(self, architecture: int) -> tuple[np.ndarray, np.ndarray]:
        """All networks of one architecture, whatever their split.

        Returns:
            Their numbers, int64 [n], and their weights, float32 [n, P], memory-mapped and read-only; each row
            is `np.concatenate([w.ravel() for w in model.get_weights()])`.
        """
        numbers = np.flatnonzero(self.table["architecture"] == architecture)
        return numbers[np.argsort(self.table["row"][numbers])], self._flat_file(architecture)

    def flat(self, index: int) -> np.ndarray:
        """Weights of one network, float32 [P]."""
        self._check_index(index)
        return self._flat_file(int(self.table["architecture"][index]))[int(self.table["row"][index])]

    def weights(self, index: int) -> list[np.ndarray]:
        """Weights of one network as `keras.Model.set_weights` takes them."""
        flat = self.flat(index)
        shapes = [w.shape for w in self.template(int(self.table["architecture"][index])).weights]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        return [
            np.array(part).reshape(shape)
            for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)
        ]

    def template(self, architecture: int) -> keras.Model:
        """The Keras model of an architecture, cached; its weights mean nothing, its dropout rates are 0."""
        if architecture not in self._templates:
            if not 0 <= architecture < len(self.architectures):
                raise ZooError(f"No architecture {architecture}: the zoo has {len(self.architectures)}.")
            self._templates[architecture] = _from_json(self.architectures[architecture], 0.0)
        return self._templates[architecture]

    def model(self, index: int) -> keras.Model:
        """A new Keras model: network `index` with its trained weights and its dropout rate."""
        weights = self.weights(index)
        rate = float(self.table["dropout_rate"][index]) if "dropout_rate" in self.table else 0.0
        model = _from_json(self.architectures[int(self.table["architecture"][index])], rate)
        model.set_weights(weights)
        return model

    def _flat_file(self, architecture: int) -> np.ndarray:
        if architecture not in self._weights:
            if not 0 <= architecture < len(self.architectures):
                raise ZooError(f"No architecture {architecture}: the zoo has {len(self.architectures)}.")
            path = self.path / files.weights_file(architecture)
            try:
                self._weights[architecture] = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise ZooError(f"{path} is damaged ({error}): generate the zoo again.") from error
        return self._weights[architecture]

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise ZooError(f"No network {index}: the zoo has {len(self)}.")

    def _check_rows(self) -> None:
        """Every network has its row of finite weights, and every row its network."""
        architectures = self.table["architecture"]
        if architectures.min() < 0 or architectures.max() >= len(self.architectures):
            raise ZooError(
                f"{self.path / files.TABLE} names architectures that are not there: generate the zoo again."
            )
        for architecture in range(len(self.architectures)):
            numbers, weights = self.flat_weights(architecture)
            rows = self.table["row"][numbers]
            if weights.ndim != 2 or not np.array_equal(rows, np.arange(len(weights))):
                raise ZooError(
                    f"{self.path / files.weights_file(architecture)} has shape "
                    f"{weights.shape}, which does not fit the table: generate the zoo again."
                )


def _from_json(text: str, dropout_rate: float) -> keras.Model:
    import keras

    import gmn_tf.keras_layers  # noqa: F401 (its layers are known to Keras once it is imported)

    try:
        config = json.loads(text)
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Dropout":
                layer["config"]["rate"] = dropout_rate
        return keras.models.model_from_json(json.dumps(config))
    except (ValueError, TypeError, KeyError) as error:
        raise ZooError(f"An architecture of the zoo is no loadable Keras model: {error}") from error


def _read_table(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.reader(stream)
            names = next(reader, [])
            rows = list(reader)
        if missing := [name for name in _REQUIRED if name not in names]:
            raise ZooError(f"{path} lacks the columns {', '.join(missing)}: generate the zoo again.")
        columns = {}
        for position, name in enumerate(names):
            entries = [row[position] for row in rows]
            kind = _COLUMNS.get(name)
            columns[name] = np.array([kind(entry) for entry in entries]) if kind else typed_column(entries)
        return columns
    except (OSError, ValueError, IndexError) as error:
        if isinstance(error, ZooError):
            raise
        raise ZooError(f"{path} is damaged ({error}): generate the zoo again.") from error


def typed_column(entries: list[str]) -> np.ndarray:
    """float32, NaN where empty, where all entries are numbers; else text."""
    try:
        return np.array([float(entry) if entry else np.nan for entry in entries], np.float32)
    except ValueError:
        return np.array(entries)
