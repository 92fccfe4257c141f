"""`EditTask`: a run that changes weights so that INRs show something else, see `gmn_tf.tasks.editing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.inr import operations, zoos
from gmn_tf.inr.coordinates import grid
from gmn_tf.inr.targets import architecture_of
from gmn_tf.models.registry import Method
from gmn_tf.tasks import editing
from gmn_tf.training.task import EDIT, Task

if TYPE_CHECKING:
    from gmn_tf.training.edited_rendering import EditedRendering
    from gmn_tf.training.population import Population
    from gmn_tf.zoo.store import Zoo

OWN = "own:"
"""Before the name of a function that the user passed."""


class EditTask(Task):
    """A change of every weight, taught through what the edited networks show.

    Args:
        operation: a name, see `gmn_tf.inr.operations.operation`, or a function from images
            [N, H, W, C] to images of the same shape. A run knows a function by its name alone: to train on or
            to judge on targets it must be passed again.
        target: "image" or "rendering": what the operation is done to, see `gmn_tf.tasks.editing.targets`.

    Raises:
        InrError: there is no operation of this name.
        RunError: an unknown target.
    """

    name = EDIT
    shown = {"psnr": "PSNR"}  # noqa: RUF012
    with_slots = True
    judged_as = "before, target, after"
    picture_file = "edited.png"

    def __init__(self, operation: str | operations.Operation, *, target: str = editing.IMAGE) -> None:
        self._function: operations.Operation | None = None
        if callable(operation):
            self._function = operation
            self.operation = OWN + getattr(operation, "__name__", type(operation).__name__)
        else:
            self.operation = operation
            if not operation.startswith(OWN):
                self._function = operations.operation(operation)
        if target not in (editing.IMAGE, editing.RENDERING):
            raise RunError(f"received target={target!r}, expected {editing.IMAGE!r} or {editing.RENDERING!r}")
        self.target = target

    @property
    def options(self) -> dict[str, Any]:
        return {"operation": self.operation, "target": self.target}

    @property
    def arguments(self) -> dict[str, Any]:
        return {"units": 1, "output": "edge"}

    def build(self, entry: Method, *, channels: int, model: Mapping[str, Any]) -> Any:
        if channels != 1:
            raise RunError(
                f"received channels={channels}, expected 1: an editor answers for every weight by itself"
            )
        return super().build(entry, channels=channels, model=model)

    def trained(self, model: Any, zoo: Zoo) -> EditedRendering:
        from gmn_tf.training.edited_rendering import EditedRendering, Renderer

        height, width, _ = zoos.image_shape(zoo)
        architectures = [architecture_of(zoo, number) for number in range(len(zoo.architectures))]
        return EditedRendering(model, Renderer(architectures, grid(height, width)), name="edited")

    def loss(self) -> Any:
        return editing.loss()

    def target_images(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """What the networks `indices` shall show, float32 [n, H, W, C]."""
        if self._function is None:
            raise RunError(
                f"received a run for the operation {self.operation!r}, a function that it knows by name "
                "alone: pass the function"
            )
        return editing.targets(zoo, indices, self._function, of=self.target, name=self.operation)

    def targets(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        images = self.target_images(zoo, indices)
        return images.reshape(len(images), -1)

    def predictor(self, model: Any, zoo: Zoo | None, *, channels: int) -> Callable[[Population], np.ndarray]:
        from gmn_tf.training.edited_rendering import edited_predictor

        if zoo is None:
            raise RunError("received no zoo, expected the one whose networks are edited")
        return edited_predictor(self.trained(model, zoo), channels=channels)

    def figures(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        return editing.figures(editing.squared_errors(targets, answers))

    def measured(self, zoo: Zoo, indices: np.ndarray) -> np.ndarray:
        """How far the networks are from their targets before they are edited: mean squared errors [n]."""
        return self.scores(zoo, indices, zoos.renderings(zoo, indices))

    def scores(self, zoo: Zoo, indices: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Mean squared errors [n] of what networks show, [n, ...]."""
        return editing.squared_errors(self.targets(zoo, indices), predictions)

    def picture(self, zoo: Zoo, indices: np.ndarray, answers: np.ndarray, title: str) -> bytes:
        from gmn_tf.inr.pictures import sheet

        first = np.asarray(indices)[:8]
        target = self.target_images(zoo, first)
        rows = {
            "before": zoos.renderings(zoo, first),
            "target": target,
            "after": np.reshape(answers[: len(first)], target.shape),
        }
        return sheet(rows, title=f"{self.operation}, {title}" if title else self.operation)
