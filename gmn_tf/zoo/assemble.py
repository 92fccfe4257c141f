"""Turns the finished parts of a population into a zoo: table, architectures, pictures, manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import gmn_tf
from gmn_tf.zoo import files, store
from gmn_tf.zoo.parts import read_part
from gmn_tf.zoo.plan import Plan
from gmn_tf.zoo.recipe import describe
from gmn_tf.zoo.store import Zoo

_BINS = 20


def assemble(folder: Path, plan: Plan) -> None:
    """Writes everything but the weights into the folder of the parts, which stay.

    Raises:
        ZooError: a part is damaged, or the disk is full; the call again to finish.
    """
    records = [read_part(folder, architecture) for architecture in range(plan.num_architectures)]
    rows = sorted((row for record in records for row in record["rows"]), key=lambda row: row["network"])
    files.write_table(folder / files.TABLE, rows)
    files.write_json(folder / files.ARCHITECTURES, [record["keras"] for record in records])
    accuracies = np.array([row["test_accuracy"] for row in rows])
    counts, edges = np.histogram(accuracies, bins=_BINS, range=(0.0, 1.0))
    _draw_histogram(folder / files.HISTOGRAM, accuracies)
    names = [files.TABLE, files.ARCHITECTURES, files.HISTOGRAM]
    names += [files.weights_file(architecture) for architecture in range(plan.num_architectures)]
    manifest: dict[str, Any] = {
        "format_version": store.FORMAT_VERSION,
        "gmn_tf_version": gmn_tf.__version__,
        "family": plan.family,
        "data": {"name": plan.data, "hash": plan.data_hash},
        "seed": plan.seed,
        "plan": plan.to_dict(),
        "recipe": describe(),
        "counts": {
            "networks": len(rows),
            "architectures": plan.num_architectures,
            **{split: sum(row["split"] == split for row in rows) for split in store.SPLITS},
        },
        "accuracy_histogram": {
            "edges": [round(float(edge), 6) for edge in edges],
            "counts": [int(count) for count in counts],
        },
        "files": {name: files.fingerprint(folder / name) for name in names},
    }
    files.write_json(folder / files.MANIFEST, manifest)
    if plan.keras_files:
        manifest["files"] |= _write_keras_files(folder, plan)
        files.write_json(folder / files.MANIFEST, manifest)


def _write_keras_files(folder: Path, plan: Plan) -> dict[str, Any]:
    """The networks beyond the splits as `.keras` files, and their accuracies."""
    zoo = Zoo.load(folder)
    files.make_folder(folder / files.KERAS_FOLDER)
    rows = []
    for index in zoo.indices(store.NO_SPLIT):
        name = f"network-{index}.keras"
        with files.written(folder / files.KERAS_FOLDER / name) as beside:
            named = beside.with_name(f"{beside.stem}-.keras")  # Keras insists on the ending
            try:
                zoo.model(int(index)).save(named)
                named.replace(beside)
            finally:
                named.unlink(missing_ok=True)
        rows.append({"file": name, "test_accuracy": _plain(zoo.table["test_accuracy"][index])})
    files.write_table(folder / files.KERAS_FOLDER / files.KERAS_TABLE, rows)
    names = [f"{files.KERAS_FOLDER}/{row['file']}" for row in rows]
    names.append(f"{files.KERAS_FOLDER}/{files.KERAS_TABLE}")
    return {name: files.fingerprint(folder / name) for name in names}


def _plain(value: np.floating) -> float:
    return round(float(value), 6)


def _draw_histogram(path: Path, accuracies: np.ndarray) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.hist(accuracies, bins=_BINS * 2, range=(0.0, 1.0))
    axes.set(xlabel="test accuracy", ylabel="networks", title=f"{len(accuracies)} networks", xlim=(0, 1))
    files.write_bytes(path, lambda stream: figure.savefig(stream, format="png", dpi=120))
