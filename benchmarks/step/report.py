"""The training step's figures as JSON, as Markdown and on the terminal."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

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
_FASTEST_PYG = ("pyg_memory", "pyg_compile")


def summarize(
    samples: dict[str, list[dict[str, float]]],
    differences: dict[str, dict[str, float]],
    failures: dict[str, str],
    *,
    edges: int,
) -> dict[str, Any]:
    """Medians and ratios.

    Args:
        samples: by variant, one reading per round, as `worker` gives them.
        differences: by variant, what `compare.check` found.
        failures: by variant, why it could not run.
        edges: parameters in the batch; edges per second count these, bundled or not.
    """
    rows = {name: _row(readings, edges) for name, readings in samples.items()}
    floors = [rows[name]["seconds"] for name in rows if VARIANTS[name].scope == FLOOR]
    for name, row in rows.items():
        row["title"] = VARIANTS[name].title
        row["differences"] = differences.get(name, {})
        if floors and VARIANTS[name].scope in (TRUNK, WHOLE):
            row["share_of_floor"] = min(floors) / row["seconds"]
        own = {TRUNK: "trunk", WHOLE: "fit"}.get(VARIANTS[name].scope)
        if own in rows:  # round by round, so that what slows a round down falls out
            pairs = zip(samples[name], samples[own], strict=True)
            row["ratio"] = statistics.median(a["seconds"] / b["seconds"] for a, b in pairs)
    best = min(
        (name for name in _FASTEST_PYG if name in rows), key=lambda n: rows[n]["seconds"], default=None
    )
    return {"variants": rows, "failures": failures, "best_pyg": best, "edges": edges}


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
        "peak_bytes": readings[-1]["peak"],
        "increase_bytes": readings[-1]["increase"],
    }


def cells(name: str, row: dict[str, Any]) -> list[str]:
    """A row of the table, under `HEADERS`."""
    scope, differences = VARIANTS[name].scope, row["differences"]
    timed = scope in (TRUNK, WHOLE)
    return [
        row["title"],
        f"{row['seconds']:.3f}",
        f"{row['fastest']:.3f} .. {row['slowest']:.3f}",
        f"{row['ratio']:.2f}" if "ratio" in row else "-",
        f"{row['edges_per_second']:,.0f}" if timed else "-",
        f"{row['share_of_floor']:.0%}" if "share_of_floor" in row else "-",
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
    if result["best_pyg"]:
        row = result["variants"][result["best_pyg"]]
        if "ratio" in row:
            lines.append(f"PyTorch Geometric at its best: {row['title']}, {row['ratio']:.2f} times our time.")
    lines += [f"Left out: {name}: {reason}" for name, reason in result["failures"].items()]
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
    texts = {"json": json.dumps(result, indent=1) + "\n", "md": markdown(result)}
    for suffix, text in texts.items():
        beside = folder / f"{name}.{suffix}.partial"
        beside.write_text(text)
        beside.replace(folder / f"{name}.{suffix}")
