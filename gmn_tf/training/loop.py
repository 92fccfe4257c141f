"""The training loop of models on graphs: one dataset, one optimiser, one keeper for all of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmn_tf.errors import RunError
from gmn_tf.models import registry
from gmn_tf.training import pipeline
from gmn_tf.training.inr_change import inr_change
from gmn_tf.training.plan import Planner
from gmn_tf.training.population import Population
from gmn_tf.training.settings import Settings, optimizer
from gmn_tf.training.state import State
from gmn_tf.training.strategy import Placement
from gmn_tf.training.summary import num_parameters
from gmn_tf.training.task import ACCURACY, Task

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

LOGS = "logs"


def build_model(method: str, config: dict[str, Any], *, task: str = ACCURACY) -> Any:
    """The model of a run's `config["model"]`, untrained, with all its variables."""
    return registry.method(method, task).load().from_config(config)


def train(
    zoo: Zoo,
    run: Path,
    state: State,
    settings: Settings,
    model_config: dict[str, Any],
    placement: Placement,
    *,
    task: Task,
    time_limit: float | None,
    progress: bool,
) -> None:
    """Trains on from `state`, which is changed in place and written into the run's folder every epoch."""
    import tf_keras

    from gmn_tf.training.keeper import Keeper, publish
    from gmn_tf.training.progress import Bar, Board

    deadline = None if time_limit is None else time.monotonic() + time_limit
    if deadline is not None and placement.across_hosts:
        raise RunError("received a time limit for several hosts, whose clocks differ: leave it out")
    train, validation = (zoo.indices(part, settings.setting) for part in ("train", "validation"))
    population = Population.from_zoo(zoo, train, channels=settings.channels, augment=settings.augment is True)
    if not isinstance(settings.augment, bool):
        population.change = inr_change(zoo, settings.augment)
    judged = Population.from_zoo(zoo, validation, channels=settings.channels)
    judged.change = population.change  # for tasks that judge views
    targets, judged_targets = (task.targets(zoo, part) for part in (train, validation))
    planner = Planner(
        population.num_edges, settings.batch_size, replicas=placement.replicas, seed=settings.seed
    )
    budget = planner.budget(population.num_nodes, epochs=settings.epochs)

    judge = build_model(settings.method, model_config, task=task.name)
    tf_keras.utils.set_random_seed(settings.seed)
    with placement.strategy.scope():
        own = build_model(settings.method, model_config, task=task.name)
        if not state.epoch:
            own.adapt(pipeline.batches(population, batch_size=32))
        model = task.trained(own, zoo)
        steps = planner.steps
        model.compile(
            optimizer(settings, settings.epochs * steps, jit_compile=placement.jit_compile),
            loss=task.loss(),
            jit_compile=placement.jit_compile,
        )
        model.optimizer.build(model.trainable_variables)
        if state.epoch:
            _restore(model, state, run)
    state.plan = {
        "parameters": num_parameters(model),
        "steps": steps,
        "networks": len(population),
        "edges": int(population.num_edges.sum()),
    }
    if placement.is_chief and state.epoch:
        publish(run, state, judge, settings)

    listeners: tuple[Board, ...] = ()
    if placement.is_chief:
        listeners = (Board(run / LOGS, task, zoo, validation, epochs=settings.epochs),)
    keeper = Keeper(
        settings,
        run=run,
        state=state,
        validation=(judged, judged_targets),
        judge=judge,
        task=task,
        predict=task.predictor(judge, zoo, channels=settings.channels),
        steps=steps,
        write=placement.is_chief,
        listeners=listeners,
        deadline=deadline,
    )
    callbacks: list[Any] = [keeper]
    bar = None
    if progress and placement.is_chief:
        bar = Bar(settings, task.shown, steps=steps, first_epoch=state.epoch, rows=state.history)
        callbacks.append(bar)
    arguments = (population, targets, planner, budget)
    options: dict[str, Any] = {"first_epoch": state.epoch, "with_slots": task.with_slots, "views": task.views}
    if placement.distributed:
        dataset = pipeline.distributed_dataset(placement.strategy, *arguments, **options)
    else:
        dataset = pipeline.training_dataset(*arguments, **options)
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
