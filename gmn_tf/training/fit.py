"""Training a graph metanetwork to predict accuracies: `train_accuracy`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gmn_tf.errors import RunError
from gmn_tf.graph import schema
from gmn_tf.tasks import accuracy
from gmn_tf.training import files, pipeline
from gmn_tf.training.plan import Planner
from gmn_tf.training.population import Population
from gmn_tf.training.settings import Settings, optimizer
from gmn_tf.training.state import State
from gmn_tf.training.strategy import Placement, place
from gmn_tf.zoo.opening import open_zoo
from gmn_tf.zoo.store import Zoo

CONFIG = "config.json"
LOGS = "logs"
RUN_VERSION = 1


def train_accuracy(
    zoo_path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    strategy: str = "auto",
    replicas: int | None = None,
    jit_compile: bool | None = None,
    settings: Settings | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
    **changes: Any,
) -> dict[str, Any]:
    """Trains on the zoo's train split, keeps the weights that are best on its validation split.

    Started again with the same settings it goes on after the last finished epoch, with the best score, the
    best weights, the patience, the optimizer and the order of the networks as they were; a finished run is
    left alone.

    Args:
        zoo_path: a zoo, see `gmn_tf.zoo.opening.open_zoo`.
        out: the run's folder: config.json, best.weights.h5, history.csv, logs/ (TensorBoard), backup/.
        strategy, replicas, jit_compile: see `gmn_tf.training.strategy.place`. Not part of the settings: a
            run may go on under another strategy.
        settings: see `Settings`; default values where not given.
        progress: whether to show a progress bar.
        say: prints a sentence when a run goes on or is finished already.
        changes: single fields of `Settings`, such as `epochs=10`; fields that are no settings go into
            the metanetwork's arguments, such as `message_dim=64`.

    Returns:
        {"run", "epochs", "best_epoch", "validation": {"loss", "r2", "tau", "mae"}, "finished", "trained"}.

    Raises:
        RunError: a setting is out of range, or the folder holds something else or a run of other settings.
        ZooError: the zoo cannot be used.
    """
    placement = place(strategy, replicas=replicas, jit_compile=jit_compile)
    settings = change(settings or Settings(), **changes)
    zoo = open_zoo(zoo_path)
    run = Path(out)
    config = _config(zoo, settings)
    state = _open(run, config, write=placement.is_chief)
    if state.finished and not state.best_epoch:
        raise RunError(f"{run} failed: {state.finished}; choose another folder to try again")
    if state.finished:
        say(f"{run} is finished already: {state.finished}; best epoch {state.best_epoch}. Nothing to do.")
        return _summary(run, state, trained=False)
    if state.epoch:
        say(f"{run} goes on after epoch {state.epoch} of {settings.epochs}.")
    _train(zoo, run, state, settings, config["model"], placement, progress=progress)
    return _summary(run, state, trained=True)


def change(settings: Settings, **changes: Any) -> Settings:
    """Settings with single fields replaced; names that are no field go into the metanetwork's arguments."""
    import inspect

    from gmn_tf.models.graph_metanetwork import GraphMetanetwork

    fields = {field.name for field in dataclasses.fields(Settings)} - {"model"}
    arguments = set(inspect.signature(GraphMetanetwork).parameters) - {"kwargs"}
    own = {name: value for name, value in changes.items() if name in fields}
    model = {**settings.model, **changes.get("model", {})}
    for name, value in changes.items():
        if name in fields or name == "model":
            continue
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


def build_model(config: dict[str, Any]) -> Any:
    """The metanetwork of a run's `config["model"]`, untrained, with all its variables."""
    from gmn_tf.models.graph_metanetwork import GraphMetanetwork

    return GraphMetanetwork.from_config(config)


def _train(
    zoo: Zoo,
    run: Path,
    state: State,
    settings: Settings,
    model_config: dict[str, Any],
    placement: Placement,
    *,
    progress: bool,
) -> None:
    import tf_keras

    from gmn_tf.training.keeper import Keeper, publish
    from gmn_tf.training.progress import Bar, Board

    train, validation = zoo.indices("train"), zoo.indices("validation")
    population = Population.from_zoo(zoo, train, channels=settings.channels, augment=settings.augment)
    judged = Population.from_zoo(zoo, validation, channels=settings.channels)
    targets, judged_targets = (accuracy.targets(zoo.table, part) for part in (train, validation))
    planner = Planner(
        population.num_edges, settings.batch_size, replicas=placement.replicas, seed=settings.seed
    )
    budget = planner.budget(population.num_nodes, epochs=settings.epochs)

    judge = build_model(model_config)
    tf_keras.utils.set_random_seed(settings.seed)
    with placement.strategy.scope():
        model = build_model(model_config)
        if not state.epoch:
            model.adapt(pipeline.batches(population, batch_size=32))
        steps = planner.steps
        model.compile(
            optimizer(settings, settings.epochs * steps, jit_compile=placement.jit_compile),
            loss=accuracy.loss(),
            jit_compile=placement.jit_compile,
        )
        model.optimizer.build(model.trainable_variables)
        if state.epoch:
            _restore(model, state, run)
    if placement.is_chief and state.epoch:
        publish(run, state, judge)

    listeners: tuple[Board, ...] = ()
    if placement.is_chief:
        listeners = (Board(run / LOGS, judged_targets, epochs=settings.epochs),)
    keeper = Keeper(
        settings,
        run=run,
        state=state,
        validation=(judged, judged_targets),
        judge=judge,
        steps=steps,
        write=placement.is_chief,
        listeners=listeners,
    )
    callbacks: list[Any] = [keeper]
    bar = None
    if progress and placement.is_chief:
        bar = Bar(settings, steps=steps, first_epoch=state.epoch, rows=state.history)
        callbacks.append(bar)
    arguments = (population, targets, planner, budget)
    if placement.distributed:
        dataset = pipeline.distributed_dataset(placement.strategy, *arguments, first_epoch=state.epoch)
    else:
        dataset = pipeline.training_dataset(*arguments, first_epoch=state.epoch)
    try:
        model.fit(
            dataset,
            epochs=settings.epochs,
            initial_epoch=state.epoch,
            steps_per_epoch=steps,
            callbacks=callbacks,
            verbose=0,
        )
    finally:
        if bar is not None:
            bar.close()
    if not state.best_epoch:
        raise RunError(f"{run}: {state.finished or 'training made no progress'}")


def _restore(model: Any, state: State, run: Path) -> None:
    variables = model.optimizer.variables
    shapes = [tuple(v.shape) for v in variables], [tuple(v.shape) for v in model.weights]
    if shapes != ([a.shape for a in state.optimizer], [a.shape for a in state.weights]):
        raise RunError(f"{run} was written by another version of the metanetwork: choose another folder")
    model.set_weights(state.weights)
    for variable, array in zip(variables, state.optimizer, strict=True):
        variable.assign(array)


def _config(zoo: Zoo, settings: Settings) -> dict[str, Any]:
    from gmn_tf.models.graph_metanetwork import GraphMetanetwork

    try:
        model = GraphMetanetwork(
            1, output="graph", num_channels=settings.channels, name="metanetwork", **settings.model
        )
    except TypeError as error:
        raise RunError(f"received metanetwork settings {settings.model}: {error}") from error
    plain = dataclasses.asdict(settings)
    del plain["model"]  # its defaults included, it stands beside
    return {
        "run_version": RUN_VERSION,
        "schema_version": schema.SCHEMA_VERSION,
        "task": accuracy.TASK,
        "zoo_hash": zoo_hash(zoo),
        "settings": plain,
        "model": model.get_config(),
    }


def zoo_hash(zoo: Zoo) -> str:
    """Identifies a zoo's content: a hash of its manifest, which holds the checksums of its files."""
    text = json.dumps(zoo.manifest, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _open(run: Path, config: dict[str, Any], *, write: bool) -> State:
    if run.exists() and not run.is_dir():
        raise RunError(f"{run} is a file, expected a folder for the run: choose another one")
    if not (run / CONFIG).exists():
        if run.is_dir() and any(run.iterdir()) and write:
            raise RunError(
                f"{run} is a folder with other things in it, expected none or a run: choose another one"
            )
        if write:
            files.write_json(run / CONFIG, config)
        return State()
    found = files.read_json(run / CONFIG, "a training run")
    differences = sorted(_differences(json.loads(json.dumps(config)), found))
    if differences:
        raise RunError(
            f"{run} holds a run of other settings ({'; '.join(differences)}): "
            "choose another folder, or the same settings"
        )
    return State.load(run) or State()


def _differences(new: Any, old: Any, name: str = "") -> list[str]:
    if isinstance(new, dict) and isinstance(old, dict):
        inner = name + "." if name and name not in ("settings", "model") else ""
        return [
            text
            for key in new.keys() | old.keys()
            for text in _differences(new.get(key), old.get(key), inner + key)
        ]
    return [] if new == old else [f"{name} was {old!r}, is {new!r}"]


def _summary(run: Path, state: State, *, trained: bool) -> dict[str, Any]:
    best = state.history[state.best_epoch - 1]
    return {
        "run": str(run),
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "validation": {name: best[f"val_{name}"] for name in ("loss", "r2", "tau", "mae")},
        "finished": state.finished,
        "trained": trained,
    }
