"""The scaling benchmark's figures as Markdown, as a plot and on the terminal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

_HEADERS = (
    "mode",
    "edges",
    "s",
    "ns / edge",
    "ratio",
    "peak GB",
    "added GB",
    "added bytes / edge",
    "answers",
)


def add_ratios(rows: list[dict[str, Any]]) -> None:
    """Writes time per edge, bytes per edge and the ratio to the mode's smallest time per edge into rows."""
    for mode in {row["mode"] for row in rows}:
        done = [row for row in rows if row["mode"] == mode and "seconds" in row]
        for row in done:
            row["nanoseconds_per_edge"] = 1e9 * row["seconds"] / row["edges"]
            row["bytes_per_edge"] = row["increase_bytes"] / row["edges"]
        smallest = min((row["nanoseconds_per_edge"] for row in done), default=0.0)
        for row in done:
            row["ratio"] = row["nanoseconds_per_edge"] / smallest


def _cells(row: dict[str, Any]) -> list[str]:
    if "error" in row:
        return [row["mode"], f"{row['asked']:,}", row["error"], *[""] * (len(_HEADERS) - 3)]
    return [
        row["mode"],
        f"{row['edges']:,}",
        f"{row['seconds']:.3f}",
        f"{row['nanoseconds_per_edge']:.0f}",
        f"{row['ratio']:.2f}",
        f"{row['peak_bytes'] / 1e9:.2f}",
        f"{row['increase_bytes'] / 1e9:.2f}",
        f"{row['bytes_per_edge']:,.0f}",
        f"{row['difference']:.0e}" if "difference" in row else "-",
    ]


def constancy(rows: list[dict[str, Any]], mode: str) -> str:
    """The time per edge that a mode's sizes are nearest to, and the factor within which all of them lie."""
    times = [row["nanoseconds_per_edge"] for row in rows if row["mode"] == mode and "seconds" in row]
    middle = math.sqrt(min(times) * max(times))
    return f"{mode}: within {max(times) / middle:.2f} times of {middle:.0f} ns per edge, either way"


def line(row: dict[str, Any]) -> str:
    """One size in a sentence."""
    what = row.get("error") or f"{row['seconds']:.3f} s, {row['increase_bytes'] / 1e9:.2f} GB added"
    return f"{row['mode']}, {row.get('edges', row['asked']):,} edges: {what}"


def markdown(result: dict[str, Any]) -> str:
    """The page under benchmarks/results."""
    model = ", ".join(f"{name} {value}" for name, value in result["model"].items())
    return "\n".join(
        [
            "# Scaling",
            "",
            f"`python -m benchmarks.scaling`: GraphMetanetwork ({model}), chunk {result['chunk']}, "
            f"{result['cores']} cores. Ratio: to the smallest time per edge. Added: peak beyond what was "
            "resident before the first call, which holds the graph. Answers: largest relative difference "
            "between the compiled answer and the plain one, up to a million edges.",
            "",
            "| " + " | ".join(_HEADERS) + " |",
            "|---|" + "---:|" * (len(_HEADERS) - 1),
            *("| " + " | ".join(_cells(row)) + " |" for row in result["rows"]),
            "",
            *(f"- {constancy(result['rows'], mode)}" for mode in _modes(result["rows"])),
            "",
        ]
    )


def _modes(rows: list[dict[str, Any]]) -> list[str]:
    """Modes of which there is a figure, in their order."""
    return list(dict.fromkeys(row["mode"] for row in rows if "seconds" in row))


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the table."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.width = max(console.width, 120)
    table = Table(title="time and memory against edges")
    for number, header in enumerate(_HEADERS):
        table.add_column(header, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*_cells(row))
    console.print(table)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws time per edge and added memory against edges."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for mode in sorted({row["mode"] for row in rows}):
        done = [row for row in rows if row["mode"] == mode and "seconds" in row]
        edges = [row["edges"] for row in done]
        axes[0].plot(edges, [row["nanoseconds_per_edge"] for row in done], "o-", label=mode)
        axes[1].plot(edges, [row["increase_bytes"] / 1e9 for row in done], "o-", label=mode)
    for axis, label in zip(axes, ("nanoseconds per edge", "added memory, GB"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="edges", ylabel=label)
        axis.grid(alpha=0.3)
        axis.legend()
    beside = path.with_name(path.name + ".partial")
    figure.savefig(beside, format="png", dpi=150)
    plt.close(figure)
    beside.replace(path)
