"""What a run trains for: the interface `Task`, and a run's task from its configuration."""

from __future__ import annotations

import abc
import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.models import registry
from gmn_tf.models.registry import ACCURACY, CLASSIFY, EDIT, REPRESENT

if TYPE_CHECKING:
    from gmn_tf.training.population import Population
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo

_CLASSES = {
    ACCURACY: "gmn_tf.training.accuracy_task:AccuracyTask",
    EDIT: "gmn_tf.training.edit_task:EditTask",
    CLASSIFY: "gmn_tf.training.classify_task:ClassifyTask",
    REPRESENT: "gmn_tf.training.represent_task:RepresentTask",
}


class Task(abc.ABC):
    """What decides a training beside its data and its settings.

    Answers are what `predictor` gives, float32 [n, ...], of the same shape as targets unless the task says
    otherwise.

    Attributes:
        name: as runs, commands and `gmn_tf.models.registry` call it.
        shown: figures of the validation networks that a progress bar shows beside the loss, with the
            names it shows them by.
        with_slots: whether the model that `fit` trains gets batches as (GraphTensor, places), see
            `gmn_tf.training.pipeline.collate`.
        views: how often each network is in a batch, each time changed otherwise (`Settings.augment`).
        judged_as: what TensorBoard calls `picture`.
        picture_file: where in the run's folder the latest `picture` goes as well, or "".
    """

    name: ClassVar[str]
    shown: ClassVar[Mapping[str, str]]
    with_slots: ClassVar[bool] = False
    views: ClassVar[int] = 1
    judged_as: ClassVar[str] = "validation"
    picture_file: ClassVar[str] = ""

    @property
    def options(self) -> dict[str, Any]:
        """What tells it from other tasks of its name, as JSON; `config.json` holds it."""
        return {}

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of a method's class that the task decides."""
        return {"units": 1, "output": "graph"}

    def build(self, entry: registry.Method, *, channels: int, model: Mapping[str, Any]) -> Any:
        """The untrained model of a method on graphs, with all its variables."""
        return entry.load()(num_channels=channels, name="metanetwork", **self.arguments, **model)

    def trained(self, model: Any, zoo: Zoo) -> Any:
        """The tf_keras model that `fit` trains; its variables are those of `model`, in the same order."""
        return model

    @abc.abstractmethod
    def loss(self) -> Any:
        """The tf_keras loss, summed over components with the weights that the pipeline gives them."""

    @abc.abstractmethod
    def targets(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """What is taught of the networks `indices`, float32 [n, ...]."""

    @abc.abstractmethod
    def predictor(self, model: Any, zoo: Zoo | None, *, channels: int) -> Callable[[Population], np.ndarray]:
        """A function from a population (of networks of `zoo`) to the model's answers."""

    @abc.abstractmethod
    def figures(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        """ "loss", infinite where answers are not finite, and further figures."""

    @abc.abstractmethod
    def measured(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """The number per network [n] that tables of results hold predictions against."""

    def scores(self, zoo: Zoo, indices: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The number per network [n] that tables of results keep of a run's predictions."""
        return predictions

    def scores_of(self, run: Run, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """`scores` of what a run of this task says of the networks `indices`, [n]."""
        return self.scores(zoo, indices, run.predict(zoo, indices))

    def answers(self, predictions: np.ndarray) -> np.ndarray:
        """Answers from what a fitted method predicts, and the other way round in `predictions`."""
        return predictions

    def predictions(self, answers: np.ndarray) -> np.ndarray:
        """What users want of a network, from a model's answers."""
        return answers

    def reader(self, model: Any, zoo: Zoo | None, *, channels: int) -> Callable[[Population], np.ndarray]:
        """A function from a population to what users want of its networks, [n, ...]."""
        predict = self.predictor(model, zoo, channels=channels)
        return lambda population: self.predictions(predict(population))

    def picture(self, zoo: Zoo, indices: np.ndarray, answers: np.ndarray, title: str) -> bytes | None:
        """A PNG for TensorBoard of the answers for networks `indices`, or None."""
        return None


def task_of(config: Mapping[str, Any]) -> Task:
    """The task of a run's configuration.

    Raises:
        RunError: this version of gmn_tf has no such task.
    """
    name = config.get("task")
    if name not in _CLASSES:
        raise RunError(
            f"received a run for the task {name!r}, expected one of {', '.join(_CLASSES)}: train again"
        )
    module, _, cls = _CLASSES[name].partition(":")
    task: Task = getattr(importlib.import_module(module), cls)(**config.get("task_options", {}))
    return task
