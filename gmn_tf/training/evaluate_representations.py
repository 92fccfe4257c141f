"""What a frozen representation tells linearly: `evaluate_representations`."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError, ZooError
from gmn_tf.models.registry import REPRESENT
from gmn_tf.tasks.bootstrap import draw_counts
from gmn_tf.tasks.linear_regression import LinearRegression
from gmn_tf.training import files
from gmn_tf.training.loop import LOGS
from gmn_tf.training.projector import write_projector
from gmn_tf.training.report import REPORT, facts
from gmn_tf.training.represent_task import COLUMNS
from gmn_tf.training.run import Run

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

PICTURE = "regression.png"


def regress(
    run: Run, zoo: Zoo, *, indices: np.ndarray, columns: Sequence[str] = COLUMNS
) -> tuple[np.ndarray, np.ndarray, LinearRegression]:
    """Linear regression of columns of the table from a run's representations, fitted on its train split.

    The validation split chooses the penalty; the representation itself never saw the columns.

    Returns:
        targets and predictions float64 [n, columns] of the networks `indices`, and the regression.

    Raises:
        ZooError: a split is empty, the zoo lacks the setting, or its table a column.
        RunError: the run is for another task.
    """
    if run.task.name != REPRESENT:
        raise RunError(f"received a run for the task {run.task.name!r}, expected one for {REPRESENT!r}")
    absent = [name for name in columns if name not in zoo.table]
    if absent:
        raise ZooError(
            f"received a zoo without the column {absent[0]}, expected numbers to regress in it, as zoos of "
            "sine waves have them (gmn-tf zoo --family siren --data sine)"
        )
    parts = [*(zoo.indices(name, run.setting) for name in ("train", "validation")), indices]
    if not all(map(len, parts)):
        raise ZooError("received an empty split of the zoo, expected networks in it: make a larger zoo")
    features = [run.predict(zoo, part) for part in parts]
    known = [np.stack([zoo.table[name][part] for name in columns], axis=1) for part in parts]
    known = [values.astype(np.float64) for values in known]
    regression = LinearRegression.fit(features[0], known[0], validation=(features[1], known[1]))
    return known[2], regression(features[2]), regression


def evaluate_representations(
    run: Run | str | os.PathLike[str],
    zoo: Zoo,
    *,
    split: str = "test",
    out: str | os.PathLike[str] | None = None,
    columns: Sequence[str] = COLUMNS,
    samples: int = 2000,
) -> dict[str, Any]:
    """Judges a representation by `regress`.

    Args:
        run: a run for the task "represent", or its folder.
        zoo: normally the one the run was trained on.
        split: "test", or "validation" to choose settings.
        out: folder for report.json and regression.png; the projector's files go into the run's logs then.
            `None` writes nothing.
        columns: what is regressed.
        samples: bootstrap draws.

    Returns:
        {"task", "method", "setting", "split", "networks", "zoo_hash", "trained_on_this_zoo", "seed",
        "features", "penalty", "figures": {title: {"mse", "mse_<column>"...}}, "mse_interval": {"low",
        "high"}}: mean squared errors, "mse" averaged over the columns with its 95 % bootstrap interval over
        networks; beside it those of the constant prediction.

    Raises:
        ZooError, RunError: as of `regress`; the report cannot be written.
    """
    opened = run if isinstance(run, Run) else Run.load(run)
    indices, train = (zoo.indices(part, opened.setting) for part in (split, "train"))
    targets, predictions, regression = regress(opened, zoo, indices=indices, columns=columns)
    means = np.array([np.mean(zoo.table[name][train], dtype=np.float64) for name in columns])
    errors = (predictions - targets) ** 2
    counts = draw_counts(len(errors), samples=samples, seed=0)
    drawn = counts @ errors.mean(axis=1) / len(errors)
    low, high = np.percentile(drawn, [2.5, 97.5])
    report = {
        "task": REPRESENT,
        **facts(opened, zoo, split=split, networks=len(errors)),
        "features": len(regression.coefficients),
        "penalty": regression.penalty,
        "figures": {
            opened.method.title: _figures(errors, columns),
            "constant": _figures((means - targets) ** 2, columns),
        },
        "mse_interval": {"low": float(low), "high": float(high)},
    }
    if out is not None:
        folder = Path(out)
        files.write_json(folder / REPORT, report)
        png = regression_picture(targets, predictions, columns)
        files.write(folder / PICTURE, lambda beside: _write_bytes(beside, png))
        project(opened, zoo, indices)
    return report


def project(run: Run, zoo: Zoo, indices: np.ndarray) -> Path:
    """Writes representations of the networks `indices` for TensorBoard's projector into the run's logs."""
    facts = {name: zoo.table[name][indices] for name in (*COLUMNS, "label", "psnr") if name in zoo.table}
    folder = run.path / LOGS
    write_projector(folder, run.predict(zoo, indices), {"network": indices, **facts})
    return folder


def table_text(report: Mapping[str, Any]) -> str:
    """The report as lines of text."""
    interval = report["mse_interval"]
    lines = [
        f"linear regression from {report['features']} frozen features, {report['networks']} "
        f"{report['split']} networks; mean squared error"
    ]
    for title, figures in report["figures"].items():
        each = ", ".join(
            f"{name.removeprefix('mse_')} {value:.3f}" for name, value in figures.items() if name != "mse"
        )
        lines.append(f"  {title}: {figures['mse']:.3f} ({each})")
    lines.append(f"  95 % interval: {interval['low']:.3f} .. {interval['high']:.3f}")
    return "\n".join(lines)


def regression_picture(targets: np.ndarray, predictions: np.ndarray, columns: Sequence[str]) -> bytes:
    """A PNG with a panel per column: true values across, predicted ones up."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(columns), 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(columns), squeeze=False)[0]
    for axes, name, true, predicted in zip(panels, columns, targets.T, predictions.T, strict=True):
        ends = [float(true.min()), float(true.max())]
        axes.plot(ends, ends, color="0.7", linewidth=1, zorder=0)
        axes.scatter(true, predicted, s=10, alpha=0.6, edgecolors="none")
        axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}", title=name)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _figures(errors: np.ndarray, columns: Sequence[str]) -> dict[str, float]:
    each = {f"mse_{name}": float(value) for name, value in zip(columns, errors.mean(axis=0), strict=True)}
    return {"mse": float(errors.mean()), **each}


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)
