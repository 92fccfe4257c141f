"""`gmn-tf train classify` and `gmn-tf train represent`: what INRs depict, with labels and without."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_tf.commands import console, options
from gmn_tf.commands.training import named_settings, silent, train
from gmn_tf.models.registry import CLASSIFY, REPRESENT, methods


def _names(task: str) -> str:
    titled = [f"{name} ({entry.title})" for name, entry in methods(task).items()]
    return f"What is trained: {', '.join(titled)}."


def register(app: typer.Typer) -> None:
    """The commands of this module stand among those of `train`."""


@train.command("classify")
def classify(
    zoo: Annotated[
        Path, typer.Option(metavar="DIR", help="A zoo with labels, such as one of INRs of MNIST.")
    ],
    out: options.Out,
    method: Annotated[str, typer.Option(help=_names(CLASSIFY))] = "gmn",
    setting: options.Setting = "all",
    strategy: options.Strategy = "auto",
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = 0,
    time_limit: options.TimeLimit = None,
    further: options.Further = None,
    as_json: console.Json = False,
) -> None:
    """Train a metanetwork, or a baseline, to say of what class a network is: the digit that an INR depicts.

    The zoo's table names the classes in its column "label". RUN gets the configuration, the best weights, a
    history (CSV), a summary (JSON) and TensorBoard logs (losses, accuracy, confusion). In every epoch INRs
    are turned, shifted and stretched a little, exactly, by their first layer (--set augment=false: not).
    """
    settings = named_settings(further or [])
    console.start_tensorflow()
    from gmn_tf.training.classify_task import ClassifyTask
    from gmn_tf.training.fit import train as run_training
    from gmn_tf.zoo.opening import open_zoo

    opened = open_zoo(zoo)
    result = run_training(
        ClassifyTask.of(opened),
        opened,
        out,
        strategy=strategy,
        time_limit=time_limit,
        progress=not as_json,
        say=silent if as_json else print,
        **options.given(
            method=method,
            setting=setting,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
        )
        | settings,
    )
    _report(out, result, {"accuracy": "accuracy", "loss": "cross-entropy"}, as_json)


@train.command("represent")
def represent(
    zoo: Annotated[Path, typer.Option(metavar="DIR", help="A zoo of INRs, of waves or pictures.")],
    out: options.Out,
    method: Annotated[str, typer.Option(help=_names(REPRESENT))] = "gmn",
    dim: Annotated[int, typer.Option(help="Width of the projections that are contrasted.")] = 32,
    temperature: Annotated[float, typer.Option(help="Of the contrastive loss.")] = 0.1,
    setting: options.Setting = "all",
    strategy: options.Strategy = "auto",
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = 0,
    time_limit: options.TimeLimit = None,
    further: options.Further = None,
    as_json: console.Json = False,
) -> None:
    """Train a metanetwork, or a baseline, to represent INRs without labels.

    Two views of each INR, changed at random, shall find each other among all of a batch (SimCLR). RUN gets
    the configuration, the best weights, a history (CSV), a summary (JSON) and TensorBoard logs, with the
    representations of the validation networks in the tab "Projector". gmn-tf evaluate regresses what is
    known of the networks from the frozen representation.
    """
    settings = named_settings(further or [])
    console.start_tensorflow()
    from gmn_tf.training.evaluate_representations import project
    from gmn_tf.training.fit import train as run_training
    from gmn_tf.training.represent_task import RepresentTask
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.opening import open_zoo

    opened = open_zoo(zoo)
    result = run_training(
        RepresentTask(dim, temperature),
        opened,
        out,
        strategy=strategy,
        time_limit=time_limit,
        progress=not as_json,
        say=silent if as_json else print,
        **options.given(
            method=method,
            setting=setting,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
        )
        | settings,
    )
    project(Run.load(out), opened, opened.indices("validation", setting))
    _report(out, result, {"loss": "contrastive loss", "retrieval": "retrieval"}, as_json)


def _report(out: Path, result: dict[str, Any], figures: dict[str, str], as_json: bool) -> None:
    if as_json:
        console.print_json(result)
        return
    found = result["validation"]
    shown = {title: math.nan if found.get(name) is None else found[name] for name, title in figures.items()}
    best = f"best epoch {result['best_epoch']} of {result['epochs']}, " if result["epochs"] else ""
    text = ", ".join(f"{title} {value:.4f}" for title, value in shown.items())
    print(
        f"{out}: {result['finished'] or 'stopped by its time limit, not finished'}; {best}validation {text}."
    )
