"""Results on one population, in a folder to which rows are added: `Results`.

    NAME-HASH/          (or NAME-HASH-OPERATION/)
      manifest.json     the zoo's own manifest: recipe, seed, checksums; data in a file by its name alone
      task.json         the task and its options; not there for accuracy prediction
      networks.json     the test networks of each setting and their measured accuracies (of other tasks, what
                        `gmn_tf.comparison.measures` says)
      rows/*.json       one trained method each: settings, figures, cost, predictions
      refused.json      what a method said where it could not be trained

A row is told by zoo, method, setting, seed and settings; files of different rows never meet, so that
results of several machines can be merged by copying them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.comparison.measures import MEASURES, Measures
from gmn_tf.models.registry import ACCURACY, Method, methods
from gmn_tf.training import files
from gmn_tf.training.folder import zoo_hash
from gmn_tf.training.task import Task

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

MANIFEST, NETWORKS, REFUSED, ROWS = "manifest.json", "networks.json", "refused.json", "rows"
TASK = "task.json"
DECIMALS = 6
"""Of numbers per network as they are stored; figures are computed from what is stored."""


class Results:
    """The folder of one population's results.

    Attributes:
        path: the folder.
        manifest: the zoo's.
        task: {"task": name, "options": {...}}.
        networks: {setting: {"network": [...], "test_accuracy" (or `Measures.target`): [...], "train",
            "validation", "test": how many}}, of the settings met so far.
        rows: by `row_name`.
        refused: {row_name: why}.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens a folder of results.

        Raises:
            RunError: it is none, or a file is damaged.
        """
        self.path = Path(path)
        self.manifest = files.read_json(self.path / MANIFEST, "a folder of results")
        self.task = _read(self.path / TASK) or {"task": ACCURACY, "options": {}}
        self.networks = _read(self.path / NETWORKS)
        self.refused = _read(self.path / REFUSED)
        self.rows = {
            file.stem: files.read_json(file, "a row of results")
            for file in sorted((self.path / ROWS).glob("*.json"))
        }

    @classmethod
    def of(cls, root: str | os.PathLike[str], zoo: Zoo, task: Task) -> Results:
        """The results of a task on a zoo below `root`, made where there are none yet."""
        words = [population_name(zoo), *(_word(str(value)) for value in task.options.values())]
        path = Path(root) / "-".join(words)
        if not (path / MANIFEST).exists():
            if task.name != ACCURACY:
                files.write_json(path / TASK, {"task": task.name, "options": task.options})
            files.write_json(path / MANIFEST, _without_folders(zoo.manifest))
        return cls(path)

    @property
    def measures(self) -> Measures:
        """The task's figures."""
        return MEASURES[self.task["task"]]

    @property
    def methods(self) -> dict[str, Method]:
        """The task's methods by name."""
        return methods(self.task["task"])

    def add_setting(self, zoo: Zoo, setting: str, task: Task) -> None:
        """Notes which networks a setting tests on, and what is measured of them."""
        if setting in self.networks:
            return
        parts = {part: zoo.indices(part, setting) for part in ("train", "validation", "test")}
        self.networks[setting] = {
            **{part: len(indices) for part, indices in parts.items()},
            "network": parts["test"].tolist(),
            self.measures.target: _rounded(task.measured(zoo, parts["test"])),
        }
        files.write_json(self.path / NETWORKS, self.networks)

    def targets(self, setting: str) -> np.ndarray:
        """What is measured of a setting's test networks, float64 [n]."""
        return np.array(self.networks[setting][self.measures.target], np.float64)

    def add(self, row: Mapping[str, Any], predictions: np.ndarray) -> dict[str, Any]:
        """Writes a row with its predictions [n] and the figures that follow from them; returns it."""
        stored = _rounded(predictions)
        targets = self.targets(row["setting"])
        figures = self.measures.figures(targets, np.array(stored))
        name = row_name(row)
        whole = {**row, "figures": figures, "predictions": stored}
        files.write_text(self.path / ROWS / f"{name}.json", _line_per_entry(whole))
        self.rows[name] = files.read_json(self.path / ROWS / f"{name}.json", "a row of results")
        if self.refused.pop(name, None) is not None:
            files.write_json(self.path / REFUSED, self.refused)
        return self.rows[name]

    def refuse(self, row: Mapping[str, Any], why: str) -> None:
        """Notes that a row could not be made."""
        self.refused[row_name(row)] = why
        files.write_json(self.path / REFUSED, self.refused)


def population_name(zoo: Zoo) -> str:
    """Family, data and hash of a zoo, as a folder's name."""
    data = str(zoo.manifest.get("data", {}).get("name", "data")).partition(":")[0]
    words = (str(zoo.manifest.get("family", "zoo")), data)
    return "-".join(map(_word, words)) + f"-{zoo_hash(zoo)[:8]}"


def row_name(row: Mapping[str, Any]) -> str:
    """What tells a row from others of its zoo, as a file's name without `.json`."""
    return f"{row['setting']}.{row['method']}.seed-{row['seed']}.{row['settings_hash']}"


def settings_hash(config: Mapping[str, Any]) -> str:
    """Identifies all settings of a run's configuration but its zoo, setting and seed."""
    own = {name: value for name, value in config["settings"].items() if name not in ("setting", "seed")}
    text = json.dumps([config["schema_version"], own, config["model"]], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _without_folders(value: Any) -> Any:
    """JSON with data by file, "mnist:/path/to/mnist.npz", as "mnist:mnist.npz": where it lay tells nobody."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    if isinstance(value, str) and (found := re.fullmatch(r"(\w+):/.*/([^/]+)", value)):
        return f"{found[1]}:{found[2]}"
    return value


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text)


def _read(path: Path) -> dict[str, Any]:
    return files.read_json(path, "a folder of results") if path.exists() else {}


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), DECIMALS) for value in values]


def _line_per_entry(row: Mapping[str, Any]) -> str:
    """JSON in which a list of a thousand predictions is one line."""
    lines = [f"  {json.dumps(key)}: {json.dumps(files.finite(value))}" for key, value in row.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
