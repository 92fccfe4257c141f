"""How close edited networks come to their targets, beside unedited ones: `evaluate_edits`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.tasks import editing
from gmn_tf.tasks.bootstrap import draw_counts
from gmn_tf.training import files
from gmn_tf.training.edit_task import EditTask
from gmn_tf.training.report import REPORT, facts, judged_networks
from gmn_tf.training.run import Run

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

UNEDITED = "unedited"
PICTURE = "edited.png"


def evaluate_edits(
    run: Run | str | os.PathLike[str],
    zoo: Zoo,
    *,
    split: str = "test",
    out: str | os.PathLike[str] | None = None,
    task: EditTask | None = None,
    samples: int = 2000,
) -> dict[str, Any]:
    """Judges an editor on one split of a zoo, in the setting that it was trained in.

    Args:
        run: a run for the task "edit", or its folder.
        zoo: with the split to judge on; normally the one the run was trained on.
        split: "test", or "validation" to choose settings.
        out: folder for report.json and edited.png (before, target, after); `None` writes nothing.
        task: the run's own, where its operation is a function, which a run knows by name alone.
        samples: bootstrap draws.

    Returns:
        {"task", "operation", "target", "method", "setting", "split", "networks", "zoo_hash",
        "trained_on_this_zoo", "seed", "figures": {title: {"mse", "psnr"}}, "minus_unedited": {"difference",
        "low", "high"}}: the difference of the mean squared errors with its 95 % paired bootstrap interval
        over networks.

    Raises:
        ZooError: the split is empty, or the zoo lacks the setting.
        RunError: the run cannot be read or is for another task, or the report cannot be written.
    """
    opened = run if isinstance(run, Run) else Run.load(run)
    judged = task or opened.task
    if not isinstance(judged, EditTask) or judged.options != opened.task.options:
        raise RunError(
            f"received a run for the task {opened.task.name!r} {opened.task.options}, expected "
            f"{judged.name!r} {judged.options}"
        )
    indices = judged_networks(opened, zoo, split)
    seed = int(opened.config["settings"]["seed"])
    targets = judged.targets(zoo, indices)
    shown = opened.predict(zoo, indices)
    errors = {
        opened.method.title: editing.squared_errors(targets, shown),
        UNEDITED: editing.squared_errors(targets, editing.Unedited().predict(zoo, indices)),
    }
    apart = errors[opened.method.title] - errors[UNEDITED]
    drawn = draw_counts(len(indices), samples=samples, seed=seed) @ apart / len(indices)
    low, high = np.percentile(drawn, [2.5, 97.5])
    report = {
        "task": judged.name,
        **judged.options,
        **facts(opened, zoo, split=split, networks=len(indices), seed=seed),
        "figures": {name: _figures(found) for name, found in errors.items()},
        "minus_unedited": {"difference": float(apart.mean()), "low": float(low), "high": float(high)},
    }
    if out is not None:
        folder = Path(out)
        files.write_json(folder / REPORT, report)
        title = f"first {min(8, len(indices))} of {len(indices)} {split} networks"
        files.write_bytes(folder / PICTURE, judged.picture(zoo, indices, shown, title))
    return report


def table_text(report: Mapping[str, Any], *, width: int = 100) -> str:
    """The report as a table in plain text."""
    import io

    from rich.console import Console
    from rich.table import Table

    setting = "" if report["setting"] == "all" else f', setting "{report["setting"]}"'
    table = Table(title=f"{report['operation']} on {report['networks']} {report['split']} networks{setting}")
    table.add_column("what")
    for heading in ("mean squared error", "PSNR in dB"):
        table.add_column(heading, justify="right")
    for name, figures in report["figures"].items():
        table.add_row(name, f"{figures['mse']:.5f}", f"{figures['psnr']:.2f}")
    apart = report["minus_unedited"]
    table.add_section()
    table.add_row("difference", f"{apart['difference']:+.5f}", "")
    table.add_row("95 % interval", f"{apart['low']:+.5f} .. {apart['high']:+.5f}", "")
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def _figures(errors: np.ndarray) -> dict[str, float]:
    found = editing.figures(errors)
    return {"mse": found["loss"], "psnr": found["psnr"]}
