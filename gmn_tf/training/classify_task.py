"""`ClassifyTask`: a run that says of what class networks are, see `gmn_tf.tasks.classification`."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.tasks import classification
from gmn_tf.training import judge
from gmn_tf.training.task import CLASSIFY, Task

if TYPE_CHECKING:
    from gmn_tf.training.population import Population
    from gmn_tf.zoo.store import Zoo


class ClassifyTask(Task):
    """A logit per class and network, taught by the zoo's column "label".

    Args:
        num_classes: of the zoo.
    """

    name = CLASSIFY
    shown = {"accuracy": "accuracy"}  # noqa: RUF012
    judged_as = "confusion"

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    @classmethod
    def of(cls, zoo: Zoo) -> ClassifyTask:
        """The task of a zoo: as many classes as its labels name.

        Raises:
            ZooError: the zoo has no labels.
        """
        return cls(classification.num_classes(zoo.table))

    @property
    def options(self) -> dict[str, Any]:
        return {"num_classes": self.num_classes}

    @property
    def arguments(self) -> dict[str, Any]:
        return {"units": self.num_classes, "output": "graph"}

    def loss(self) -> Any:
        return classification.loss(self.num_classes)

    def targets(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        return classification.labels(zoo.table, indices)

    def predictor(
        self, model: Any, zoo: Zoo | None = None, *, channels: int
    ) -> Callable[[Population], np.ndarray]:
        return judge.predictor(model, channels=channels)

    def figures(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        if not np.isfinite(answers).all():
            return {"loss": float("inf"), "accuracy": float("nan")}
        return {
            "loss": classification.cross_entropy(targets, answers),
            "accuracy": float(np.mean(np.argmax(answers, axis=-1) == targets)),
        }

    def measured(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        return self.targets(zoo, indices)

    def scores(self, zoo: Zoo, indices: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The most probable class [n] of probabilities [n, classes]."""
        return np.argmax(predictions, axis=-1)

    def answers(self, predictions: np.ndarray) -> np.ndarray:
        return classification.logits(predictions)

    def predictions(self, answers: np.ndarray) -> np.ndarray:
        return classification.probabilities(answers)

    def picture(self, zoo: Zoo, indices: np.ndarray, answers: np.ndarray, title: str) -> bytes | None:
        targets = self.targets(zoo, indices)
        counts = classification.confusion(targets, np.argmax(answers, axis=-1), self.num_classes)
        return confusion_picture(counts, title)


def confusion_picture(counts: np.ndarray, title: str) -> bytes:
    """A PNG of `gmn_tf.tasks.classification.confusion`: a row per true class, shares of it as shades."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    number = len(counts)
    side = max(3.6, 0.42 * number + 1.2)
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        if counts[row, column] and number <= 30:
            colour = "white" if share[row, column] > 0.5 else "black"
            text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": colour}
            axes.text(column, row, str(counts[row, column]), **text)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    if number <= 30:
        axes.set_xticks(range(number))
        axes.set_yticks(range(number))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
