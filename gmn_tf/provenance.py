"""What an export tells of its making: the population, the commands, and the figures of its evaluations."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.models import registry
from gmn_tf.models.registry import ACCURACY, CLASSIFY
from gmn_tf.training.settings import ALL, METHOD, Settings

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

THIS, RECIPE = "this metanetwork", "a metanetwork trained the same way"

_OPTIONS = (
    *("method", "setting", "epochs", "patience", "batch_size", "learning_rate", "seed"),
    *("num_blocks", "message_dim", "node_dim", "edge_dim"),
)
_GIVEN_BY_TASK = ("name", "units", "output", "num_channels")


def population(zoo: Zoo, training: np.ndarray) -> dict[str, Any]:
    """What a metanetwork was trained on, as JSON.

    Args:
        zoo: the population.
        training: numbers of the networks it was trained on.

    Returns:
        {"family", "data": {"name", "hash"}, "seed", "training_networks", "counts": networks by split,
        "families": training networks by family, "architectures", "parameters": [least, most], "width" (where
        the table has it): [least, most], and of classifiers "test_accuracy", of INRs "psnr": {"min", "q25",
        "median", "q75", "max"}}.
    """
    table, manifest = zoo.table, zoo.manifest
    names, counts = np.unique(table["split"], return_counts=True)
    architectures = np.unique(table["architecture"][training])
    if "num_parameters" in table:
        sizes = table["num_parameters"][training]
    else:
        sizes = np.array([zoo.flat_weights(int(number))[1].shape[1] for number in architectures])
    facts: dict[str, Any] = {
        "family": manifest.get("family"),
        "data": {**manifest.get("data", {}), "name": _without_folder(manifest.get("data", {}).get("name"))},
        "seed": manifest.get("seed"),
        "training_networks": len(training),
        "counts": dict(zip(map(str, names), map(int, counts), strict=True)),
        "families": _families(zoo, training),
        "architectures": len(architectures),
        "parameters": [int(sizes.min()), int(sizes.max())],
    }
    for name in ("test_accuracy", "psnr"):
        if name in table:
            found = np.quantile(table[name][training], [0, 0.25, 0.5, 0.75, 1])
            keys = ("min", "q25", "median", "q75", "max")
            facts[name] = {key: round(float(value), 4) for key, value in zip(keys, found, strict=True)}
    if "width" in table:
        width = table["width"][training]
        facts["width"] = [int(width.min()), int(width.max())]
    return facts


def commands(config: Mapping[str, Any], manifest: Mapping[str, Any] | None, *, name: str) -> list[str]:
    """The commands that make a metanetwork anew, from a run's configuration and its zoo's manifest.

    Args:
        config: config.json of the run.
        manifest: of the zoo; without it the zoo's command is left out.
        name: of the export.
    """
    lines = _zoo_command(manifest or {})
    given = {"method": METHOD, "setting": ALL, **config["settings"]}
    task = config.get("task", ACCURACY)
    usual: dict[str, Any] = {**vars(Settings.of(given["method"], task)), "method": METHOD}
    chosen = {key: value for key, value in given.items() if key != "model" and usual.get(key) != value}
    arguments = _usual_arguments(given["method"], task)
    for key, value in config["model"].items():
        if key not in _GIVEN_BY_TASK and not (key in arguments and arguments[key] == value):
            chosen[key] = value
    words = ["gmn-tf", "train", task, "--zoo", "ZOO", "--out", "RUN"]
    options = {} if task == CLASSIFY else config.get("task_options", {})  # the zoo tells how many classes
    words += [word for key, value in options.items() for word in (f"--{key}", value)]
    for key in sorted(chosen, key=lambda key: (_OPTIONS.index(key) if key in _OPTIONS else 99, key)):
        value = chosen[key]
        if key in _OPTIONS:
            words += [f"--{key.replace('_', '-')}", value]
        else:
            words += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return [*lines, _line(words), _line(["gmn-tf", "export", "--run", "RUN", "--zoo", "ZOO", "--out", name])]


def evaluations(run: Path, further: Iterable[Path] = ()) -> list[dict[str, Any]]:
    """The reports of `gmn-tf evaluate` in a run's folder, then those given, each with "of": whose they are.

    Args:
        run: reports are looked for in its folders evaluation*.
        further: reports of other runs of the same recipe, such as in other settings.

    Raises:
        RunError: a file given is no report.
    """
    found = [(path, THIS) for path in sorted(run.glob("evaluation*/**/report.json"))]
    found += [(Path(path), RECIPE) for path in further]
    reports = []
    for path, whose in found:
        try:
            report = json.loads(path.read_text())
            figures = report["figures"]
            if not figures or not all(isinstance(row, dict) for row in figures.values()):
                raise ValueError("no figures")
        except FileNotFoundError as error:
            raise RunError(
                f"{path}: there is no such file; expected a report.json of gmn-tf evaluate."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path}: is no report of gmn-tf evaluate ({error}); evaluate again.") from error
        reports.append({"setting": "all", **report, "of": whose})
    return reports


def _zoo_command(manifest: Mapping[str, Any]) -> list[str]:
    """The command that makes a zoo, of classifiers or of INRs; none where its manifest does not say."""
    plan = dict(manifest.get("plan") or {})
    if not plan:
        return []
    family = plan.get("family", manifest.get("family"))
    words = ["gmn-tf", "zoo", "--family", family, "--data", _without_folder(plan["data"])]
    words += ["--size", plan["size"], "--seed", plan["seed"]]
    words += ["--keras", plan["keras_files"]] if plan.get("keras_files") else []
    inr = plan.get("architecture")
    if inr:
        words += ["--recipe", inr["recipe"], "--hidden", ",".join(map(str, inr["hidden"]))]
        words += ["--per-image", plan["per_image"]] if plan["per_image"] > 1 else []
        words += ["--steps", plan["fit"]["steps"]]
        words += ["--target-psnr", plan["fit"]["target_psnr"]] if plan["fit"]["target_psnr"] else []
    return [_line([*words, "--out", "ZOO"])]


def _usual_arguments(method: str, task: str) -> dict[str, Any]:
    """Arguments of a method's class that a run has when none are given."""
    entry = registry.method(method, task)
    parameters = inspect.signature(entry.load()).parameters.values()
    found = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    return {**found, **entry.model}


def _families(zoo: Zoo, training: np.ndarray) -> dict[str, int]:
    if "family" not in zoo.table:
        return {str(zoo.manifest.get("family")): len(training)}
    names, counts = np.unique(zoo.table["family"][training], return_counts=True)
    return dict(zip(map(str, names), map(int, counts), strict=True))


def _without_folder(data: str | None) -> str | None:
    """The name of a data set, of a file's path its name alone: where it lay is nobody's business."""
    kind, colon, path = str(data).partition(":")
    return data if not colon else f"{kind}:{Path(path).name}"


def _line(words: Iterable[Any]) -> str:
    return shlex.join(str(word) for word in words)
