"""The callback that closes each epoch: judges, keeps the best, writes the state, stops in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from gmn_tf.training import files
from gmn_tf.training.folder import write_history
from gmn_tf.training.population import Population
from gmn_tf.training.settings import Settings
from gmn_tf.training.state import State
from gmn_tf.training.summary import write_summary
from gmn_tf.training.task import Task

BEST_WEIGHTS = "best.weights.h5"

Listener = Callable[[dict[str, Any], np.ndarray], None]
"""Gets an epoch's row of the history and the model's answers for the validation networks."""


class Keeper(tf_keras.callbacks.Callback):
    """Judges the (averaged) weights on the validation networks after each epoch and saves the state.

    Args:
        settings: of the run.
        run: its folder.
        state: what is known so far; changed in place.
        validation: the validation networks and the task's targets for them.
        judge: a metanetwork like the one that is trained, outside of any strategy: it answers and is
            saved with the weights to be judged, so that no replica is disturbed.
        task: of the run.
        predict: the task's predictor with `judge`.
        steps: per epoch.
        write: whether this process writes the run's folder (the chief does).
        listeners: called after the state is safe on disk.
        deadline: time (`time.monotonic`) after which training stops at the end of an epoch.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        run: Path,
        state: State,
        validation: tuple[Population, np.ndarray],
        judge: Any,
        task: Task,
        predict: Callable[[Population], np.ndarray],
        steps: int,
        write: bool = True,
        listeners: tuple[Listener, ...] = (),
        deadline: float | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.run, self.state = settings, run, state
        self.validation, self.judge, self.steps = validation, judge, steps
        self.task, self.predict = task, predict
        self.write, self.listeners, self.deadline = write, listeners, deadline
        self._began = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        state, settings = self.state, self.settings
        loss = float((logs or {}).get("loss", np.nan))
        weights = self.model.get_weights()
        population, targets = self.validation
        judged = weights
        if settings.averaging:
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
            judged = self.model.get_weights()
            self.model.set_weights(weights)
        self.judge.set_weights(judged)
        answers = self.predict(population)
        found = self.task.figures(targets, answers)

        state.epoch = epoch + 1
        state.weights = weights
        state.optimizer = [variable.numpy() for variable in self.model.optimizer.variables]
        improved = state.judge(found["loss"], judged)
        step = min(state.epoch, settings.epochs) * self.steps
        row = {
            "epoch": state.epoch,
            "loss": loss,
            **{f"val_{name}": value for name, value in found.items()},
            "learning_rate": settings.learning_rate_at(step, settings.epochs * self.steps),
            "best": improved,
        }
        state.history.append(row)
        if not np.isfinite(loss):
            state.finished = f"the loss is not finite after {state.epoch} epochs: use a smaller learning rate"
        elif settings.patience and state.waited >= settings.patience:
            state.finished = f"no better validation loss for {state.waited} epochs"
        elif state.epoch >= settings.epochs:
            state.finished = f"all {settings.epochs} epochs done"
        now = time.monotonic()
        state.seconds += now - self._began
        self.model.stop_training = bool(state.finished) or (
            self.deadline is not None and now >= self.deadline
        )
        if self.write:
            state.save(self.run)
            publish(self.run, state, self.judge, settings)
        for listener in self.listeners:
            listener(row, answers)


def publish(run: Path, state: State, judge: Any, settings: Settings) -> None:
    """Writes what others read (best weights, history, summary) from the state, by a model like it."""
    if state.best_epoch in (0, state.epoch) or not (run / BEST_WEIGHTS).exists():
        if state.best_epoch:
            judge.set_weights(state.best_weights)
        files.write(run / BEST_WEIGHTS, lambda beside: judge.save_weights(str(beside)))
    write_history(run, state.history)
    write_summary(run, state, settings)
