"""Methods that are fitted in one go (`gmn_tf.models.registry.FIT`): from a zoo to a run and back."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.models.registry import Method, method
from gmn_tf.training import files
from gmn_tf.training.folder import SUMMARY, open_run, write_history
from gmn_tf.training.settings import Settings
from gmn_tf.training.task import ACCURACY, Task

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

BEST_ARRAYS = "best.npz"


class Fitted(Protocol):
    """What these methods have in common; see `gmn_tf.models.registry`."""

    settings: dict[str, Any]
    history: list[dict[str, Any]]

    @property
    def num_parameters(self) -> int: ...

    def fit(self, zoo: Any, indices: np.ndarray, *, validation: np.ndarray | None = None) -> Any: ...

    def predict(self, zoo: Any, indices: np.ndarray) -> np.ndarray: ...

    def get_state(self) -> dict[str, np.ndarray]: ...

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray], /) -> Any: ...


def build(entry: Method, settings: dict[str, Any], model: dict[str, Any]) -> Fitted:
    """The method, not fitted; TypeError where it does not take an argument."""
    used = {name: value for name, value in settings.items() if name in entry.arguments()}
    return entry.load()(seed=settings["seed"], **used, **model)


def train(
    zoo: Zoo,
    run: Path,
    settings: Settings,
    config: dict[str, Any],
    *,
    task: Task,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Fits the method and writes the run; returns what `gmn_tf.training.fit.train` does."""
    entry = method(settings.method, task.name)
    open_run(run, config)
    if (run / SUMMARY).exists():
        say(f"{run} is finished already: {entry.title} is fitted. Nothing to do.")
        return {"run": str(run), **files.read_json(run / SUMMARY, "a finished run"), "trained": False}
    train, validation = (zoo.indices(part, settings.setting) for part in ("train", "validation"))
    fitted = build(entry, config["settings"], config["model"])
    began = time.monotonic()
    fitted.fit(zoo, train, validation=validation)
    seconds = time.monotonic() - began
    predicted = fitted.predict(zoo, validation)
    summary = {
        "method": settings.method,
        "setting": settings.setting,
        "parameters": fitted.num_parameters,
        "epochs": fitted.settings.get("epochs"),
        "best_epoch": fitted.settings.get("best_epoch"),
        "steps": fitted.settings.get("steps"),
        "networks_seen": fitted.settings.get("networks_seen", len(train)),
        "edges_seen": None,
        "training_seconds": round(seconds, 2),
        "validation": task.figures(task.targets(zoo, validation), task.answers(predicted)),
        "finished": "fitted",
        "chosen": fitted.settings,
    }
    arrays: dict[str, Any] = fitted.get_state()
    files.write(run / BEST_ARRAYS, lambda beside: np.savez(beside, **arrays))
    write_history(run, fitted.history)
    files.write_json(run / SUMMARY, summary)  # the last: a run that has it is whole
    return {"run": str(run), **summary, "trained": True}


def load(folder: Path, config: dict[str, Any]) -> Fitted:
    """The fitted method of a run.

    Raises:
        RunError: it is not finished, or damaged.
    """
    path = folder / BEST_ARRAYS
    if not path.exists() or not (folder / SUMMARY).exists():
        raise RunError(f"{folder} has no {BEST_ARRAYS} and {SUMMARY}: it is not finished, train again")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        entry = method(config["settings"]["method"], config.get("task", ACCURACY))
        return entry.load().from_state(arrays)
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} cannot be read ({error}): it is damaged, train again") from error
