"""`AccuracyTask`: a run that predicts how well networks do, see `gmn_tf.tasks.accuracy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.tasks import accuracy
from gmn_tf.training import judge
from gmn_tf.training.task import ACCURACY, Task

if TYPE_CHECKING:
    from gmn_tf.training.population import Population
    from gmn_tf.zoo.store import Zoo


class AccuracyTask(Task):
    """One logit per network, taught by its measured accuracy."""

    name = ACCURACY
    shown = {"r2": "R2", "tau": "tau"}  # noqa: RUF012
    judged_as = "predicted against true"

    def loss(self) -> Any:
        return accuracy.loss()

    def targets(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        return accuracy.targets(zoo.table, indices)

    def predictor(
        self, model: Any, zoo: Zoo | None = None, *, channels: int
    ) -> Callable[[Population], np.ndarray]:
        predict = judge.predictor(model, channels=channels)
        return lambda population: predict(population)[:, 0]

    def figures(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        return judge.figures(targets, answers)

    def measured(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        return self.targets(zoo, indices)

    def answers(self, predictions: np.ndarray) -> np.ndarray:
        return accuracy.logit(predictions)

    def predictions(self, answers: np.ndarray) -> np.ndarray:
        return accuracy.probability(answers)

    def picture(self, zoo: Zoo, indices: np.ndarray, answers: np.ndarray, title: str) -> bytes:
        from gmn_tf.training.progress import scatter

        return scatter(self.targets(zoo, indices), {"validation": accuracy.probability(answers)}, title)
