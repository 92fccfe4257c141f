"""From rows to a table: mean and deviation over seeds, and how far each method is from the metanetwork."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from gmn_tf.comparison.measures import Measures
from gmn_tf.comparison.results import Results
from gmn_tf.tasks.bootstrap import draw_counts

REFERENCE = "gmn"
SAMPLES = 2000
COSTS = (
    "parameters",
    "training_seconds",
    "epochs",
    "best_epoch",
    "steps",
    "networks_seen",
    "edges_seen",
)
"""Facts of a run that say what it took; `None` where a method has none."""


@dataclasses.dataclass
class Entry:
    """One line of a table: a method with its settings, over all its seeds, in one setting of the zoo.

    Attributes:
        setting, method: names.
        name: the method's, as tables print it.
        changes: settings that are not the method's default ones, by name.
        rows: one per seed, in order of the seeds.
        figures: {figure: {"mean", "deviation", "values"}} on the test networks; the deviation is that of
            a sample, None with one seed; values that are not defined are left out.
        costs: {fact: mean over seeds}, see `COSTS`.
        mark: tells it from a line of the same title, whose other settings differ (of another version).
        reference_minus: {figure: {"difference", "low", "high"}}: mean over the reference's seeds minus the
            mean over these, with its 95 % interval by bootstrap over the test networks, the same draws for
            both; None for the reference itself, and where there is none.
    """

    setting: str
    method: str
    name: str
    changes: dict[str, Any]
    rows: list[Mapping[str, Any]]
    figures: dict[str, dict[str, Any]]
    costs: dict[str, float | None]
    mark: str = ""
    reference_minus: dict[str, dict[str, float | None]] | None = None

    @property
    def title(self) -> str:
        """The method's name as tables print it, with the settings that are not its default ones."""
        changed = ", ".join(f"{name}={value}" for name, value in sorted(self.changes.items()))
        title = f"{self.name} ({changed})" if changed else self.name
        return f"{title} [{self.mark}]" if self.mark else title

    @property
    def seeds(self) -> list[int]:
        return [row["seed"] for row in self.rows]


def summarize(results: Results, *, samples: int = SAMPLES) -> list[Entry]:
    """All lines, in the order of the zoo's settings and of the registry's methods."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in results.rows.values():
        groups.setdefault((row["setting"], row["method"], row["settings_hash"]), []).append(row)
    entries = [_entry(rows, results) for rows in groups.values()]
    settings, methods = list(results.networks), list(results.methods)
    place = {name: number for number, name in enumerate(methods)}
    entries.sort(
        key=lambda e: (
            settings.index(e.setting),
            place.get(e.method, len(methods)),
            bool(e.changes),
            json.dumps(e.changes, sort_keys=True),
        )
    )
    for setting in settings:
        here = [entry for entry in entries if entry.setting == setting]
        twice = {title for title, count in Counter(entry.title for entry in here).items() if count > 1}
        for entry in here:
            entry.mark = entry.rows[0]["settings_hash"] if entry.title in twice else ""
        _compare(here, results.targets(setting), results.measures, samples=samples)
    return entries


def _entry(rows: list[Mapping[str, Any]], results: Results) -> Entry:
    rows = sorted(rows, key=lambda row: row["seed"])
    figures = {}
    for name in results.measures.titles:
        values = [row["figures"][name] for row in rows if row["figures"][name] is not None]
        figures[name] = {
            "mean": float(np.mean(values)) if values else None,
            "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "values": values,
        }
    costs: dict[str, float | None] = {}
    for name in COSTS:
        known = [row[name] for row in rows if row.get(name) is not None]
        costs[name] = float(np.mean(known)) if known else None
    first = rows[0]
    method = first["method"]
    name = results.methods[method].title if method in results.methods else method
    return Entry(first["setting"], method, name, dict(first["changes"]), rows, figures, costs)


def _compare(entries: list[Entry], targets: np.ndarray, measures: Measures, *, samples: int) -> None:
    """Fills in `reference_minus` of the entries of one setting."""
    references = [entry for entry in entries if entry.method == REFERENCE]
    if not references:
        return
    counts = draw_counts(len(targets), samples=samples, seed=0)
    everyone = np.ones((1, len(targets)), np.int64)
    drawn = {id(entry): _seed_means(entry, targets, measures, counts) for entry in entries}
    exact = {id(entry): _seed_means(entry, targets, measures, everyone) for entry in entries}
    for entry in entries:
        reference = _reference(entry, references)
        if reference is None:
            continue
        entry.reference_minus = {}
        for name in measures.titles:
            apart = drawn[id(reference)][name] - drawn[id(entry)][name]
            known = apart[np.isfinite(apart)]
            low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
            difference = (exact[id(reference)][name] - exact[id(entry)][name])[0]
            entry.reference_minus[name] = {
                key: float(value) if np.isfinite(value) else None
                for key, value in (("difference", difference), ("low", low), ("high", high))
            }


def _seed_means(
    entry: Entry, targets: np.ndarray, measures: Measures, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Each figure's mean over the seeds, for every draw."""
    found = [measures.resampled(targets, np.array(row["predictions"]), counts) for row in entry.rows]
    return {name: np.mean([figures[name] for figures in found], axis=0) for name in measures.titles}


def _reference(entry: Entry, references: list[Entry]) -> Entry | None:
    """The metanetwork that was given what this entry was given; the default one for its own variants."""
    wanted = {} if entry.method == REFERENCE else entry.changes
    for changes in (wanted, {}):
        for reference in references:
            if reference.changes == changes and reference is not entry:
                return reference
    return None if entry.method == REFERENCE else references[0]


def as_json(entry: Entry) -> dict[str, Any]:
    """The entry without its predictions."""
    plain = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    del plain["rows"]
    return {**plain, "title": entry.title, "seeds": entry.seeds}
