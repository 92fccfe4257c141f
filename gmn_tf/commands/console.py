"""What the commands share: where output goes, progress bars, and a quiet start of TensorFlow."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

Architecture = Annotated[
    Path | None,
    typer.Option(
        metavar="MODEL.keras",
        help="The architecture of files that hold weights alone (.weights.h5), as a whole model.",
    ),
]
Metanetwork = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="The metanetwork: the name of one that comes with gmn_tf, an export, or a run folder.",
        show_default="accuracy-diverse",
    ),
]
Measured = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="Table with the columns file and test_accuracy; shows measured beside predicted accuracy.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text, for programs.")]


def print_json(value: Any) -> None:
    """One JSON object on standard output; numpy numbers and arrays included, NaN and infinity as null."""
    print(json.dumps(_plain(value), indent=2))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def start_tensorflow() -> None:
    """Imports TensorFlow without the lines its native code writes to stderr while it starts.

    They are shown when the import fails.
    """
    if "tensorflow" in sys.modules:
        return
    with _captured_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _captured_stderr() -> Iterator[None]:
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def progress_bar(title: str, *, shown: bool) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr; yields `update(done, total, text)`, which does nothing when it is not shown."""
    if not shown:
        yield lambda done, total, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, Remaining(), TextColumn("{task.fields[text]}"), console=Console(stderr=True))
    task = bar.add_task(title, total=None, text="")

    def update(done: int, total: int, text: str) -> None:
        bar.start()  # not before there is work: bad input shows its sentence alone
        bar.update(task, completed=done, total=total, text=text)

    try:
        yield update
    finally:
        bar.stop()


def print_table(header: list[str], rows: list[list[str]], *, title: str | None = None) -> None:
    """A table on standard output, the first column left, the others right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def print_predictions(rows: list[dict[str, Any]], *, first: str, measured: bool, distance: bool) -> None:
    """A table of predicted accuracies, and a sentence where networks are unlike the training networks."""
    from gmn_tf.training_distance import UNLIKE

    header = [first, "predicted"] + (["measured"] if measured else [])
    header += ["distance", "range"] if distance else []
    lines = []
    for row in rows:
        line = [row["file"], f"{row['predicted']:.3f}"]
        if measured:
            line.append(f"{row['measured']:.3f}" if row["measured"] is not None else "unknown")
        if distance:
            line += [f"{row['distance']:.2f}", row["range"]]
        lines.append(line)
    print_table(header, lines)
    far = sum(row["range"] == UNLIKE for row in rows) if distance else 0
    if far:
        print(
            f"{far} of {len(rows)} are unlike anything that the metanetwork was trained on: what it predicts "
            "of them means little."
        )
