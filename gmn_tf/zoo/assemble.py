"""Turns the finished parts of a population into a zoo: table, architectures, pictures, manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import gmn_tf
from gmn_tf.zoo import files, recipe, splits, store
from gmn_tf.zoo.hyper_parameters import HYPER_PARAMETERS
from gmn_tf.zoo.parts import read_part
from gmn_tf.zoo.plan import Plan
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
    accuracies = _by_family(rows)
    _draw_histograms(folder / files.HISTOGRAM, accuracies)
    columns = {name: np.array([row[name] for row in rows]) for name in ("split", "family", "width")}
    settings = splits.make(columns, seed=plan.seed)
    names = [files.TABLE, files.ARCHITECTURES, files.HISTOGRAM, *splits.write(folder, settings)]
    names += [files.weights_file(architecture) for architecture in range(plan.num_architectures)]
    manifest: dict[str, Any] = {
        "format_version": store.FORMAT_VERSION,
        "gmn_tf_version": gmn_tf.__version__,
        "family": plan.family,
        "data": {"name": plan.data, "hash": plan.data_hash},
        "seed": plan.seed,
        "plan": plan.to_dict(),
        "recipe": recipe.describe(plan.family) | {"hyper_parameters": list(HYPER_PARAMETERS)},
        "counts": {
            "networks": len(rows),
            "architectures": plan.num_architectures,
            **{split: sum(row["split"] == split for row in rows) for split in store.SPLITS},
        },
        "settings": {
            name: {split: int(np.sum(found == split)) for split in store.SPLITS}
            for name, found in settings.items()
        },
        "accuracy_histogram": _histogram(np.concatenate(list(accuracies.values())))
        | {"families": {family: _histogram(found)["counts"] for family, found in accuracies.items()}},
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


def _by_family(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Test accuracies of the networks of each family, families in the order of their first network."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["family"], []).append(row["test_accuracy"])
    return {family: np.array(values) for family, values in found.items()}


def _histogram(accuracies: np.ndarray) -> dict[str, list[Any]]:
    counts, edges = np.histogram(accuracies, bins=_BINS, range=(0.0, 1.0))
    return {
        "edges": [round(float(edge), 6) for edge in edges],
        "counts": [int(count) for count in counts],
    }


def _draw_histograms(path: Path, accuracies: dict[str, np.ndarray]) -> None:
    """One picture for all networks, and below it one for each family where there are several."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = {"": np.concatenate(list(accuracies.values()))}
    if len(accuracies) > 1:
        panels |= {f"{family}: ": found for family, found in accuracies.items()}
    figure = Figure(figsize=(6, 3.5 + 1.6 * (len(panels) - 1)), layout="constrained")
    FigureCanvasAgg(figure)
    heights = [2.0] + [1.0] * (len(panels) - 1)
    axes = figure.subplots(len(panels), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for panel, (name, found) in zip(axes, panels.items(), strict=True):
        panel.hist(found, bins=_BINS * 2, range=(0.0, 1.0))
        panel.set(ylabel="networks", title=f"{name}{len(found)} networks", xlim=(0, 1))
    axes[-1].set(xlabel="test accuracy")
    files.write_bytes(path, lambda stream: figure.savefig(stream, format="png", dpi=120))
