"""Trains what a table lacks, row by row, and makes it anew after each: `reproduce`."""

from __future__ import annotations

import dataclasses
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
from gmn_tf.models.registry import METHODS, method
from gmn_tf.training.fit import change, config_of, train_accuracy
from gmn_tf.training.folder import zoo_hash
from gmn_tf.training.run import Run
from gmn_tf.training.settings import Settings
from gmn_tf.zoo.opening import open_zoo
from gmn_tf.zoo.store import Zoo


@dataclasses.dataclass(frozen=True)
class Job:
    """One row to be made."""

    zoo: Zoo
    results: Results
    settings: Settings
    row: dict[str, Any]

    @property
    def title(self) -> str:
        names = [self.results.path.name, self.settings.setting, method(self.settings.method).title]
        changed = [f"{name}={value}" for name, value in self.row["changes"].items()]
        return ", ".join([*names, f"seed {self.settings.seed}", *changed])


def reproduce(
    zoo_paths: Iterable[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    runs: str | os.PathLike[str],
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
        zoo_paths: zoos.
        out: folder of the results, see `gmn_tf.comparison.results` and `write_report`.
        runs: folder of the training runs.
        methods: default all of the registry.
        settings: default all that the zoo has; those it lacks are left out.
        seeds: of the methods.
        changes: settings for all methods in place of their own, such as {"epochs": 12}; a method that has
            no such setting is left as it is.
        changes_of: {method: settings and arguments of its class}.
        time_limit: seconds after which nothing is started any more and training stops at an epoch's end.
        strategy, jit_compile: as of `train_accuracy`.
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
    jobs = _jobs(
        [open_zoo(path) for path in zoo_paths],
        Path(out),
        methods=list(METHODS) if methods is None else list(methods),
        settings=settings,
        seeds=seeds,
        changes=changes or {},
        changes_of=changes_of or {},
    )
    missing = [job for job in jobs if row_name(job.row) not in job.results.rows]
    counts = {"made": 0, "kept": len(jobs) - len(missing), "refused": 0, "left": 0}
    for number, job in enumerate(missing):
        seconds = None if deadline is None else deadline - time.monotonic()
        if seconds is not None and seconds <= 0:
            break
        say(f"[{number + 1}/{len(missing)}] {job.title}")
        try:
            made = _make(
                job,
                Path(runs),
                time_limit=seconds,
                strategy=strategy,
                jit_compile=jit_compile,
                progress=progress,
                say=say,
            )
        except GmnError as error:
            say(f"  refused: {error}")
            job.results.refuse(job.row, str(error))
            counts["refused"] += 1
            continue
        if made is None:
            break
        counts["made"] += 1
        _forget()
        figures = {name: "-" if value is None else f"{value:.3f}" for name, value in made["figures"].items()}
        say(f"  R2 {figures['r2']}, tau {figures['tau']}, mean absolute error {figures['mae']}")
    counts["left"] = len(missing) - counts["made"] - counts["refused"]
    write_report(Path(out), samples=samples)
    return counts


def _jobs(
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
        results = Results.of(out, zoo)
        for setting in zoo.settings:
            if settings is None or setting in settings:
                results.add_setting(zoo, setting)
                places.append((zoo, results, setting))
    if not places:
        raise ZooError(
            f"received the settings {', '.join(settings or ())}, expected one that a zoo has: "
            + "; ".join(f"{zoo.path} has {', '.join(zoo.settings)}" for zoo in zoos)
        )
    plans = {name: _plan(name, changes, changes_of.get(name, {})) for name in (*methods, *changes_of)}
    hashes = {name: settings_hash(config_of(places[0][0], plans[name][0])) for name in methods}
    return [
        Job(
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


def _plan(name: str, changes: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """A method's settings, and which of them are not its default ones."""
    entry = method(name)
    default = Settings.of(name)
    general = {key: value for key, value in changes.items() if entry.on_graphs or key in entry.arguments()}
    plan = change(default, **{**general, **own})
    before, after = ({**dataclasses.asdict(s), **s.model} for s in (default, plan))
    del before["model"], after["model"]
    return plan, {key: value for key, value in after.items() if before.get(key) != value}


def _make(
    job: Job,
    runs: Path,
    *,
    time_limit: float | None,
    strategy: str,
    jit_compile: bool | None,
    progress: bool,
    say: Callable[[str], None],
) -> dict[str, Any] | None:
    """Trains and judges; None where time ran out."""
    run = runs / job.results.path.name / row_name(job.row)
    summary = train_accuracy(
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
    predictions = opened.predict(job.zoo, job.zoo.indices("test", job.settings.setting))
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
