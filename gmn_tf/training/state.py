"""The state of a run after its last finished epoch, in one file: a run killed at any time goes on from it.

Everything that must agree (weights, optimizer, best weights, best score, patience, history) is one
`.npz` written beside and renamed, so that no moment exists at which they do not.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.training import files

FILE = "backup/state.npz"

Arrays = list[np.ndarray]


@dataclasses.dataclass
class State:
    """What training knows after `epoch` epochs.

    Attributes:
        epoch: finished epochs.
        weights, optimizer: all variables of the model and of its optimizer.
        best_weights: all variables of the model as judged in epoch `best_epoch`.
        best_loss, best_epoch: the lowest validation loss and the epoch, counted from 1, that reached it.
        waited: epochs since then.
        history: one row per finished epoch.
        finished: why training ended, or "" where it has not.
        seconds: wall-clock time of all epochs so far, compilation and validation included.
        plan: trainable parameters, and steps, networks and edges per epoch; empty in old runs.
    """

    epoch: int = 0
    weights: Arrays = dataclasses.field(default_factory=list)
    optimizer: Arrays = dataclasses.field(default_factory=list)
    best_weights: Arrays = dataclasses.field(default_factory=list)
    best_loss: float = float("inf")
    best_epoch: int = 0
    waited: int = 0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    finished: str = ""
    seconds: float = 0.0
    plan: dict[str, int] = dataclasses.field(default_factory=dict)

    def judge(self, loss: float, weights: Arrays) -> bool:
        """Notes the validation loss of the epoch just finished; returns whether it is the best so far."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch, self.waited = loss, self.epoch, 0
            self.best_weights = weights
            return True
        self.waited += 1
        return False

    def save(self, run: Path) -> None:
        """Writes the state into the run's folder."""
        groups = {name: getattr(self, name) for name in ("weights", "optimizer", "best_weights")}
        arrays = {f"{name}-{i}": array for name, group in groups.items() for i, array in enumerate(group)}
        plain = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in groups
        }
        arrays["plain"] = np.array(json.dumps(plain))
        path = run / FILE
        files.write(path, lambda beside: np.savez(beside, **arrays))

    @classmethod
    def load(cls, run: Path) -> State | None:
        """Reads the state back; `None` where the run has not finished an epoch.

        Raises:
            RunError: the file is damaged.
        """
        path = run / FILE
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                state = cls(**json.loads(str(stored["plain"])))
                for name in ("weights", "optimizer", "best_weights"):
                    count = sum(key.rsplit("-", 1)[0] == name for key in stored.files)
                    setattr(state, name, [stored[f"{name}-{i}"] for i in range(count)])
                return state
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise RunError(f"{path} is damaged ({error}): remove the run's folder and train again") from error
