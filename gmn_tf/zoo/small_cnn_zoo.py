"""The Small CNN Zoo (Unterthiner et al. 2020) as a zoo: `SmallCNNZoo.load`, and `write` for other zoos.

The published folders are read as they are (see `small_cnn_format`); `gmn-tf zoo --family small_cnn_zoo` makes
one by the same recipe on data at hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files, small_cnn_splits, splits
from gmn_tf.zoo import small_cnn_format as layout
from gmn_tf.zoo.families.small_cnn import SmallCnnArchitecture
from gmn_tf.zoo.small_cnn_writer import write
from gmn_tf.zoo.store import Zoo, typed_column

__all__ = ["SmallCNNZoo", "write"]

FORMAT = "small_cnn_zoo"
_CHUNK = 1024
_CHECKPOINT = re.compile(r"/[^/]*ckpt-\d+/?$")
_IMAGE_SIZES = {"cifar10": 32, "svhn_cropped": 32, "mnist": 28, "fashion_mnist": 28}


class SmallCNNZoo(Zoo):
    """Checkpoints of the Small CNN Zoo with the interface of `gmn_tf.zoo.store.Zoo`.

    One architecture per activation function; the weights are held in memory (20 kB per network), in the order
    of the Keras model's `get_weights()`. Open one with `SmallCNNZoo.load`.

    Attributes:
        table: "network", "architecture", "row", "split", "test_accuracy", "num_parameters", "family"
            ("small_cnn"), "width", "run" (the published `modeldir`), "step", "activation", and the other
            columns of the published table under their names without "config." ("dropout" is "dropout_rate").
        manifest: "format" ("small_cnn_zoo"), data, selection, counts, checksums.
    """

    def __init__(
        self,
        path: Path,
        manifest: dict[str, Any],
        table: dict[str, np.ndarray],
        architectures: list[str],
        *,
        weights: list[np.ndarray],
        settings: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__(path, manifest, table, architectures, settings=settings)
        for stored in weights:
            stored.setflags(write=False)
        self._weights = dict(enumerate(weights))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        steps: int | Sequence[int] | None = None,
        split_file: str | os.PathLike[str] | None = None,
        seed: int = 0,
        **filters: Any,
    ) -> SmallCNNZoo:
        """Opens a folder in the published format.

        Args:
            path: a folder with `weights.npy`, `metrics.csv.gz` and `layout.csv`.
            steps: the checkpoints to take of each run, by epochs done; by default the last one, 86, alone.
                All checkpoints of a run are in one split.
            split_file: one of NFN's files (see `gmn_tf.zoo.small_cnn_splits`); by default the one in the
                folder (`split.csv` or `*_split.csv`). Where there is none, runs are drawn in the same shares:
                40 % training, 10 % validation, 50 % test.
            seed: of that draw, and of the setting "low_data".
            filters: networks to keep, by columns of the published table without "config.", such as
                `activation="relu"`; a list for several values. Splits are drawn before.

        Checkpoints with weights or accuracies that are not finite are left out, and counted in the manifest.

        Raises:
            ZooError: a file is missing, damaged, or of another network; a filter names no column, or nothing
                is left.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise ZooError(f"{folder} is no folder: expected one with {layout.WEIGHTS}, {layout.METRICS}.")
        places = layout.read_layout(folder / layout.LAYOUT)
        stored = _open_weights(folder / layout.WEIGHTS)
        metrics = _metrics(folder / layout.METRICS, len(stored))
        last = int(metrics["step"].max())
        wanted = [last] if steps is None else [int(step) for step in np.atleast_1d(np.asarray(steps))]
        listed = Path(split_file) if split_file is not None else small_cnn_splits.find_file(folder)
        names = _splits(metrics, listed, last, seed)

        rows = np.flatnonzero(_passing(metrics, {**filters, "step": wanted}))
        rows = rows[np.argsort(metrics["activation"][rows], kind="stable")]  # an architecture in one piece
        flat = _gather(stored, rows, places)
        healthy = np.isfinite(flat).all(axis=1) & np.isfinite(metrics["test_accuracy"][rows])
        if not healthy.any():
            raise ZooError(f"{folder} has no finite checkpoint among the {len(rows)} selected ones.")
        if not healthy.all():
            flat, rows = flat[healthy], rows[healthy]
        activations, architecture, counts = np.unique(
            metrics["activation"][rows], return_inverse=True, return_counts=True
        )
        table = {
            "network": np.arange(len(rows)),
            "architecture": architecture,
            "row": np.concatenate([np.arange(count) for count in counts]),
            "split": names[rows],
            "family": np.full(len(rows), SmallCnnArchitecture.family),
            "width": np.full(len(rows), SmallCnnArchitecture.width),
            "num_parameters": np.full(len(rows), layout.NUM_PARAMETERS),
            **{name: column[rows] for name, column in metrics.items()},
        }
        manifest = {
            "format": FORMAT,
            "data": {"name": ", ".join(np.unique(metrics["dataset"])) if "dataset" in metrics else ""},
            "selection": {
                "steps": wanted,
                "filters": {name: str(value) for name, value in sorted(filters.items())},
                "split_file": files.fingerprint(listed)["sha256"] if listed is not None else None,
                "seed": seed,
            },
            "counts": {
                "networks": len(rows),
                "runs": len(np.unique(table["run"])),
                "not_finite": int(np.sum(~healthy)),
                **{split: int(np.sum(table["split"] == split)) for split in splits.SPLITS},
            },
            "files": {name: files.fingerprint(folder / name) for name in (layout.METRICS, layout.LAYOUT)},
            "weights_sha256": hashlib.sha256(flat.data).hexdigest(),
        }
        size = _image_size(metrics)
        return cls(
            folder,
            manifest,
            table,
            [_keras_json(str(activation), size) for activation in activations],
            weights=np.split(flat, np.cumsum(counts)[:-1]),
            settings=splits.make(table, seed=seed),
        )


def _splits(metrics: Mapping[str, np.ndarray], listed: Path | None, last: int, seed: int) -> np.ndarray:
    """Split of every row: that of its run."""
    runs = np.unique(metrics["run"], return_inverse=True)[1]
    final = metrics["step"] == last
    if listed is not None:
        return small_cnn_splits.by_file(listed, runs, final)[runs]
    return small_cnn_splits.by_run(runs, final, seed=seed)[runs]


def _open_weights(path: Path) -> np.ndarray:
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ZooError(
            f"{path} is missing or damaged ({error}): expected an .npy file of numbers."
        ) from error
    if stored.ndim != 2 or stored.shape[1] != layout.NUM_PARAMETERS or stored.dtype.kind != "f":
        raise ZooError(
            f"{path} holds {stored.dtype} of shape {stored.shape}, expected floats "
            f"[checkpoints, {layout.NUM_PARAMETERS}]."
        )
    if not len(stored):
        raise ZooError(f"{path} holds no networks: expected at least one.")
    return stored


def _metrics(path: Path, count: int) -> dict[str, np.ndarray]:
    """Columns of the published table, numbers as float32; `modeldir` without a checkpoint's name is "run"."""
    required = ("config.activation", "modeldir", "step", "test_accuracy")
    text = layout.read_csv(path, required=required)
    if len(text["step"]) != count:
        raise ZooError(f"{path} has {len(text['step'])} rows, expected {count} as in {layout.WEIGHTS}.")
    columns = {}
    for name, entries in text.items():
        plain = name.removeprefix("config.")
        columns[layout.RENAMED.get(plain, plain)] = typed_column(entries)
    try:
        columns["step"] = np.array([int(float(entry)) for entry in text["step"]])
    except ValueError as error:
        raise ZooError(f"{path} is damaged ({error}): expected a number of epochs in each step.") from error
    columns["activation"] = np.array(text["config.activation"])
    columns["run"] = np.array([_CHECKPOINT.sub("", entry) for entry in text["modeldir"]])
    del columns["modeldir"]
    return columns


def _passing(metrics: Mapping[str, np.ndarray], filters: Mapping[str, Any]) -> np.ndarray:
    """Which rows have one of the wanted values in every column, bool [rows].

    Raises:
        ZooError: there is no such column, or no row with such a value.
    """
    passing = np.ones(len(metrics["step"]), bool)
    for name, wanted in filters.items():
        column = metrics.get(layout.RENAMED.get(name, name))
        if column is None:
            raise ZooError(f'Unknown column "{name}": expected one of {", ".join(sorted(metrics))}.')
        values = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
        try:
            alike = np.isin(
                column, np.array(values).astype(column.dtype if column.dtype.kind in "if" else str)
            )
        except ValueError as error:
            raise ZooError(f"Received {name}={wanted!r}, expected numbers, as the column holds.") from error
        passing &= alike
        if not passing.any():
            known = ", ".join(str(value) for value in np.unique(column)[:20])
            raise ZooError(f"No checkpoint has {name}={wanted!r}: the column holds {known}.")
    return passing


def _gather(stored: np.ndarray, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows of the file as float32 [n, 4970] in the order of `get_weights()`."""
    flat = np.empty((len(rows), len(places)), np.float32)
    for start in range(0, len(rows), _CHUNK):
        flat[start : start + _CHUNK] = stored[rows[start : start + _CHUNK]][:, places]
    return flat


def _image_size(metrics: Mapping[str, np.ndarray]) -> int:
    """Pixels a side: said by our own exports, known of the published data sets; the weights do not tell."""
    if "image_size" in metrics:
        return int(metrics["image_size"][0])
    return _IMAGE_SIZES.get(str(metrics["dataset"][0]) if "dataset" in metrics else "", 28)


def _keras_json(activation: str, image_size: int) -> str:
    architecture = SmallCnnArchitecture((image_size, image_size, 1), 10, activation)
    return json.dumps(json.loads(architecture.keras_model().to_json()), sort_keys=True)
