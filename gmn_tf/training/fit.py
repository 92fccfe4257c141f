"""Training any method for a task, in a folder from which it goes on: `train`, `train_accuracy`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gmn_tf.errors import RunError
from gmn_tf.models import registry
from gmn_tf.training import fitted, loop
from gmn_tf.training.accuracy_task import AccuracyTask
from gmn_tf.training.folder import CONFIG, RUN_VERSION, configuration, open_run, zoo_hash
from gmn_tf.training.settings import Settings
from gmn_tf.training.state import State
from gmn_tf.training.strategy import place
from gmn_tf.training.summary import summary
from gmn_tf.training.task import ACCURACY, Task
from gmn_tf.zoo.opening import open_zoo
from gmn_tf.zoo.store import Zoo

__all__ = ["CONFIG", "RUN_VERSION", "change", "config_of", "train", "train_accuracy", "zoo_hash"]


def train_accuracy(
    zoo_or_path: Zoo | str | os.PathLike[str], out: str | os.PathLike[str], **arguments: Any
) -> dict[str, Any]:
    """`train` for accuracy prediction (`gmn_tf.tasks.accuracy`); arguments, returns and errors as there."""
    return train(AccuracyTask(), zoo_or_path, out, **arguments)


def train(
    task: Task,
    zoo_or_path: Zoo | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    strategy: str = "auto",
    replicas: int | None = None,
    jit_compile: bool | None = None,
    settings: Settings | None = None,
    time_limit: float | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
    **changes: Any,
) -> dict[str, Any]:
    """Trains on the zoo's train split, keeps the weights that are best on its validation split.

    Started again with the same settings it goes on after the last finished epoch, with the best score, the
    best weights, the patience, the optimizer and the order of the networks as they were; a finished run is
    left alone. Methods that are not models on graphs (`gmn_tf.models.registry.FIT`) are fitted in one go.

    Args:
        task: what it trains for.
        zoo_or_path: a zoo, or where `gmn_tf.zoo.opening.open_zoo` finds one. What trains on one zoo again and
            again opens it once: its networks are converted once then.
        out: the run's folder: config.json, best.weights.h5 (best.npz for a fitted method), history.csv,
            summary.json, logs/ (TensorBoard), backup/.
        strategy, replicas, jit_compile: see `gmn_tf.training.strategy.place`. Not part of the settings: a
            run may go on under another strategy. Fitted methods run where they are.
        settings: see `Settings`; by default those of the method.
        time_limit: seconds after which training stops at the end of an epoch, not finished; started
            again it goes on. Not part of the settings.
        progress: whether to show a progress bar.
        say: prints a sentence when a run goes on or is finished already.
        changes: single fields of `Settings`, such as `method="deepsets"` or `epochs=10`; fields that are
            no settings go into the model's arguments, such as `message_dim=64`.

    Returns:
        {"run", "method", "setting", "parameters", "epochs", "best_epoch", "steps", "networks_seen",
        "edges_seen", "training_seconds", "validation": the task's figures, "finished", "trained"};
        all but "run" and "trained" are in summary.json too. Seconds are wall-clock, compilation and
        validation included, summed over all starts.

    Raises:
        RunError: a setting is out of range, or the folder holds something else or a run of other settings.
        ZooError: the zoo cannot be used, or lacks the setting.
    """
    default = settings or Settings.of(changes.get("method", Settings.method), task.name)
    chosen = change(default, task=task.name, **changes)
    if time_limit is not None and time_limit <= 0:
        raise RunError(f"received time_limit={time_limit}, expected seconds, more than 0")
    entry = registry.method(chosen.method, task.name)
    run = Path(out)
    if not entry.on_graphs:
        zoo = zoo_or_path if isinstance(zoo_or_path, Zoo) else open_zoo(zoo_or_path)
        return fitted.train(zoo, run, chosen, config_of(zoo, chosen, task), task=task, say=say)
    placement = place(strategy, replicas=replicas, jit_compile=jit_compile)
    zoo = zoo_or_path if isinstance(zoo_or_path, Zoo) else open_zoo(zoo_or_path)
    config = config_of(zoo, chosen, task)
    found = open_run(run, config, write=placement.is_chief)
    state = (State.load(run) if found else None) or State()
    if state.finished and not state.best_epoch:
        raise RunError(f"{run} failed: {state.finished}; choose another folder to try again")
    if state.finished:
        say(f"{run} is finished already: {state.finished}; best epoch {state.best_epoch}. Nothing to do.")
        return summary(run, state, chosen, trained=False)
    if state.epoch:
        say(f"{run} goes on after epoch {state.epoch} of {chosen.epochs}.")
    loop.train(
        zoo,
        run,
        state,
        chosen,
        config["model"],
        placement,
        task=task,
        time_limit=time_limit,
        progress=progress,
    )
    return summary(run, state, chosen, trained=True)


def change(settings: Settings, *, task: str = ACCURACY, **changes: Any) -> Settings:
    """Settings with single fields replaced; names that are no field go into the model's arguments."""
    if changes.get("method", settings.method) != settings.method:
        raise RunError(
            f"received the method {changes['method']!r} with settings of {settings.method!r}, expected "
            "those of one method: start from Settings.of(method)"
        )
    fields = {field.name for field in dataclasses.fields(Settings)} - {"model"}
    arguments = registry.method(settings.method, task).arguments()
    own = {name: value for name, value in changes.items() if name in fields}
    model = {**settings.model, **changes.get("model", {})}
    for name, value in changes.items():
        if name in fields or name == "model":
            continue
        if name in ("units", "output", "num_channels"):
            raise RunError(f"received the setting {name}={value!r}, which the task determines: leave it out")
        if name not in arguments:
            known = ", ".join(sorted(fields | arguments))
            raise RunError(f"received the setting {name}={value!r}, expected one of {known}")
        model[name] = value
    for name in ("units", "output", "num_channels"):
        if name in model:
            raise RunError(
                f"received the setting {name}={model[name]!r}, which the task determines: leave it out"
            )
    return dataclasses.replace(settings, **own, model=model)


def config_of(zoo: Zoo, settings: Settings, task: Task | None = None) -> dict[str, Any]:
    """The configuration that a run of these settings has, with all arguments of the model spelled out.

    Two runs are the same where it is the same. Fitted methods name the training settings they use alone.

    Args:
        zoo: what it is trained on.
        settings: of the run.
        task: by default accuracy prediction.

    Raises:
        RunError: the model does not take its arguments.
    """
    task = task or AccuracyTask()
    entry = registry.method(settings.method, task.name)
    plain = dataclasses.asdict(settings)
    model = plain.pop("model")
    try:
        if not entry.on_graphs:
            used = {"method", "setting", "seed", *entry.arguments()}
            plain = {name: value for name, value in plain.items() if name in used}
            fitted.build(entry, plain, model)
            return configuration(zoo, task, plain, model)
        built = task.build(entry, channels=settings.channels, model=settings.model)
    except TypeError as error:
        raise RunError(f"received {settings.method} settings {settings.model}: {error}") from error
    return configuration(zoo, task, plain, built.get_config())
