"""Writes a zoo of small CNNs in the format of the Small CNN Zoo; read back by `SmallCNNZoo.load`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import small_cnn_format as layout
from gmn_tf.zoo import small_cnn_splits
from gmn_tf.zoo.store import Zoo

_NOT_CONFIG = (
    *("network", "architecture", "row", "split", "family", "width", "num_parameters", "run", "step"),
    *("test_accuracy", "test_loss", "train_accuracy", "train_loss"),
)


def write(
    zoo: Zoo,
    path: str | os.PathLike[str],
    *,
    step: int = layout.FINAL_STEP,
    metrics: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the networks of a zoo in the published format.

    Args:
        zoo: its networks all are small CNNs (family "small_cnn").
        path: a folder that is not there or empty.
        step: the step they are listed under where the table has no column "step"; 86 is the one that other
            readers of the format look for.
        metrics: further or other columns [networks], by their published names, such as "train_accuracy".

    Besides the three files, `split.csv` lists the rows as NFN's files do; the splits drawn from it are in its
    shares, not those of `zoo`.

    Raises:
        ZooError: a network has other weights, or the folder holds something.
    """
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ZooError(f"{folder} is there and not an empty folder: choose another one.")
    for architecture in range(len(zoo.architectures)):
        shapes = tuple(tuple(weight.shape) for weight in zoo.template(architecture).weights)
        if shapes != layout.SHAPES:
            raise ZooError(
                f"Architecture {architecture} of {zoo.path} has weights of shapes {shapes}, expected those "
                f"of the Small CNN Zoo, {layout.SHAPES}: make one with `gmn-tf zoo --family small_cnn_zoo`."
            )
    columns = {**_published_columns(zoo, step), **(metrics or {})}
    blocks = (zoo.flat(index)[np.newaxis] for index in range(len(zoo)))
    layout.write(folder, blocks, len(zoo), columns)
    order = np.random.default_rng(0).permutation(len(zoo))
    small_cnn_splits.write(folder / layout.SPLIT, order)
    return folder


def _published_columns(zoo: Zoo, step: int) -> dict[str, Any]:
    """The columns of `metrics.csv.gz` that the table of a zoo tells, by their published names."""
    count = len(zoo)
    models = [zoo.template(architecture) for architecture in range(len(zoo.architectures))]
    activations = np.array([model.layers[1].activation.__name__ for model in models])
    dataset = str(zoo.manifest["data"]["name"]).partition("@")[0].partition(":")[0]
    published = {name: f"config.{name}" for name in zoo.table if name not in _NOT_CONFIG}
    published |= {name: f"config.{old}" for old, name in layout.RENAMED.items() if name in zoo.table}
    return {
        "config.dataset": [dataset] * count,
        "config.dnn_architecture": ["cnn"] * count,
        "config.num_layers": [3] * count,
        "config.num_units": [16] * count,
        "config.image_size": [int(models[0].input_shape[1])] * count,
        **{new: zoo.table[old] for old, new in published.items()},
        "config.activation": activations[zoo.table["architecture"]],
        "modeldir": zoo.table.get("run", np.array([f"run-{index:05d}" for index in range(count)])),
        "step": zoo.table.get("step", np.full(count, step)),
        **{
            name: zoo.table[name]
            for name in ("test_accuracy", "test_loss", "train_accuracy", "train_loss")
            if name in zoo.table
        },
    }
