"""The figure of a ranking: predicted against measured accuracy with the pick, and regret by networks kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.training import files


def draw(
    path: Path,
    *,
    measured: np.ndarray,
    predicted: np.ndarray,
    regrets: np.ndarray,
    random_regrets: np.ndarray,
    title: str,
) -> None:
    """Writes the PNG.

    Args:
        path: where to.
        measured, predicted: accuracies [n] in the order of the ranking, the picked network first.
        regrets, random_regrets: [n], regret when the first k are kept, and of k drawn at random.
        title: above it.

    Raises:
        RunError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 4.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _scatter(left, measured, predicted)
    kept = np.arange(1, len(regrets) + 1)
    right.plot(kept, regrets, color="tab:red", drawstyle="steps-post", label="the first by prediction")
    right.plot(kept, random_regrets, color="0.5", linestyle="--", label="drawn at random, expected")
    right.set(xlabel="networks kept", ylabel="regret", xlim=(1, max(2, len(kept))), ylim=(0, None))
    right.legend(loc="upper right")
    figure.suptitle(title)
    files.write(path, lambda beside: figure.savefig(beside, format="png"))


def _scatter(axes: Any, measured: np.ndarray, predicted: np.ndarray) -> None:
    best = int(np.argmax(measured))
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1, zorder=0)
    axes.scatter(measured, predicted, s=14, alpha=0.6, edgecolors="none", label="network")
    axes.axvspan(measured[0], measured[best], color="tab:red", alpha=0.15, linewidth=0, label="regret")
    marks: dict[str, Any] = {"s": 90, "facecolors": "none", "linewidths": 1.8}
    axes.scatter(measured[:1], predicted[:1], marker="o", edgecolors="tab:red", label="picked", **marks)
    axes.scatter(measured[best], predicted[best], marker="s", edgecolors="tab:green", label="best", **marks)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="measured accuracy", ylabel="predicted accuracy")
    axes.legend(loc="upper left")
