"""Tables of results as Markdown, JSON and PNG, made anew from the rows: `write_report`."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gmn_tf.comparison.chart import chart
from gmn_tf.comparison.measures import MEASURES, Measures
from gmn_tf.comparison.results import MANIFEST, Results
from gmn_tf.comparison.summary import SAMPLES, Entry, as_json, summarize
from gmn_tf.models.registry import ACCURACY
from gmn_tf.training import files

TABLE, JSON, CHART, OVERVIEW = "README.md", "table.json", "chart.png", "README.md"
PICTURE = "edited.png"
"""Shown above the tables where it lies beside them: before, target, and after of every method."""
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
    found, measures = {}, {}
    for folder in sorted(path for path in Path(root).glob("*") if (path / MANIFEST).exists()):
        results = Results(folder)
        entries = summarize(results, samples=samples)
        files.write_json(folder / JSON, {"settings": _counts(results), "entries": [*map(as_json, entries)]})
        files.write_text(folder / TABLE, markdown(results, entries, samples=samples))
        png = chart(entries, results.path.name, results.measures, list(results.methods))
        files.write(folder / CHART, functools.partial(_write_bytes, data=png))
        found[folder.name] = entries
        measures[folder.name] = results.measures
    files.write_text(Path(root) / OVERVIEW, overview(found, measures))
    return found


def markdown(results: Results, entries: list[Entry], *, samples: int = SAMPLES) -> str:
    """The tables of one population: figures and costs, then differences, for each setting."""
    manifest, measures = results.manifest, results.measures
    charted = " and ".join(measures.charted.values())
    options = [f"{name} `{value}`" for name, value in results.task["options"].items()]
    lines = [
        f"# {measures.heading}: {results.path.name}",
        "",
        f"Population of the family `{manifest.get('family')}` on `{manifest.get('data', {}).get('name')}`, "
        f"seed {manifest.get('seed')}; [its manifest]({MANIFEST}) has the recipe and checksums. Figures on "
        "the test networks: mean and standard deviation over the methods' seeds. Seconds are wall-clock on "
        "the machines named below, compilation and validation included."
        + (f" Task: {', '.join(options)}; pixels from 0 to 1." if options else ""),
        "",
        f"![{charted} of every method in every setting]({CHART})",
    ]
    if (results.path / PICTURE).exists():
        lines += ["", f"![before, target, and after of every method]({PICTURE})"]
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
                ["method", *measures.titles.values(), *_SHOWN.values(), "seeds"],
                (
                    [
                        entry.title,
                        *(_mean(entry.figures[name], measures) for name in measures.titles),
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
                    ["metanetwork minus", *measures.titles.values()],
                    (
                        [entry.title, *(_interval(entry, name, measures) for name in measures.titles)]
                        for entry in apart
                    ),
                ),
            ]
    if results.refused:
        lines += ["", "## Not there", ""]
        lines += [f"- `{name}`: {why}" for name, why in sorted(results.refused.items())]
    machines = sorted({row["machine"] for entry in entries for row in entry.rows})
    lines += ["", f"Machines: {'; '.join(machines)}.", ""]
    return "\n".join(lines)


def overview(
    populations: dict[str, list[Entry]], measures: Mapping[str, Measures] = MappingProxyType({})
) -> str:
    """The short figures of every method in every setting, a table per population (and task).

    Measures are those of accuracy prediction where none are given for a population.
    """
    usual = MEASURES[ACCURACY]
    first = next(iter(measures.values()), usual)
    lines = [
        f"# {first.heading}, every method",
        "",
        f"{' / '.join(first.titles[name] for name in first.short)} on test networks, mean over seeds. Made "
        f"by `{first.script}`; what the settings are and how to repeat it stands in {first.docs}.",
    ]
    for name, entries in populations.items():
        settings = list(dict.fromkeys(entry.setting for entry in entries))
        cells = {(entry.title, entry.setting): entry for entry in entries}
        titles = list(dict.fromkeys(entry.title for entry in entries))
        rows = (
            [title, *(_short(cells.get((title, setting)), measures.get(name, usual)) for setting in settings)]
            for title in titles
        )
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


def _mean(figure: dict[str, Any], measures: Measures) -> str:
    deviation = figure["deviation"]
    spread = "" if deviation is None else f" ± {measures.text(deviation)}"
    return measures.text(figure["mean"]) + spread


def _interval(entry: Entry, name: str, measures: Measures) -> str:
    apart = (entry.reference_minus or {})[name]
    if apart["difference"] is None or apart["low"] is None:
        return "-"
    difference, low, high = (measures.text(apart[key], sign=True) for key in ("difference", "low", "high"))
    return f"{difference} ({low} .. {high})"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _short(entry: Entry | None, measures: Measures) -> str:
    if entry is None or entry.figures[measures.short[0]]["mean"] is None:
        return "-"
    return " / ".join(measures.text(entry.figures[name]["mean"]) for name in measures.short)


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)
