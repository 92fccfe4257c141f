"""The training step's figures as JSON, as Markdown and on the terminal."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks import files
from benchmarks.step.variants import FLOOR, TRUNK, VARIANTS, WHOLE

HEADERS = (
    "variant",
    "s / step",
    "range",
    "to gmn_tf",
    "edges / s",
    "of floor",
    "peak GB",
    "added GB",
    "answers",
)
Samples = dict[str, list[dict[str, float]]]
"""Readings by variant, one per round."""

_OWN = {TRUNK: "trunk", WHOLE: "fit"}  # what a variant's time is divided by
_FASTEST_PYG = ("pyg_memory", "pyg_compile")


def summarize(
    samples: list[Samples],
    differences: dict[str, dict[str, float]],
    failures: dict[str, str],
    *,
    edges: int,
) -> dict[str, Any]:
    """Medians and ratios.

    Args:
        samples: by party, then by variant, one reading per round, as `worker` gives them.
        differences: by variant, what `compare.check` found.
        failures: by variant, why it could not run.
        edges: parameters in the batch; edges per second count these, bundled or not.
    """
    names = [name for name in VARIANTS if any(name in party for party in samples)]
    rows = {n: _row([r for party in samples for r in party.get(n, [])], edges) for n in names}
    floors = [name for name in names if VARIANTS[name].scope == FLOOR]
    for name, row in rows.items():
        row["title"] = VARIANTS[name].title
        row["differences"] = differences.get(name, {})
        scope = VARIANTS[name].scope
        if scope in (TRUNK, WHOLE):
            shares = [ratio(samples, floor, name) for floor in floors]
            row["share_of_floor"] = min((share for share in shares if share is not None), default=None)
        if scope in _OWN:
            row["ratio"] = ratio(samples, name, _OWN[scope])
    tuned = [name for name in _FASTEST_PYG if name in rows]
    best = min(tuned, key=lambda name: rows[name]["seconds"], default=None)
    result = {"variants": rows, "failures": failures, "best_pyg": best, "edges": edges}
    if best is not None:
        result["best_pyg_to_fit"] = ratio(samples, best, "fit")
    return result


def ratio(samples: list[Samples], name: str, other: str) -> float | None:
    """Median of name's time divided by the other's, round by round, so that what slows a round falls out.

    None where the two never sat in one party.
    """
    ratios = [
        a["seconds"] / b["seconds"]
        for party in samples
        if name in party and other in party
        for a, b in zip(party[name], party[other], strict=True)
    ]
    return statistics.median(ratios) if ratios else None


def _row(readings: list[dict[str, float]], edges: int) -> dict[str, Any]:
    seconds = [reading["seconds"] for reading in readings]
    median = statistics.median(seconds)
    return {
        "seconds": median,
        "fastest": min(seconds),
        "slowest": max(seconds),
        "processor_seconds": statistics.median(reading["processor"] for reading in readings),
        "page_faults": statistics.median(reading["faults"] for reading in readings),
        "edges_per_second": edges / median,
        "peak_bytes": max(reading["peak"] for reading in readings),
        "increase_bytes": max(reading["increase"] for reading in readings),
    }


def cells(name: str, row: dict[str, Any]) -> list[str]:
    """A row of the table, under `HEADERS`."""
    scope, differences = VARIANTS[name].scope, row["differences"]
    timed = scope in (TRUNK, WHOLE)
    return [
        row["title"],
        f"{row['seconds']:.3f}",
        f"{row['fastest']:.3f} .. {row['slowest']:.3f}",
        f"{row['ratio']:.2f}" if row.get("ratio") else "-",
        f"{row['edges_per_second']:,.0f}" if timed else "-",
        f"{row['share_of_floor']:.0%}" if row.get("share_of_floor") else "-",
        f"{row['peak_bytes'] / 1e9:.2f}",
        f"{row['increase_bytes'] / 1e9:.2f}",
        " / ".join(f"{value:.0e}" for value in differences.values()) or ("reference" if timed else "-"),
    ]


def notes(result: dict[str, Any]) -> list[str]:
    """Sentences under the table."""
    lines = [
        "to gmn_tf: median over rounds of the time divided by that of gmn_tf's blocks (or of fit) in the "
        "same round. Answers: largest relative difference of answers / gradients, compared before timing.",
    ]
    best = result["variants"].get(result["best_pyg"], {})
    if best.get("ratio"):
        lines.append(f"PyTorch Geometric at best ({best['title']}): {best['ratio']:.2f} times our blocks.")
    if result.get("best_pyg_to_fit"):
        lines.append(f"That is {result['best_pyg_to_fit']:.2f} times our fit, encoders and readout included.")
    for name, reason in result["failures"].items():
        lines.append(f"Left out{' of a party' if name in result['variants'] else ''}: {name}: {reason}")
    return lines


def markdown(result: dict[str, Any]) -> str:
    """The page under benchmarks/results."""
    setting = result["setting"]
    lines = [
        "# Training step",
        "",
        f"`{setting['command']}`: {setting['networks']} networks, {result['edges']:,} edges, "
        f"{setting['nodes']:,} nodes, width {setting['width']}, {setting['num_blocks']} blocks, "
        f"{setting['rounds']} rounds, {setting['cores']} cores ({setting['processor']}).",
        "",
        "| " + " | ".join(HEADERS) + " |",
        "|---|" + "---:|" * (len(HEADERS) - 1),
    ]
    lines += ["| " + " | ".join(cells(name, row)) + " |" for name, row in result["variants"].items()]
    lines += ["", *(f"{line}\n" for line in notes(result))]
    return "\n".join(lines)


def show(result: dict[str, Any]) -> None:
    """Prints the table."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.width = max(console.width, 150)  # no cell is cut when the output goes into a file
    table = Table(title="one training step")
    for number, header in enumerate(HEADERS):
        table.add_column(header, justify="left" if number == 0 else "right")
    for name, row in result["variants"].items():
        table.add_row(*cells(name, row))
    console.print(table)
    for line in notes(result):
        console.print(line, highlight=False)


def write(result: dict[str, Any], folder: Path, name: str) -> None:
    """Writes NAME.json and NAME.md into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / f"{name}.json", json.dumps(result, indent=1) + "\n")
    files.write(folder / f"{name}.md", markdown(result))
