"""A finished (or unfinished) training run, opened for predicting: `Run`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError, SchemaError
from gmn_tf.graph import schema
from gmn_tf.tasks import accuracy
from gmn_tf.training import files, judge
from gmn_tf.training.fit import CONFIG, RUN_VERSION, build_model
from gmn_tf.training.keeper import BEST_WEIGHTS
from gmn_tf.training.population import Population
from gmn_tf.training.structure import Graph

if TYPE_CHECKING:
    from gmn_tf.models.graph_metanetwork import GraphMetanetwork
    from gmn_tf.zoo.store import Zoo


@dataclasses.dataclass
class Run:
    """A trained metanetwork with what is known of its training.

    Attributes:
        path: the run's folder.
        config: its config.json: schema_version, zoo_hash, settings, model.
        model: the metanetwork with the best weights.

    Example:
        accuracies = Run.load("runs/digits").predict(zoo, zoo.indices("test"))
    """

    path: Path
    config: dict[str, Any]
    model: GraphMetanetwork

    def __post_init__(self) -> None:
        self._predict = judge.predictor(self.model, channels=self.channels)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Run:
        """Opens the folder that `train_accuracy` wrote.

        Raises:
            RunError: it is no run, damaged, or has not finished an epoch.
            SchemaError: it was trained on another version of the parameter graph's schema.
        """
        folder = Path(path)
        config = files.read_json(folder / CONFIG, "a training run: make one with gmn-tf train")
        if config.get("run_version") != RUN_VERSION or config.get("task") != accuracy.TASK:
            raise RunError(
                f"{folder} holds a run of version {config.get('run_version')} for the task "
                f"{config.get('task')!r}, expected version {RUN_VERSION} for {accuracy.TASK!r}: train again"
            )
        if config.get("schema_version") != schema.SCHEMA_VERSION:
            raise SchemaError(
                f"{folder} was trained on parameter graphs of schema {config.get('schema_version')}, "
                f"this is schema {schema.SCHEMA_VERSION}: train again"
            )
        weights = folder / BEST_WEIGHTS
        if not weights.exists():
            raise RunError(f"{folder} has no {BEST_WEIGHTS}: no epoch is finished, let training go on")
        try:
            model = build_model(config["model"])
            model.load_weights(str(weights))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{folder} cannot be read ({error}): it is damaged, train again") from error
        if not all(np.isfinite(array).all() for array in model.get_weights()):
            raise RunError(
                f"{weights} holds NaN or infinite weights: train again with a smaller learning rate"
            )
        return cls(folder, config, model)

    @property
    def channels(self) -> int:
        """Values that an edge of this metanetwork carries; see `gmn_tf.training.structure.Structure`."""
        return int(self.config["settings"]["channels"])

    def predict(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """Predicted accuracies float64 [n] of the networks `indices` of a zoo."""
        return self._answer(Population.from_zoo(zoo, indices, channels=self.channels))

    def predict_graphs(self, networks: Sequence[tuple[Graph, np.ndarray]]) -> np.ndarray:
        """Predicted accuracies float64 [n] of networks given as (ParameterGraph, flat weights)."""
        return self._answer(Population.from_graphs(networks, channels=self.channels))

    def _answer(self, population: Population) -> np.ndarray:
        return accuracy.probability(self._predict(population))
