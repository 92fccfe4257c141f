"""The folder of a run, of one form for every method: configuration, weights, history, summary.

`config.json` says what was trained (compared when a run goes on), `best.*` holds what was learnt,
`history.csv` a row per epoch (or per settings tried), `summary.json` the outcome and what it took.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmn_tf.errors import RunError, SchemaError
from gmn_tf.graph import schema
from gmn_tf.training import files
from gmn_tf.training.settings import ALL, METHOD
from gmn_tf.training.task import Task, task_of

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

CONFIG, HISTORY, SUMMARY = "config.json", "history.csv", "summary.json"
RUN_VERSION = 1

_LATER = {"method": METHOD, "setting": ALL}
"""Settings that runs of version 0.1 do not name, and what they were."""


def configuration(zoo: Zoo, task: Task, settings: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    """What `config.json` holds: settings without the model's arguments, which stand beside, all of them."""
    return {
        "run_version": RUN_VERSION,
        "schema_version": schema.SCHEMA_VERSION,
        "task": task.name,
        **({"task_options": task.options} if task.options else {}),
        "zoo_hash": zoo_hash(zoo),
        "settings": settings,
        "model": model,
    }


def zoo_hash(zoo: Zoo) -> str:
    """Identifies a zoo's content: a hash of its manifest, which holds the checksums of its files."""
    text = json.dumps(zoo.manifest, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def open_run(run: Path, config: dict[str, Any], *, write: bool = True) -> bool:
    """Makes the folder of a new run, or checks that the run that is there is the same.

    Returns:
        Whether a run was there.

    Raises:
        RunError: the folder holds something else, or a run of other settings.
    """
    if run.exists() and not run.is_dir():
        raise RunError(f"{run} is a file, expected a folder for the run: choose another one")
    if not (run / CONFIG).exists():
        if run.is_dir() and any(run.iterdir()) and write:
            raise RunError(
                f"{run} is a folder with other things in it, expected none or a run: choose another one"
            )
        if write:
            files.write_json(run / CONFIG, config)
        return False
    found = with_defaults(files.read_json(run / CONFIG, "a training run"))
    differences = sorted(_differences(json.loads(json.dumps(config)), found))
    if differences:
        raise RunError(
            f"{run} holds a run of other settings ({'; '.join(differences)}): "
            "choose another folder, or the same settings"
        )
    return True


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run that shall be used.

    Raises:
        RunError: it is no run, or a run of another version or of an unknown task.
        SchemaError: it was trained on another version of the parameter graph's schema.
    """
    config = files.read_json(folder / CONFIG, "a training run: make one with gmn-tf train")
    if config.get("run_version") != RUN_VERSION:
        raise RunError(
            f"{folder} holds a run of version {config.get('run_version')}, expected version {RUN_VERSION}: "
            "train again"
        )
    task_of(config)
    if config.get("schema_version") != schema.SCHEMA_VERSION:
        raise SchemaError(
            f"{folder} was trained on parameter graphs of schema {config.get('schema_version')}, "
            f"this is schema {schema.SCHEMA_VERSION}: train again"
        )
    return with_defaults(config)


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration as it would be written today."""
    return {**config, "settings": {**_LATER, **config.get("settings", {})}}


def write_history(run: Path, rows: list[dict[str, Any]]) -> None:
    """Writes `history.csv`: columns are the names of the rows' entries, in order of appearance."""
    text = io.StringIO()
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
            for row in rows
        )
    files.write_text(run / HISTORY, text.getvalue())


def _differences(new: Any, old: Any, name: str = "") -> list[str]:
    if isinstance(new, dict) and isinstance(old, dict):
        inner = name + "." if name and name not in ("settings", "model") else ""
        return [
            text
            for key in new.keys() | old.keys()
            for text in _differences(new.get(key), old.get(key), inner + key)
        ]
    return [] if new == old else [f"{name} was {old!r}, is {new!r}"]
