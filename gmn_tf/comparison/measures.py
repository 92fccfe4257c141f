"""What the tables of a task say: its figures, from a number per test network, and how they are printed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from gmn_tf.models.registry import ACCURACY, CLASSIFY, EDIT, REPRESENT
from gmn_tf.tasks.bootstrap import resampled
from gmn_tf.tasks.metrics import METRICS

Resampled = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Measures:
    """The figures of a task.

    Each test network has a target, the same for all methods, and each row of results a prediction for it,
    both a number (`gmn_tf.training.task.Task.measured`, `scores`).

    Attributes:
        heading: what the tables are about.
        script, docs: what makes them, and where it is explained.
        target: what the targets are called where they are stored.
        titles: the figures by name, with the headings of their columns.
        charted: those that the chart shows.
        short: those that the overview shows, one behind the other.
        floor: lowest value of the chart, which bars that are lower are cut at; None starts at 0.
        ceiling: highest value of the chart; None for as high as the bars are.
        decimals: of all figures.
        resampled: from targets [n], predictions [n] and how often each network counts [samples, n] to the
            figures of every sample, [samples] each, `nan` where one is not defined.
    """

    heading: str
    script: str
    docs: str
    target: str
    titles: Mapping[str, str]
    charted: Mapping[str, str]
    short: tuple[str, ...]
    floor: float | None
    ceiling: float | None
    decimals: int
    resampled: Resampled

    def figures(self, targets: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
        """The figures on all networks."""
        everyone = np.ones((1, len(targets)), np.int64)
        found = self.resampled(targets, predictions, everyone)
        return {name: float(found[name][0]) for name in self.titles}

    def text(self, value: float | None, *, sign: bool = False) -> str:
        """A figure as tables print it."""
        return "-" if value is None else f"{value:{'+' if sign else ''}.{self.decimals}f}"


class _AccuracyMeasures(Measures):
    def figures(self, targets: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
        return {name: metric(targets, predictions) for name, metric in METRICS.items()}


def _edits(unedited: np.ndarray, errors: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Mean squared error, mean PSNR and the error's share of the unedited networks', of every draw."""
    unedited, errors = (np.asarray(values, np.float64) for values in (unedited, errors))
    weights = np.asarray(counts, np.float64)
    total = weights.sum(axis=1)
    mse = weights @ errors / total
    with np.errstate(divide="ignore", invalid="ignore"):
        share = mse / (weights @ unedited / total)
    return {
        "mse": mse,
        "psnr": weights @ (-10.0 * np.log10(np.maximum(errors, 1e-12))) / total,
        "share": share,
    }


def _classes(labels: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Share of the networks that are put into the right class, of every draw."""
    right = (np.asarray(labels) == np.asarray(predicted)).astype(np.float64)
    weights = np.asarray(counts, np.float64)
    return {"accuracy": weights @ right / weights.sum(axis=1)}


def _regressions(constant: np.ndarray, errors: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Mean squared error, and how much less it is than that of the constant prediction, of every draw."""
    constant, errors = (np.asarray(values, np.float64) for values in (constant, errors))
    weights = np.asarray(counts, np.float64)
    mse = weights @ errors / weights.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"mse": mse, "r2": 1.0 - weights @ errors / (weights @ constant)}


MEASURES: dict[str, Measures] = {
    ACCURACY: _AccuracyMeasures(
        heading="Accuracy prediction",
        script="scripts/reproduce_accuracy.py",
        docs="docs/accuracy.md",
        target="test_accuracy",
        titles={"r2": "R2", "tau": "Kendall tau", "mae": "mean abs. error"},
        charted={"r2": "R2", "tau": "Kendall tau"},
        short=("r2", "tau"),
        floor=-0.2,
        ceiling=1.02,
        decimals=3,
        resampled=resampled,
    ),
    EDIT: Measures(
        heading="Editing INRs",
        script="scripts/reproduce_inr_editing.py",
        docs="docs/inrs.md",
        target="unedited_error",
        titles={"mse": "mean squared error", "psnr": "PSNR in dB", "share": "share of the unedited error"},
        charted={"mse": "mean squared error"},
        short=("mse",),
        floor=None,
        ceiling=None,
        decimals=5,
        resampled=_edits,
    ),
    CLASSIFY: Measures(
        heading="Classifying INRs",
        script="scripts/reproduce_inr_classification.py",
        docs="docs/inrs.md",
        target="label",
        titles={"accuracy": "accuracy"},
        charted={"accuracy": "accuracy"},
        short=("accuracy",),
        floor=0.0,
        ceiling=1.02,
        decimals=4,
        resampled=_classes,
    ),
    REPRESENT: Measures(
        heading="Representing INRs without labels",
        script="scripts/reproduce_inr_representation.py",
        docs="docs/inrs.md",
        target="constant_error",
        titles={"mse": "mean squared error", "r2": "R2"},
        charted={"mse": "mean squared error"},
        short=("mse",),
        floor=None,
        ceiling=None,
        decimals=3,
        resampled=_regressions,
    ),
}
"""By task."""
