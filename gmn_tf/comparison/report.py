"""Tables of results as Markdown, JSON and PNG, made anew from the rows: `write_report`."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gmn_tf.comparison.chart import chart
from gmn_tf.comparison.results import MANIFEST, Results
from gmn_tf.comparison.summary import SAMPLES, Entry, as_json, summarize
from gmn_tf.tasks.metrics import METRICS
from gmn_tf.training import files

TABLE, JSON, CHART, OVERVIEW = "README.md", "table.json", "chart.png", "README.md"
TITLES = {"r2": "R2", "tau": "Kendall tau", "mae": "mean abs. error"}
SETTINGS = {
    "all": "all networks of the population",
    "low_data": "a tenth of the training networks",
    "wider": "test networks are wider than any in training",
    "unseen_family": "test networks are of a family that training has none of",
}


def write_report(root: Path, *, samples: int = SAMPLES) -> dict[str, list[Entry]]:
    """Writes the tables of every population below `root`, and an overview.

    Returns:
        The entries of each population, by the name of its folder.

    Raises:
        RunError: a row is damaged, or a file cannot be written.
    """
    found = {}
    for folder in sorted(path for path in Path(root).glob("*") if (path / MANIFEST).exists()):
        results = Results(folder)
        entries = summarize(results, samples=samples)
        files.write_json(folder / JSON, {"settings": _counts(results), "entries": [*map(as_json, entries)]})
        files.write_text(folder / TABLE, markdown(results, entries, samples=samples))
        png = chart(entries, results.path.name)
        files.write(folder / CHART, functools.partial(_write_bytes, data=png))
        found[folder.name] = entries
    files.write_text(Path(root) / OVERVIEW, overview(found))
    return found


def markdown(results: Results, entries: list[Entry], *, samples: int = SAMPLES) -> str:
    """The tables of one population: figures and costs, then differences, for each setting."""
    manifest = results.manifest
    lines = [
        f"# Accuracy prediction: {results.path.name}",
        "",
        f"Population of the family `{manifest.get('family')}` on `{manifest.get('data', {}).get('name')}`, "
        f"seed {manifest.get('seed')}; [its manifest]({MANIFEST}) has the recipe and checksums. Figures on "
        "the test networks: mean and standard deviation over the methods' seeds. Seconds are wall-clock on "
        "the machines named below, compilation and validation included.",
        "",
        f"![R2 and Kendall tau of every method in every setting]({CHART})",
    ]
    for setting in results.networks:
        here = [entry for entry in entries if entry.setting == setting]
        if not here:
            continue
        counts = _counts(results)[setting]
        lines += [
            "",
            f"## {setting}: {SETTINGS.get(setting, setting)}",
            "",
            f"{counts['train']} training, {counts['validation']} validation, {counts['test']} test networks.",
            "",
            *_table(
                ["method", *TITLES.values(), *_SHOWN.values(), "seeds"],
                (
                    [
                        entry.title,
                        *(_mean(entry.figures[name]) for name in METRICS),
                        *map(_count, (entry.costs[name] for name in _SHOWN)),
                        ", ".join(map(str, entry.seeds)),
                    ]
                    for entry in here
                ),
            ),
        ]
        apart = [entry for entry in here if entry.reference_minus]
        if apart:
            lines += [
                "",
                "The graph metanetwork minus each (negative errors are in its favour), with the interval of "
                f"95 % by paired bootstrap over the test networks ({samples} draws, figures averaged over "
                "seeds):",
                "",
                *_table(
                    ["metanetwork minus", *TITLES.values()],
                    ([entry.title, *(_interval(entry, name) for name in METRICS)] for entry in apart),
                ),
            ]
    if results.refused:
        lines += ["", "## Not there", ""]
        lines += [f"- `{name}`: {why}" for name, why in sorted(results.refused.items())]
    machines = sorted({row["machine"] for entry in entries for row in entry.rows})
    lines += ["", f"Machines: {'; '.join(machines)}.", ""]
    return "\n".join(lines)


def overview(populations: dict[str, list[Entry]]) -> str:
    """R2 / tau of every method in every setting, a table per population."""
    lines = [
        "# Accuracy prediction, every method",
        "",
        "R2 / Kendall tau on test networks, mean over seeds. Made by `scripts/reproduce_accuracy.py`; what "
        "the settings are and how to repeat it stands in docs/accuracy.md.",
    ]
    for name, entries in populations.items():
        settings = list(dict.fromkeys(entry.setting for entry in entries))
        cells = {(entry.title, entry.setting): entry for entry in entries}
        titles = list(dict.fromkeys(entry.title for entry in entries))
        rows = ([title, *(_short(cells.get((title, setting))) for setting in settings)] for title in titles)
        lines += ["", f"## [{name}]({name}/{TABLE})", "", *_table(["method", *settings], rows)]
    return "\n".join([*lines, ""])


_SHOWN = {
    "parameters": "parameters",
    "training_seconds": "seconds",
    "epochs": "epochs",
    "steps": "steps",
    "edges_seen": "edges seen",
}


def _counts(results: Results) -> dict[str, dict[str, int]]:
    return {
        setting: {part: facts[part] for part in ("train", "validation", "test")}
        for setting, facts in results.networks.items()
    }


def _table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    aligned = "|---|" + "---:|" * (len(header) - 1)
    return [f"| {' | '.join(header)} |", aligned, *(f"| {' | '.join(row)} |" for row in rows)]


def _mean(figure: dict[str, Any]) -> str:
    if figure["mean"] is None:
        return "-"
    deviation = figure["deviation"]
    return f"{figure['mean']:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")


def _interval(entry: Entry, name: str) -> str:
    apart = (entry.reference_minus or {})[name]
    if apart["difference"] is None or apart["low"] is None:
        return "-"
    return f"{apart['difference']:+.3f} ({apart['low']:+.3f} .. {apart['high']:+.3f})"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _short(entry: Entry | None) -> str:
    if entry is None or entry.figures["r2"]["mean"] is None:
        return "-"
    tau = entry.figures["tau"]["mean"]
    return f"{entry.figures['r2']['mean']:.3f} / " + ("-" if tau is None else f"{tau:.3f}")


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)
