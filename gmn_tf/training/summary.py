"""What came of a training on graphs and what it took: the content of `summary.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.training import files
from gmn_tf.training.folder import SUMMARY
from gmn_tf.training.settings import Settings
from gmn_tf.training.state import State


def num_parameters(model: Any) -> int:
    """Trainable numbers of a tf_keras model."""
    return int(sum(np.prod(variable.shape) for variable in model.trainable_weights))


def facts(state: State, settings: Settings) -> dict[str, Any]:
    """What `summary.json` holds of a run that has finished an epoch; None where an old run did not say."""
    best = state.history[state.best_epoch - 1] if state.best_epoch else {}

    def times_epochs(name: str) -> int | None:
        return state.epoch * state.plan[name] if name in state.plan else None

    return {
        "method": settings.method,
        "setting": settings.setting,
        "parameters": state.plan.get("parameters"),
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "steps": times_epochs("steps"),
        "networks_seen": times_epochs("networks"),
        "edges_seen": times_epochs("edges"),
        "training_seconds": round(state.seconds, 2) if state.plan else None,
        "validation": {
            name.removeprefix("val_"): value for name, value in best.items() if name.startswith("val_")
        },
        "finished": state.finished,
    }


def write_summary(run: Path, state: State, settings: Settings) -> None:
    """Writes `summary.json`."""
    files.write_json(run / SUMMARY, facts(state, settings))


def summary(run: Path, state: State, settings: Settings, *, trained: bool) -> dict[str, Any]:
    """What `train_accuracy` returns."""
    return {"run": str(run), **facts(state, settings), "trained": trained}
