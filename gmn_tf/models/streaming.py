"""The progress bar of a metanetwork that reads a large graph chunk by chunk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def edge_progress(total: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    """Shows a bar of `total` edges while it is open; gives the function that says how many more are done."""
    if not show:
        yield lambda num_edges: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("edges", total=total)
        yield lambda num_edges: bar.advance(task, num_edges)
