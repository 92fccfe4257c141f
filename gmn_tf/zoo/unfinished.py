"""A population in the making, part by part, so that a killed run goes on where it stopped.

The work happens in the folder `PATH.partial`: the plan and the finished parts. When all parts are there the
folder gets its manifest and is renamed to `PATH`, which therefore is a whole zoo or not there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files
from gmn_tf.zoo.parts import is_finished
from gmn_tf.zoo.store import Zoo
from gmn_tf.zoo.workers import default_workers, made_parts

Progress = Callable[[int, int, str], None]
"""Called with networks done, networks in all, and what is being done."""

PLAN = "plan.json"


class Plan(Protocol):
    """Everything that decides a population's content; equal plans give the same zoo."""

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON takes it."""

    @classmethod
    def of_dict(cls, values: Any) -> Plan | None:
        """The plan that `to_dict` gave; None where it is none."""


def make_zoo(
    path: str | os.PathLike[str],
    plan: Plan,
    *,
    sizes: Sequence[int],
    module: str,
    assemble: Callable[[Path, Any], None],
    workers: int | None = None,
    progress: Progress | None = None,
) -> Zoo:
    """Makes the zoo of a plan, or what is missing of it, or opens it.

    Args:
        path: the folder to make.
        plan: what the zoo is to be.
        sizes: networks of each part.
        module: makes the parts, in worker processes; see `gmn_tf.zoo.workers.made_parts`.
        assemble: called with the folder of the finished parts and the plan: writes all but the parts.
        workers: processes, by default one per processor; they do not change the result.
        progress: called when the making starts and after every part.

    Raises:
        ZooError: no worker; `path` holds something else; the disk is full. What was finished before stays in
            `PATH.partial` and is used by the next call.
    """
    if workers is not None and workers < 1:
        raise ZooError(f"Received workers {workers}: expected at least 1.")
    tell = progress or (lambda done, total, text: None)
    target = Path(os.path.abspath(path))  # noqa: PTH100 (no links are followed)
    if (finished := existing(target, plan)) is not None:
        return finished
    partial = open_partial(target, plan)
    missing = [part for part in range(len(sizes)) if not is_finished(partial, part)]
    done, total = sum(sizes) - sum(sizes[part] for part in missing), sum(sizes)
    tell(done, total, "training")
    processes = made_parts(module, partial, plan.to_dict(), missing, workers or default_workers())
    with contextlib.closing(processes) as parts:
        for part in parts:
            done += sizes[part]
            tell(done, total, f"part {part + 1} of {len(sizes)}")
    assemble(partial, plan)
    finish(partial, target)
    return Zoo.load(target)


def existing(target: Path, plan: Plan) -> Zoo | None:
    """The finished zoo of this plan at `target`, None where there is room for one.

    Raises:
        ZooError: something else is there.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    if not (target / files.MANIFEST).is_file():
        raise ZooError(f"{target} exists and is not a zoo: choose another folder or remove it.")
    zoo = Zoo.load(target)
    if plan.of_dict(zoo.manifest.get("plan")) != plan:
        raise ZooError(
            f"{target} holds a zoo of another recipe, size, seed or data: choose another folder or remove it."
        )
    return zoo


def open_partial(target: Path, plan: Plan) -> Path:
    """The folder to work in, with what an earlier call of the same plan left there.

    Raises:
        ZooError: it holds something else, or cannot be made.
    """
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        if not (partial / PLAN).is_file() and any(partial.iterdir()):
            raise ZooError(
                f"{partial} exists and is not an unfinished zoo: choose another folder or remove it."
            )
        if (partial / PLAN).is_file() and plan.of_dict(files.read_json(partial / PLAN)) != plan:
            raise ZooError(
                f"{partial} holds an unfinished zoo of another recipe, size, seed or data: "
                "remove it or choose another folder."
            )
    files.make_folder(partial)
    for leftover in [*partial.glob(".*"), *partial.glob(f"{files.KERAS_FOLDER}/.*")]:
        leftover.unlink(missing_ok=True)
    files.write_json(partial / PLAN, plan.to_dict())
    return partial


def finish(partial: Path, target: Path) -> None:
    """Makes the whole zoo appear at once; what only served the making goes afterwards."""
    try:
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
        for leftover in [target / PLAN, *target.glob("part-*")]:
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise ZooError(f"Cannot move {partial} to {target}: {error.strerror or error}.") from error
