"""How good a trained metanetwork is on held-out networks, beside the baselines: `evaluate`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.models import registry
from gmn_tf.tasks import accuracy
from gmn_tf.tasks.metrics import METRICS, paired_bootstrap
from gmn_tf.tasks.statnn import Constant, StatNN
from gmn_tf.training import files
from gmn_tf.training.progress import scatter
from gmn_tf.training.report import REPORT, facts, judged_networks
from gmn_tf.training.run import Run
from gmn_tf.training.settings import ALL, METHOD

if TYPE_CHECKING:
    from rich.table import Table

    from gmn_tf.zoo.store import Zoo

METANETWORK, STATNN, CONSTANT = "metanetwork", "statnn", "constant"
TITLES = {METANETWORK: "graph metanetwork", STATNN: "StatNN", CONSTANT: "constant"}
SCATTER = "scatter.png"


def evaluate(
    run: Run | str | os.PathLike[str],
    zoo: Zoo,
    *,
    split: str = "test",
    out: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    samples: int = 2000,
) -> dict[str, Any]:
    """Judges a run on one split of a zoo; the baselines are fitted on its train split.

    Splits are those of the setting that the run was trained in. A run of any method will do: what it
    predicts stands in the place of the metanetwork.

    Args:
        run: a run or its folder.
        zoo: with the split to judge on; normally the one the run was trained on.
        split: "test", or "validation" to choose settings.
        out: folder for report.json and scatter.png; `None` writes nothing.
        seed: of StatNN and of the bootstrap (default: the run's).
        samples: bootstrap draws.

    Returns:
        {"method", "setting", "split", "networks", "zoo_hash", "trained_on_this_zoo", "seed",
        "statnn_settings", "figures": {predictor: {"r2", "tau", "mae"}}, "metanetwork_minus_statnn":
        {figure: {"difference", "low", "high"}}}, the interval of 95 % by paired bootstrap over the networks.
        Undefined figures (tau of a constant) are None.

    Raises:
        ZooError: the split is empty, or the zoo lacks the setting.
        RunError: the run cannot be read, or the report cannot be written.
    """
    opened = run if isinstance(run, Run) else Run.load(run)
    indices = judged_networks(opened, zoo, split)
    train, validation = (zoo.indices(part, opened.setting) for part in ("train", "validation"))
    seed = int(opened.config["settings"]["seed"]) if seed is None else seed
    targets = accuracy.targets(zoo.table, indices).astype(np.float64)
    statnn = StatNN(seed).fit(zoo, train, validation=validation)
    predictions = {
        METANETWORK: opened.predict(zoo, indices),
        STATNN: statnn.predict(zoo, indices),
        CONSTANT: Constant().fit(zoo, train).predict(zoo, indices),
    }
    report = {
        **facts(opened, zoo, split=split, networks=len(indices), seed=seed),
        "statnn_settings": statnn.settings,
        "figures": {
            name: {figure: _defined(metric(targets, p)) for figure, metric in METRICS.items()}
            for name, p in predictions.items()
        },
        "metanetwork_minus_statnn": differences(
            targets, predictions[METANETWORK], predictions[STATNN], seed=seed, samples=samples
        ),
    }
    if out is not None:
        folder = Path(out)
        files.write_json(folder / REPORT, report)
        panels = {title(report, name): predictions[name] for name in (METANETWORK, STATNN)}
        png = scatter(targets, panels, f"{len(indices)} {split} networks")
        files.write_bytes(folder / SCATTER, png)
    return report


def differences(
    targets: np.ndarray, ours: np.ndarray, theirs: np.ndarray, *, seed: int, samples: int = 2000
) -> dict[str, dict[str, float | None]]:
    """Each figure of `ours` minus that of `theirs` with its 95 % paired bootstrap interval."""
    found = {}
    for name, metric in METRICS.items():
        values = paired_bootstrap(targets, ours, theirs, metric, seed=seed, samples=samples)
        found[name] = dict(zip(("difference", "low", "high"), map(_defined, values), strict=True))
    return found


def title(report: Mapping[str, Any], predictor: str) -> str:
    """What a predictor of the report is called where people read it."""
    name = report.get("method")
    if predictor != METANETWORK or name is None:
        return TITLES[predictor]
    return registry.method(name).title


def table(report: Mapping[str, Any]) -> Table:
    """The report as a rich table: a row per predictor, and the differences to StatNN below."""
    from rich.table import Table

    setting = report.get("setting", ALL)
    where = "" if setting == ALL else f', setting "{setting}"'
    rich = Table(title=f"accuracy prediction on {report['networks']} {report['split']} networks{where}")
    rich.add_column("predictor")
    for heading in ("R2", "Kendall tau", "mean abs. error"):
        rich.add_column(heading, justify="right")
    for name, figures in report["figures"].items():
        rich.add_row(title(report, name), *(_text(figures[figure]) for figure in METRICS))
    rich.add_section()
    apart = report["metanetwork_minus_statnn"]
    rich.add_row(
        "difference" if report.get("method", METHOD) != METHOD else "metanetwork - StatNN",
        *(_text(apart[figure]["difference"], sign=True) for figure in METRICS),
    )
    rich.add_row(
        "95 % interval",
        *(
            f"{_text(apart[figure]['low'], sign=True)} .. {_text(apart[figure]['high'], sign=True)}"
            for figure in METRICS
        ),
    )
    return rich


def table_text(report: Mapping[str, Any], *, width: int = 100) -> str:
    """`table` as plain text."""
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table(report))
    return console.file.getvalue()  # type: ignore[attr-defined]


def _text(value: float | None, *, sign: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if sign else ''}.3f}"


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
