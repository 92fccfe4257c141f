"""`RepresentTask`: a run that learns to represent networks without labels, see `gmn_tf.tasks.contrastive`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.tasks import contrastive
from gmn_tf.training import judge
from gmn_tf.training.task import REPRESENT, Task

if TYPE_CHECKING:
    from gmn_tf.training.population import Population
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo


COLUMNS = ("amplitude", "frequency")
"""Columns of a zoo of waves that representations are judged by, and never taught."""


class RepresentTask(Task):
    """Projections of two changed views of each network, taught to find each other.

    What users want is not the projection but the hidden layer before it, the representation
    (`GraphMetanetwork.represent`): as in SimCLR it keeps more of the network than the loss asks for.

    Args:
        dim: width of the projection.
        temperature: of `gmn_tf.tasks.contrastive.nt_xent`.
    """

    name = REPRESENT
    shown = {"retrieval": "retrieval"}  # noqa: RUF012
    views = 2

    def __init__(self, dim: int = 32, temperature: float = 0.1) -> None:
        if dim < 1 or not temperature > 0:
            raise RunError(
                f"received dim={dim}, temperature={temperature}, expected 1 or more, and more than 0"
            )
        self.dim, self.temperature = dim, temperature

    @property
    def options(self) -> dict[str, Any]:
        return {"dim": self.dim, "temperature": self.temperature}

    @property
    def arguments(self) -> dict[str, Any]:
        return {"units": self.dim, "output": "graph"}

    def loss(self) -> Any:
        return contrastive.loss(self.dim, temperature=self.temperature)

    def targets(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        return np.arange(1, len(indices) + 1, dtype=np.float32)  # 0 is no network

    def predictor(
        self, model: Any, zoo: Zoo | None = None, *, channels: int
    ) -> Callable[[Population], np.ndarray]:
        return judge.predictor(model, channels=channels, views=self.views)

    def reader(self, model: Any, zoo: Zoo | None, *, channels: int) -> Callable[[Population], np.ndarray]:
        """From a population to representations [n, features]."""
        return judge.predictor(model, channels=channels, call=lambda graph: model.represent(graph)[1])

    def figures(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        if answers.ndim == 2:  # of a method that learns no projections
            return {"loss": float("nan"), "retrieval": float("nan")}
        return contrastive.figures(answers, temperature=self.temperature)

    def measured(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """What the training networks' means are off, squared and averaged over the columns [n]."""
        columns = [np.asarray(zoo.table[name], np.float64) for name in COLUMNS]
        train = zoo.indices("train")
        return np.mean([(column[indices] - column[train].mean()) ** 2 for column in columns], axis=0)

    def scores_of(self, run: Run, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """What a linear regression from the frozen representation is off, squared and averaged [n]."""
        from gmn_tf.training.evaluate_representations import regress

        targets, predictions, _ = regress(run, zoo, indices=indices)
        return np.mean((predictions - targets) ** 2, axis=1)
