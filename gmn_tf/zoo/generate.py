"""Generates a population, architecture by architecture, so that a killed run goes on where it stopped.

The work happens in the folder `PATH.partial`: the plan and one finished part per architecture. When all parts
are there the folder gets its manifest and is renamed to `PATH`, which therefore is a whole zoo or not there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files
from gmn_tf.zoo.assemble import assemble
from gmn_tf.zoo.data import load_data
from gmn_tf.zoo.parts import is_finished
from gmn_tf.zoo.plan import Plan
from gmn_tf.zoo.store import Zoo
from gmn_tf.zoo.workers import default_workers, trained_parts

Progress = Callable[[int, int, str], None]
"""Called with networks done, networks in all, and what is being done."""

PLAN = "plan.json"


def generate_zoo(
    path: str | os.PathLike[str],
    *,
    family: str = "cnn",
    data: str = "digits",
    size: int = 1400,
    seed: int = 0,
    workers: int | None = None,
    keras_files: int = 0,
    progress: Progress | None = None,
) -> Zoo:
    """Trains a population and stores it as a zoo; goes on where an earlier call was stopped.

    Args:
        path: the folder to make. A finished zoo of the same plan there is opened and answered at once.
        family: "cnn", "varying_cnns", "diverse" (all families, equal shares), or another family's name; see
            `gmn_tf.zoo.recipe.populations`.
        data: see `gmn_tf.zoo.data.load_data`.
        size: number of networks in the three splits, at least 3; of 1,400, 1,000 are for training, 100 for
            validation and 300 for test, of 5,000 they are 4,000, 300 and 700; see `recipe.split_names`.
        seed: decides everything: architectures, hyper-parameters, weights, batches, splits.
        workers: processes to train in, each on one processor; by default one per processor. The number does
            not change the result.
        keras_files: so many further networks, in no split, are trained and written to `path/keras/` as
            `.keras` files, with their accuracies in `path/keras/accuracies.csv`.
        progress: called when training starts and after every part.

    Raises:
        ZooError: a bad argument; `path` holds something else; the disk is full. What was finished before
            stays in `PATH.partial` and is used by the next call.
    """
    if workers is not None and workers < 1:
        raise ZooError(f"Received workers {workers}: expected at least 1.")
    tell = progress or (lambda done, total, text: None)
    loaded = load_data(data)
    plan = Plan(family, data, loaded.hash, size, seed, keras_files)
    target = Path(os.path.abspath(path))  # noqa: PTH100 (no links are followed)
    if (finished := _existing(target, plan)) is not None:
        return finished
    partial = _open_partial(target, plan)
    missing = [a for a in range(plan.num_architectures) if not is_finished(partial, a)]
    done = plan.total - sum(len(plan.indices(a)) for a in missing)
    tell(done, plan.total, "training")
    with contextlib.closing(trained_parts(partial, plan, missing, workers or default_workers())) as parts:
        for architecture in parts:
            done += len(plan.indices(architecture))
            tell(done, plan.total, f"architecture {architecture + 1} of {plan.num_architectures}")
    assemble(partial, plan)
    _finish(partial, target)
    return Zoo.load(target)


def _existing(target: Path, plan: Plan) -> Zoo | None:
    """The finished zoo of this plan at `target`, None where there is room for one."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    if not (target / files.MANIFEST).is_file():
        raise ZooError(f"{target} exists and is not a zoo: choose another folder or remove it.")
    zoo = Zoo.load(target)
    if Plan.of_dict(zoo.manifest.get("plan")) != plan:
        raise ZooError(
            f"{target} holds a zoo of another recipe, size, seed or data: choose another folder or remove it."
        )
    return zoo


def _open_partial(target: Path, plan: Plan) -> Path:
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        if not (partial / PLAN).is_file() and any(partial.iterdir()):
            raise ZooError(
                f"{partial} exists and is not an unfinished zoo: choose another folder or remove it."
            )
        if (partial / PLAN).is_file() and Plan.of_dict(files.read_json(partial / PLAN)) != plan:
            raise ZooError(
                f"{partial} holds an unfinished zoo of another recipe, size, seed or data: "
                "remove it or choose another folder."
            )
    files.make_folder(partial)
    for leftover in [*partial.glob(".*"), *partial.glob(f"{files.KERAS_FOLDER}/.*")]:
        leftover.unlink(missing_ok=True)
    files.write_json(partial / PLAN, plan.to_dict())
    return partial


def _finish(partial: Path, target: Path) -> None:
    """Makes the whole zoo appear at once; what only served the making goes afterwards."""
    try:
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
        for leftover in [target / PLAN, *target.glob("part-*.json")]:
            leftover.unlink()
    except OSError as error:
        raise ZooError(f"Cannot move {partial} to {target}: {error.strerror or error}.") from error
