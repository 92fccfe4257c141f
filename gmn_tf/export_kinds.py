"""What differs between the exports of tasks: `KINDS`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmn_tf import serving
from gmn_tf.classifier import Classifier
from gmn_tf.editor import Editor
from gmn_tf.export_card import card
from gmn_tf.export_check import write_check
from gmn_tf.export_classes import class_card, class_server, write_class_check
from gmn_tf.export_edits import edit_card, edit_server, write_edit_check
from gmn_tf.models.registry import ACCURACY, CLASSIFY, EDIT
from gmn_tf.predictor import Predictor

if TYPE_CHECKING:
    from gmn_tf.training.run import Run
    from gmn_tf.training_distance import TrainingDistance
    from gmn_tf.zoo.store import Zoo


@dataclasses.dataclass(frozen=True)
class Kind:
    """How runs of a task are exported and loaded.

    Attributes:
        does: what such a metanetwork does, for messages.
        tells_distance: whether it says how far networks lie from its training networks.
        server: (run, its zoo or None, distance or None) to the functions that are saved.
        card: (name, metadata, *, check) to the text of the card.
        write_check: (folder, run, zoo, *, count, distance) writes examples with the metanetwork's answers.
        ready: (raw signature, metadata, path, owner) to what `gmn_tf.load` gives.
    """

    does: str
    tells_distance: bool
    server: Callable[[Run, Zoo | None, TrainingDistance | None], serving.Server]
    card: Callable[..., str]
    write_check: Callable[..., None]
    ready: Callable[..., Any]


def _edit_check(folder: Path, run: Run, zoo: Zoo, *, count: int, distance: Any) -> None:
    write_edit_check(folder, run, zoo, count=count)


def _per_network(cls: Any) -> Callable[..., Any]:
    def ready(raw: Any, metadata: dict[str, Any], path: Path, owner: Any) -> Any:
        return cls(raw, num_channels=metadata["num_channels"], metadata=metadata, path=path, owner=owner)

    return ready


KINDS: dict[str, Kind] = {
    ACCURACY: Kind(
        does="predicts accuracies",
        tells_distance=True,
        server=lambda run, zoo, distance: serving.AccuracyServer(run.model, distance=distance),
        card=card,
        write_check=write_check,
        ready=_per_network(Predictor),
    ),
    EDIT: Kind(
        does="edits networks",
        tells_distance=False,
        server=lambda run, zoo, distance: edit_server(run, zoo),
        card=edit_card,
        write_check=_edit_check,
        ready=lambda raw, metadata, path, owner: Editor(raw, metadata=metadata, path=path, owner=owner),
    ),
    CLASSIFY: Kind(
        does="classifies networks",
        tells_distance=True,
        server=class_server,
        card=class_card,
        write_check=write_class_check,
        ready=_per_network(Classifier),
    ),
}
"""By task; what is not here is not exported."""
