"""Trains what the tables lack, row by row, and makes them anew at the end: `reproduce`."""

from __future__ import annotations

import dataclasses
import functools
import gc
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gmn_tf
from gmn_tf.comparison.report import write_report
from gmn_tf.comparison.results import Results, row_name, settings_hash
from gmn_tf.comparison.summary import COSTS, SAMPLES
from gmn_tf.errors import GmnError, ZooError
from gmn_tf.models.registry import method
from gmn_tf.models.registry import methods as known_methods
from gmn_tf.training.accuracy_task import AccuracyTask
from gmn_tf.training.fit import change, config_of, train
from gmn_tf.training.folder import zoo_hash
from gmn_tf.training.run import Run
from gmn_tf.training.settings import Settings
from gmn_tf.training.task import Task
from gmn_tf.zoo.opening import open_zoo
from gmn_tf.zoo.store import Zoo


@dataclasses.dataclass(frozen=True)
class Job:
    """One row to be made."""

    task: Task
    zoo: Zoo
    results: Results
    settings: Settings
    row: dict[str, Any]

    @property
    def title(self) -> str:
        names = [
            self.results.path.name,
            self.settings.setting,
            method(self.settings.method, self.task.name).title,
        ]
        changed = [f"{name}={value}" for name, value in self.row["changes"].items()]
        return ", ".join([*names, f"seed {self.settings.seed}", *changed])


def reproduce(
    zoo_paths: Iterable[Zoo | str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    runs: str | os.PathLike[str],
    task: Task | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    changes: Mapping[str, Any] | None = None,
    changes_of: Mapping[str, Mapping[str, Any]] | None = None,
    time_limit: float | None = None,
    strategy: str = "auto",
    jit_compile: bool | None = None,
    samples: int = SAMPLES,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Trains every method on every zoo, setting and seed that has no row yet, and writes the tables.

    Rows that are there are kept. What is cut off goes on when it is started again. A method that
    refuses the networks is noted and passed over.

    Args:
        zoo_paths: zoos, or where they are.
        out: folder of the results, see `gmn_tf.comparison.results` and `write_report`.
        runs: folder of the training runs.
        task: what all are trained for; by default accuracy prediction.
        methods: default all that the registry has for the task.
        settings: default all that the zoo has; those it lacks are left out.
        seeds: of the methods.
        changes: settings for all methods in place of their own, such as {"epochs": 12}; a method that has
            no such setting is left as it is.
        changes_of: {method: settings and arguments of its class}.
        time_limit: seconds after which nothing is started any more and training stops at an epoch's end.
        strategy, jit_compile: as of `gmn_tf.training.fit.train`.
        samples: bootstrap draws.
        progress: whether a bar shows each training.
        say: prints a line per row.

    Returns:
        {"made", "kept", "refused", "left"}: how many rows; "left" are those that time did not suffice for.

    Raises:
        RunError: a method or setting is unknown, or results cannot be read or written.
        ZooError: a zoo cannot be read, or none has any of the settings.
    """
    deadline = None if time_limit is None else time.monotonic() + time_limit
    task = task or AccuracyTask()
    jobs = _jobs(
        task,
        [path if isinstance(path, Zoo) else open_zoo(path) for path in zoo_paths],
        Path(out),
        methods=list(known_methods(task.name)) if methods is None else list(methods),
        settings=settings,
        seeds=seeds,
        changes=changes or {},
        changes_of=changes_of or {},
    )
    missing = [job for job in jobs if row_name(job.row) not in job.results.rows]
    counts = {"made": 0, "kept": len(jobs) - len(missing), "refused": 0, "left": 0}
    make = functools.partial(
        _make, runs=Path(runs), strategy=strategy, jit_compile=jit_compile, progress=progress, say=say
    )
    try:
        for number, job in enumerate(missing):
            seconds = None if deadline is None else deadline - time.monotonic()
            if seconds is not None and seconds <= 0:
                break
            say(f"[{number + 1}/{len(missing)}] {job.title}")
            try:
                made = make(job, time_limit=seconds)
            except GmnError as error:
                say(f"  refused: {error}")
                job.results.refuse(job.row, str(error))
                counts["refused"] += 1
                continue
            if made is None:
                break
            counts["made"] += 1
            _forget()
            measures = job.results.measures
            shown = (
                f"{measures.titles[name]} {measures.text(made['figures'][name])}" for name in measures.titles
            )
            say("  " + ", ".join(shown))
    finally:  # also when it is interrupted
        write_report(Path(out), samples=samples)
    counts["left"] = len(missing) - counts["made"] - counts["refused"]
    return counts


def _jobs(
    task: Task,
    zoos: list[Zoo],
    out: Path,
    *,
    methods: list[str],
    settings: Sequence[str] | None,
    seeds: Sequence[int],
    changes: Mapping[str, Any],
    changes_of: Mapping[str, Mapping[str, Any]],
) -> list[Job]:
    """All rows; seeds vary slowest, so that a table that is not finished has every method."""
    places = []
    for zoo in zoos:
        results = Results.of(out, zoo, task)
        for setting in zoo.settings:
            if settings is None or setting in settings:
                results.add_setting(zoo, setting, task)
                places.append((zoo, results, setting))
    if not places:
        raise ZooError(
            f"received the settings {', '.join(settings or ())}, expected one that a zoo has: "
            + "; ".join(f"{zoo.path} has {', '.join(zoo.settings)}" for zoo in zoos)
        )
    plans = {name: _plan(task, name, changes, changes_of.get(name, {})) for name in (*methods, *changes_of)}
    hashes = {name: settings_hash(config_of(places[0][0], plans[name][0], task)) for name in methods}
    return [
        Job(
            task,
            zoo,
            results,
            dataclasses.replace(plans[name][0], setting=setting, seed=seed),
            {
                "zoo_hash": zoo_hash(zoo),
                "setting": setting,
                "method": name,
                "seed": seed,
                "settings_hash": hashes[name],
                "changes": plans[name][1],
            },
        )
        for seed in seeds
        for zoo, results, setting in places
        for name in methods
    ]


def _plan(
    task: Task, name: str, changes: Mapping[str, Any], own: Mapping[str, Any]
) -> tuple[Settings, dict[str, Any]]:
    """A method's settings, and which of them are not its default ones."""
    entry = method(name, task.name)
    default = Settings.of(name, task.name)
    general = {key: value for key, value in changes.items() if entry.on_graphs or key in entry.arguments()}
    plan = change(default, task=task.name, **{**general, **own})
    before, after = ({**dataclasses.asdict(s), **s.model} for s in (default, plan))
    del before["model"], after["model"]
    return plan, {key: value for key, value in after.items() if before.get(key) != value}


def _make(
    job: Job,
    *,
    runs: Path,
    time_limit: float | None,
    strategy: str,
    jit_compile: bool | None,
    progress: bool,
    say: Callable[[str], None],
) -> dict[str, Any] | None:
    """Trains and judges; None where time ran out."""
    run = run_folder(runs, job.results, job.row)
    summary = train(
        job.task,
        job.zoo,
        run,
        settings=job.settings,
        strategy=strategy,
        jit_compile=jit_compile,
        time_limit=time_limit,
        progress=progress,
        say=lambda sentence: say(f"  {sentence}"),
    )
    if not summary["finished"]:
        return None
    opened = Run.load(run)
    test = job.zoo.indices("test", job.settings.setting)
    predictions = job.task.scores_of(opened, job.zoo, test)
    row = {
        **job.row,
        **{name: summary[name] for name in COSTS},
        "validation": summary["validation"],
        "settings": opened.config["settings"],
        "model": opened.config["model"],
        "gmn_tf_version": gmn_tf.__version__,
        "machine": _machine(),
    }
    return job.results.add(row, predictions)


def run_folder(runs: str | os.PathLike[str], results: Results, row: Mapping[str, Any]) -> Path:
    """Where the training run of a row lies."""
    return Path(runs) / results.path.name / row_name(row)


def _forget() -> None:
    """Lets go of the models of a training: a hundred of them would fill the memory."""
    import tf_keras

    tf_keras.backend.clear_session()
    gc.collect()


def _machine() -> str:
    """Processors and, where there is one, the GPU that a training could use."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    return ", ".join([f"{len(os.sched_getaffinity(0))} processors", *names])
