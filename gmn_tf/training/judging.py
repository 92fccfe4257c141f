"""How the runs of each task are judged on held-out networks, by the task's name: `JUDGES`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from gmn_tf.models.registry import ACCURACY, CLASSIFY, EDIT, REPRESENT
from gmn_tf.training import evaluate, evaluate_classes, evaluate_edits, evaluate_representations


@dataclasses.dataclass(frozen=True)
class Judge:
    """Judges the runs of a task.

    Attributes:
        evaluate: (run, zoo, *, split, out) to a report, written into the folder `out` too.
        table_text: the report as text.
        picture: the file that stands beside the report.
    """

    evaluate: Callable[..., dict[str, Any]]
    table_text: Callable[[Mapping[str, Any]], str]
    picture: str


JUDGES: dict[str, Judge] = {
    ACCURACY: Judge(evaluate.evaluate, evaluate.table_text, evaluate.SCATTER),
    EDIT: Judge(evaluate_edits.evaluate_edits, evaluate_edits.table_text, evaluate_edits.PICTURE),
    CLASSIFY: Judge(evaluate_classes.evaluate_classes, evaluate_classes.table_text, evaluate_classes.PICTURE),
    REPRESENT: Judge(
        evaluate_representations.evaluate_representations,
        evaluate_representations.table_text,
        evaluate_representations.PICTURE,
    ),
}
