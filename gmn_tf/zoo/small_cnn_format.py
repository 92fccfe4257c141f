"""The files of the Small CNN Zoo (Unterthiner et al. 2020): names, columns, layout of the weights.

A folder holds, for one data set, all checkpoints of all runs:

- `weights.npy`: float32 [checkpoints, 4970];
- `metrics.csv.gz`: one row per checkpoint: hyper-parameters (`config.*`), `modeldir` (the run), `step`
  (epochs done: 0, 1, 2, 3, 20, 40, 60, 80, 86), accuracies and losses on test and training images;
- `layout.csv`: which columns of the weights hold which variable (`varname`, `start_idx`, `end_idx`, `size`,
  `shape`): biases before kernels, as the checkpoints list them.

The network is one: 1-16-16-16-10 channels, see `gmn_tf.zoo.families.small_cnn`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files

WEIGHTS, METRICS, LAYOUT, SPLIT = "weights.npy", "metrics.csv.gz", "layout.csv", "split.csv"
FINAL_STEP = 86
STEPS = (0, 1, 2, 3, 20, 40, 60, 80, FINAL_STEP)
"""Epochs after which the published runs were kept."""

SHAPES: tuple[tuple[int, ...], ...] = (
    *((3, 3, 1, 16), (16,)),
    *((3, 3, 16, 16), (16,)),
    *((3, 3, 16, 16), (16,)),
    *((16, 10), (10,)),
)
"""Kernel and bias of each layer, in the order of Keras' `get_weights()`."""
NUM_PARAMETERS = 4970

_LAYERS = ("conv2d", "conv2d_1", "conv2d_2", "dense")
_LAYOUT_COLUMNS = ("varname", "start_idx", "end_idx", "size", "shape")
METRICS_COLUMNS = (
    "config.activation",
    "config.b_init",
    "config.dataset",
    "config.dnn_architecture",
    "config.dropout",
    "config.epochs",
    "config.epochs_between_checkpoints",
    "config.init_std",
    "config.l2reg",
    "config.learning_rate",
    "config.num_layers",
    "config.num_units",
    "config.optimizer",
    "config.random_seed",
    "config.train_fraction",
    "config.w_init",
    "modeldir",
    "step",
    "test_accuracy",
    "test_loss",
    "train_accuracy",
    "train_loss",
)
"""As the data set's description lists them."""
MEASURED = ("test_accuracy", "test_loss", "train_accuracy", "train_loss")
RENAMED = {"dropout": "dropout_rate"}
"""Published columns (without "config.") that have another name in the table of a zoo."""


def is_small_cnn_zoo(folder: Path) -> bool:
    """Whether the folder has the files of the published format (and is no zoo of ours)."""
    return not (folder / files.MANIFEST).exists() and all(
        (folder / name).is_file() for name in (WEIGHTS, METRICS, LAYOUT)
    )


def layout_rows() -> list[dict[str, Any]]:
    """The rows of the published `layout.csv`."""
    rows, start = [], 0
    for layer, kernel, bias in zip(_LAYERS, SHAPES[::2], SHAPES[1::2], strict=True):
        for kind, shape in (("bias", bias), ("kernel", kernel)):
            size = int(np.prod(shape))
            name = f"sequential/{layer}/{kind}:0"
            rows.append(
                dict(zip(_LAYOUT_COLUMNS, (name, start, start + size, size, str(shape)), strict=True))
            )
            start += size
    return rows


def read_layout(path: Path) -> np.ndarray:
    """Where each weight, in the order of `get_weights()`, lies in a row of the file: int64 [4970].

    Raises:
        ZooError: the file is missing or damaged, or describes another network.
    """
    table = read_csv(path, required=_LAYOUT_COLUMNS)
    found: dict[str, dict[str, tuple[int, int, tuple[int, ...]]]] = {}
    try:
        ordered = sorted(range(len(table["varname"])), key=lambda row: int(table["start_idx"][row]))
        for row in ordered:
            layer, _, kind = table["varname"][row].rpartition("/")
            shape = tuple(int(number) for number in re.findall(r"\d+", table["shape"][row]))
            span = int(table["start_idx"][row]), int(table["end_idx"][row])
            found.setdefault(layer, {})[kind.partition(":")[0]] = (*span, shape)
        variables = [found[layer][kind] for layer in found for kind in ("kernel", "bias")]
    except (ValueError, KeyError) as error:
        raise ZooError(
            f"{path} is damaged ({error}): expected a kernel and a bias of every layer."
        ) from error
    shapes = tuple(shape for _, _, shape in variables)
    if shapes != SHAPES or len(table["varname"]) != len(SHAPES):
        raise ZooError(
            f"{path} describes a network with weights of shapes {shapes}, expected those of the Small CNN "
            f"Zoo, {SHAPES}."
        )
    places = np.concatenate([np.arange(start, end) for start, end, _ in variables])
    if not np.array_equal(np.sort(places), np.arange(NUM_PARAMETERS)):
        raise ZooError(f"{path} does not cover the {NUM_PARAMETERS} weights once each.")
    return places


def read_csv(path: Path, *, required: Sequence[str]) -> dict[str, list[str]]:
    """Columns of a CSV file, `.gz` or not, as text; ZooError where it is damaged or lacks a column."""
    try:
        zipped = path.suffix == ".gz"
        with gzip.open(path, "rt", newline="") if zipped else path.open(newline="") as stream:
            reader = csv.reader(stream)
            names = next(reader, [])
            rows = list(reader)
    except FileNotFoundError as error:
        raise ZooError(f"{path} is missing: the Small CNN Zoo is incomplete.") from error
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise ZooError(f"{path} is damaged: {error}") from error
    if missing := [name for name in required if name not in names]:
        raise ZooError(f"{path} lacks the columns {', '.join(missing)}: expected {', '.join(required)}.")
    if any(len(row) != len(names) for row in rows):
        raise ZooError(f"{path} is damaged: not every row has the {len(names)} columns.")
    return {name: [row[position] for row in rows] for position, name in enumerate(names)}


def write(folder: Path, weights: Iterable[np.ndarray], count: int, metrics: Mapping[str, Any]) -> None:
    """Writes the three files.

    Args:
        folder: made where it is not there.
        weights: blocks [n, 4970] in the order of `get_weights()`, `count` rows in all.
        metrics: columns [count]; published columns that are not given stay empty, others are added behind.

    Raises:
        ZooError: a file could not be written.
    """
    files.make_folder(folder)
    rows = layout_rows()
    files.write_table(folder / LAYOUT, rows)
    order = np.argsort(read_layout(folder / LAYOUT))  # get_weights() order -> the file's
    with files.written(folder / WEIGHTS) as beside:
        named = beside.with_name(f"{beside.name}.npy")
        try:
            stored = np.lib.format.open_memmap(named, "w+", np.float32, (count, NUM_PARAMETERS))
            start = 0
            for block in weights:
                stored[start : start + len(block)] = block[:, order]
                start += len(block)
            stored.flush()
            del stored
            named.replace(beside)
        finally:
            named.unlink(missing_ok=True)
    names = [*METRICS_COLUMNS, *(name for name in metrics if name not in METRICS_COLUMNS)]
    empty = [""] * count
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*(metrics.get(name, empty) for name in names), strict=True))
    packed = gzip.compress(text.getvalue().encode(), mtime=0)  # no date: equal content, equal file
    files.write_bytes(folder / METRICS, lambda stream: stream.write(packed))
