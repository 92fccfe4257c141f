"""A finished (or unfinished) training run, opened for predicting: `Run`."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.models import registry
from gmn_tf.training import fitted
from gmn_tf.training.folder import read_config
from gmn_tf.training.keeper import BEST_WEIGHTS
from gmn_tf.training.loop import build_model
from gmn_tf.training.population import Population
from gmn_tf.training.structure import Graph
from gmn_tf.training.task import Task, task_of

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo


@dataclasses.dataclass
class Run:
    """A trained metanetwork, or baseline, with what is known of its training.

    Attributes:
        path: the run's folder.
        config: its config.json: schema_version, zoo_hash, settings, model.
        model: the model on graphs with the best weights, or the fitted method.

    Example:
        accuracies = Run.load("runs/digits").predict(zoo, zoo.indices("test"))
    """

    path: Path
    config: dict[str, Any]
    model: Any

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Run:
        """Opens the folder that `gmn_tf.training.fit.train` wrote.

        Raises:
            RunError: it is no run, damaged, or has not finished an epoch.
            SchemaError: it was trained on another version of the parameter graph's schema.
        """
        folder = Path(path)
        config = read_config(folder)
        name, task = config["settings"]["method"], config["task"]
        if not registry.method(name, task).on_graphs:
            return cls(folder, config, fitted.load(folder, config))
        weights = folder / BEST_WEIGHTS
        if not weights.exists():
            raise RunError(f"{folder} has no {BEST_WEIGHTS}: no epoch is finished, let training go on")
        try:
            model = build_model(name, config["model"], task=task)
            model.load_weights(str(weights))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{folder} cannot be read ({error}): it is damaged, train again") from error
        if not all(np.isfinite(array).all() for array in model.get_weights()):
            raise RunError(
                f"{weights} holds NaN or infinite weights: train again with a smaller learning rate"
            )
        return cls(folder, config, model)

    @property
    def method(self) -> registry.Method:
        """What was trained."""
        return registry.method(self.config["settings"]["method"], self.task.name)

    @functools.cached_property
    def task(self) -> Task:
        """What it was trained for."""
        return task_of(self.config)

    @property
    def setting(self) -> str:
        """The splits it was trained on, see `Settings.setting`."""
        return str(self.config["settings"]["setting"])

    @property
    def channels(self) -> int:
        """Values that an edge of this model carries; see `gmn_tf.training.structure.Structure`.

        Raises:
            RunError: the method is none on graphs.
        """
        if not self.method.on_graphs:
            raise RunError(
                f"received a run of {self.method.title}, which reads networks of a zoo alone, expected one "
                "of a model on graphs: train another method"
            )
        return int(self.config["settings"]["channels"])

    def predict(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """What the task predicts of the networks `indices` of a zoo, [n, ...]: accuracies or probabilities of
        classes in float64, representations, or what edited networks show."""
        if not self.method.on_graphs:
            return np.asarray(self.model.predict(zoo, indices), np.float64)
        with_zoo = self.task.with_slots
        read = self.task.reader(self.model, zoo, channels=self.channels) if with_zoo else self._read
        return read(Population.from_zoo(zoo, indices, channels=self.channels))

    def predict_graphs(self, networks: Sequence[tuple[Graph, np.ndarray]]) -> np.ndarray:
        """The same as `predict` of networks given as (ParameterGraph, flat weights).

        Raises:
            RunError: the method is none on graphs, or the task is one that needs a zoo.
        """
        if self.task.with_slots:
            raise RunError(
                f"received a run for the task {self.task.name!r}, expected one that answers per network: "
                "networks without a zoo are edited by gmn_tf.editor.load_editor"
            )
        return self._read(Population.from_graphs(networks, channels=self.channels))

    @functools.cached_property
    def _read(self) -> Any:
        return self.task.reader(self.model, None, channels=self.channels)
