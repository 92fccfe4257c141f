"""Generates a population by the recipe of the Small CNN Zoo, in its published format.

The work happens in `PATH.partial`, group of runs by group of runs: a killed call goes on where it stopped.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files, small_cnn_recipe, small_cnn_splits
from gmn_tf.zoo import small_cnn_format as layout
from gmn_tf.zoo.data import load_data
from gmn_tf.zoo.families.small_cnn import SmallCnnArchitecture
from gmn_tf.zoo.small_cnn_zoo import SmallCNNZoo
from gmn_tf.zoo.workers import default_workers

FAMILY = "small_cnn_zoo"
VERSION = 1
MAX_RUNS = 1_000_000
_GROUP = 32
_GROUP_OF_LARGE_IMAGES = 8
_LARGE_IMAGE = 20  # pixels a side
_PLAN = "plan.json"


@dataclasses.dataclass(frozen=True)
class _Plan:
    """The arguments that decide the content, and the hash of the data."""

    data: str = dataclasses.field(compare=False)
    data_hash: str
    image_size: int
    size: int
    seed: int
    epochs: int
    steps: tuple[int, ...]
    version: int = VERSION

    def groups(self) -> list[list[int]]:
        """Runs that are trained together: of one activation and one share of the images."""
        together: dict[tuple[str, float], list[int]] = {}
        for number in range(self.size):
            run = small_cnn_recipe.draw_run(number, seed=self.seed)
            together.setdefault((run.activation, run.train_fraction), []).append(number)
        most = _GROUP_OF_LARGE_IMAGES if self.image_size > _LARGE_IMAGE else _GROUP
        return [
            numbers[start : start + most]
            for numbers in together.values()
            for start in range(0, len(numbers), most)
        ]


def generate_small_cnn_zoo(
    path: str | os.PathLike[str],
    *,
    data: str = "digits",
    size: int = 1000,
    seed: int = 0,
    epochs: int = layout.FINAL_STEP,
    steps: Sequence[int] = layout.STEPS,
    workers: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> SmallCNNZoo:
    """Trains runs by the recipe (`gmn_tf.zoo.small_cnn_recipe`) and writes them in the published format.

    Args:
        path: the folder to make: `weights.npy`, `metrics.csv.gz`, `layout.csv`, and `split.csv` as NFN's.
        data: see `gmn_tf.zoo.data.load_data`; grey images of ten classes, "@grey" makes them grey.
        size: number of runs.
        seed: decides everything; the same seed gives the same folder, whatever the number of workers.
        epochs: of every run.
        steps: epochs after which runs are kept besides the last one.
        workers: processes of one thread each; by default one per processor.
        progress: called with runs done, runs in all and what is being done.

    Returns:
        The folder, opened; runs by their last checkpoint.

    Raises:
        ZooError: a bad argument, images that do not fit, or the folder or `PATH.partial` holds other things.
    """
    if not 1 <= size <= MAX_RUNS or epochs < 1 or seed < 0 or (workers is not None and workers < 1):
        raise ZooError(
            f"Received size {size}, epochs {epochs}, seed {seed}, workers {workers}: expected a size of 1 to "
            f"{MAX_RUNS}, epochs and workers of at least 1 and a seed of at least 0."
        )
    loaded = load_data(data)
    SmallCnnArchitecture(loaded.image_shape, 10)
    if loaded.num_classes != 10:
        raise ZooError(f"{data} has {loaded.num_classes} classes, expected 10, as the Small CNN Zoo has.")
    plan = _Plan(
        data, loaded.hash, max(loaded.image_shape[:2]), size, seed, epochs, tuple(sorted(set(steps)))
    )
    target = Path(os.path.abspath(path))  # noqa: PTH100 (no links are followed)
    if layout.is_small_cnn_zoo(target) and _same(target / _PLAN, plan):
        return SmallCNNZoo.load(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ZooError(f"{target} exists and is not this population: choose another folder or remove it.")
    partial = target.with_name(target.name + ".partial")
    if partial.exists() and any(partial.iterdir()) and not _same(partial / _PLAN, plan):
        raise ZooError(f"{partial} holds an unfinished population of other settings: remove it.")
    files.make_folder(partial)
    files.write_json(partial / _PLAN, dataclasses.asdict(plan))

    groups = plan.groups()
    missing = [group for group in range(len(groups)) if not _part(partial, group).is_file()]
    done = size - sum(len(groups[group]) for group in missing)
    tell = progress or (lambda done, total, text: None)
    tell(done, size, "training")
    for group in _trained(partial, plan, missing, workers or default_workers()):
        done += len(groups[group])
        tell(done, size, f"group {group + 1} of {len(groups)}")
    _assemble(partial, plan, groups)
    _finish(partial, target)
    return SmallCNNZoo.load(target)


def _trained(partial: Path, plan: _Plan, missing: list[int], workers: int) -> Iterator[int]:
    """Trains groups in processes of their own and yields each when its part is written."""
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    workers = min(workers, len(missing))
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        waiting = [pool.submit(_train_part, partial, plan, group) for group in missing]
        try:
            for future in concurrent.futures.as_completed(waiting):
                yield future.result()
        except concurrent.futures.process.BrokenProcessPool as error:
            raise ZooError(
                f"A worker process died ({error}): call again to go on where it stopped."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one_thread() -> None:
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _part(folder: Path, group: int) -> Path:
    return folder / f"part-{group:05d}.npz"


def _train_part(folder: Path, plan: _Plan, group: int) -> int:
    """Trains one group and writes weights [N, C, 4970] and metrics [N, C]."""
    from gmn_tf.zoo.small_cnn_training import RunTrainer

    numbers = plan.groups()[group]
    runs = [small_cnn_recipe.draw_run(number, seed=plan.seed) for number in numbers]
    trainer = RunTrainer(load_data(plan.data), seed=plan.seed, epochs=plan.epochs, steps=plan.steps)
    found = trainer.train(numbers, runs)
    arrays: dict[str, Any] = {"weights": found.weights, **found.metrics}
    files.write_bytes(_part(folder, group), lambda stream: np.savez(stream, **arrays))
    return group


def _read_part(folder: Path, group: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    path = _part(folder, group)
    try:
        with np.load(path, allow_pickle=False) as part:
            return {name: part[name] for name in names}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ZooError(f"{path} is damaged ({error}): remove it and call again.") from error


def _assemble(folder: Path, plan: _Plan, groups: list[list[int]]) -> None:
    """Writes the published files into the folder of the parts: run by run, each by rising step."""
    kept = small_cnn_recipe.kept_epochs(plan.epochs, plan.steps)
    rows: list[dict[str, Any]] = []
    for group, numbers in enumerate(groups):
        measured = _read_part(folder, group, layout.MEASURED)
        for row, number in enumerate(numbers):
            for column, step in enumerate(kept):
                rows.append(
                    small_cnn_recipe.draw_run(number, seed=plan.seed).row()
                    | {
                        "config.dataset": plan.data.partition("@")[0].partition(":")[0],
                        "config.epochs": plan.epochs,
                        "config.random_seed": plan.seed,
                        "config.image_size": plan.image_size,
                        "modeldir": f"run-{number:06d}",
                        "step": step,
                    }
                    | {name: values[row, column] for name, values in measured.items()}
                )
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    blocks = (
        block
        for group in range(len(groups))
        for block in _read_part(folder, group, ("weights",))["weights"]  # [C, 4970], run by run
    )
    layout.write(folder, blocks, len(rows), columns)
    order = np.random.default_rng([plan.seed, 7]).permutation(len(rows))
    small_cnn_splits.write(folder / layout.SPLIT, order)


def _finish(partial: Path, target: Path) -> None:
    try:
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
        for part in target.glob("part-*.npz"):
            part.unlink()
    except OSError as error:
        raise ZooError(f"Cannot move {partial} to {target}: {error.strerror or error}.") from error


def _same(path: Path, plan: _Plan) -> bool:
    if not path.is_file():
        return False
    values = files.read_json(path)
    try:
        return _Plan(**(values | {"steps": tuple(values["steps"])})) == plan
    except (TypeError, KeyError):
        return False
