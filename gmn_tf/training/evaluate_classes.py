"""How many held-out networks a run puts into the right class: `evaluate_classes`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError, ZooError
from gmn_tf.models.registry import CLASSIFY
from gmn_tf.tasks import classification
from gmn_tf.tasks.bootstrap import draw_counts
from gmn_tf.training import files
from gmn_tf.training.classify_task import ClassifyTask, confusion_picture
from gmn_tf.training.report import REPORT, facts, judged_networks
from gmn_tf.training.run import Run

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

PICTURE = "confusion.png"


def evaluate_classes(
    run: Run | str | os.PathLike[str],
    zoo: Zoo,
    *,
    split: str = "test",
    out: str | os.PathLike[str] | None = None,
    samples: int = 2000,
) -> dict[str, Any]:
    """Judges a classifier on one split of a zoo, in the setting that it was trained in.

    Args:
        run: a run for the task "classify", or its folder.
        zoo: with the split to judge on; normally the one the run was trained on.
        split: "test", or "validation" to choose settings.
        out: folder for report.json and confusion.png; `None` writes nothing.
        samples: bootstrap draws.

    Returns:
        {"task", "method", "setting", "split", "networks", "zoo_hash", "trained_on_this_zoo", "seed",
        "figures": {title: {"accuracy", "loss"}}, "accuracy_interval": {"low", "high"}, "confusion": rows of
        counts, a row per true class}; the interval is that of 95 % by bootstrap over networks, and beside
        the run stands the constant prediction of the most frequent training class.

    Raises:
        ZooError: the split is empty, or the zoo lacks the setting or labels.
        RunError: the run cannot be read or is for another task, or the report cannot be written.
    """
    opened = run if isinstance(run, Run) else Run.load(run)
    task = opened.task
    if not isinstance(task, ClassifyTask):
        raise RunError(f"received a run for the task {task.name!r}, expected one for {CLASSIFY!r}")
    indices, train = judged_networks(opened, zoo, split), zoo.indices("train", opened.setting)
    labels = classification.labels(zoo.table, indices)
    if labels.max() >= task.num_classes:
        raise ZooError(
            f"received networks of class {labels.max()}, expected classes up to {task.num_classes - 1}, "
            "which the run was trained on"
        )
    probabilities = opened.predict(zoo, indices)
    predicted = probabilities.argmax(axis=1)
    right = (predicted == labels).astype(np.float64)
    drawn = draw_counts(len(right), samples=samples, seed=0) @ right / len(right)
    low, high = np.percentile(drawn, [2.5, 97.5])
    known = classification.labels(zoo.table, train)
    share = np.bincount(known, minlength=task.num_classes) / max(1, len(known))
    confusion = classification.confusion(labels, predicted, task.num_classes)
    report = {
        "task": CLASSIFY,
        **facts(opened, zoo, split=split, networks=len(indices)),
        "figures": {
            opened.method.title: {
                "accuracy": float(right.mean()),
                "loss": classification.cross_entropy(labels, classification.logits(probabilities)),
            },
            "constant": {
                "accuracy": float(np.mean(labels == share.argmax())),
                "loss": classification.cross_entropy(
                    labels, classification.logits(np.broadcast_to(share, probabilities.shape))
                ),
            },
        },
        "accuracy_interval": {"low": float(low), "high": float(high)},
        "confusion": confusion.tolist(),
    }
    if out is not None:
        folder = Path(out)
        files.write_json(folder / REPORT, report)
        png = confusion_picture(confusion, f"{len(indices)} {split} networks: {right.mean():.1%} right")
        files.write_bytes(folder / PICTURE, png)
    return report


def table_text(report: Mapping[str, Any]) -> str:
    """The report as lines of text."""
    interval = report["accuracy_interval"]
    lines = [f"classes of {report['networks']} {report['split']} networks"]
    lines += [
        f"  {title}: {figures['accuracy']:.2%} right, cross-entropy {figures['loss']:.3f}"
        for title, figures in report["figures"].items()
    ]
    lines.append(f"  95 % interval: {interval['low']:.2%} .. {interval['high']:.2%}")
    return "\n".join(lines)
