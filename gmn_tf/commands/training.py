"""`gmn-tf train accuracy` and `gmn-tf evaluate`: a method learnt from a zoo, and how well it does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_tf.commands import console, options
from gmn_tf.models.registry import METHODS

_BASELINES = ", ".join(f"{name} ({entry.title})" for name, entry in list(METHODS.items())[1:])
EVALUATION = "evaluation"
"""Where in a run's folder its evaluation goes; `gmn_tf.export` puts the figures into the card."""

train = typer.Typer(
    help="Train a metanetwork on a zoo; one command per task.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.add_typer(train, name="train")
    app.command("evaluate")(evaluate)


@train.callback()
def _tasks() -> None:
    """Train a metanetwork on a zoo; one command per task."""


@train.command("accuracy")
def accuracy(
    zoo: Annotated[Path, typer.Option(metavar="DIR", help="A zoo made by gmn-tf zoo, or the Small CNN Zoo.")],
    out: options.Out,
    method: Annotated[
        str,
        typer.Option(
            help="What is trained: gmn, the graph metanetwork, or a baseline: " + _BASELINES + ".",
        ),
    ] = "gmn",
    setting: options.Setting = "all",
    strategy: options.Strategy = "auto",
    replicas: Annotated[
        int | None, typer.Option(help="Devices for mirrored; logical processors where there are no GPUs.")
    ] = None,
    epochs: options.Epochs = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Epochs without a better validation loss before it stops; 0 for never.",
            show_default="the method's own",
        ),
    ] = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = 0,
    num_blocks: Annotated[int | None, typer.Option(help="gmn: rounds of message passing (3).")] = None,
    message_dim: Annotated[int | None, typer.Option(help="gmn: width of the messages (32).")] = None,
    node_dim: Annotated[int | None, typer.Option(help="gmn: width of the node states (32).")] = None,
    edge_dim: Annotated[int | None, typer.Option(help="gmn: width of the edge states (32).")] = None,
    time_limit: options.TimeLimit = None,
    further: options.Further = None,
    as_json: console.Json = False,
) -> None:
    """Train a graph metanetwork, or a baseline, to predict test accuracy from weights alone.

    RUN gets the configuration, the best weights, a history (CSV), a summary (JSON) and TensorBoard logs
    (losses, R2, Kendall's tau, learning rate, predicted against true): tensorboard --logdir RUN. The weights
    that were best on the validation networks are kept. Started again with the same settings, it goes on
    where it stopped.
    """
    settings = named_settings(further or [])
    console.start_tensorflow()
    from gmn_tf.training.fit import train_accuracy

    result = train_accuracy(
        zoo,
        out,
        strategy=strategy,
        replicas=replicas,
        time_limit=time_limit,
        progress=not as_json,
        say=silent if as_json else print,
        **options.given(
            method=method,
            setting=setting,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            num_blocks=num_blocks,
            message_dim=message_dim,
            node_dim=node_dim,
            edge_dim=edge_dim,
        )
        | settings,
    )
    if as_json:
        console.print_json(result)
        return
    figures = {name: math.nan if value is None else value for name, value in result["validation"].items()}
    best = f"best epoch {result['best_epoch']} of {result['epochs']}, " if result["epochs"] else ""
    print(
        f"{out}: {result['finished'] or 'stopped by its time limit, not finished'}; {best}validation "
        f"R2 {figures['r2']:.3f}, tau {figures['tau']:.3f}, mean absolute error {figures['mae']:.3f}."
    )


def silent(sentence: str) -> None:
    """Says nothing."""


def named_settings(pairs: list[str]) -> dict[str, Any]:
    """NAME=VALUE pairs; a value is read as JSON where it is JSON, and is a word otherwise."""
    import json

    from gmn_tf.errors import RunError

    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise RunError(f"received --set {pair}, expected NAME=VALUE, such as --set reduce_type=sum")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings


def evaluate(
    run: Annotated[Path, typer.Option(metavar="RUN", help="A run folder of gmn-tf train.")],
    zoo: Annotated[Path, typer.Option(metavar="DIR", help="The zoo whose held-out networks are judged.")],
    split: Annotated[
        str, typer.Option(help="Networks to judge on: test, or validation to choose settings by.")
    ] = "test",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where report.json and scatter.png go; RUN/evaluation by default."),
    ] = None,
    as_json: console.Json = False,
) -> None:
    """Compare the metanetwork, or other method, of RUN with baselines on the held-out networks of a zoo.

    In the setting RUN was trained in: R2, Kendall's tau and mean absolute error (L1) of it, of StatNN
    (statistics of each layer's weights into gradient-boosted trees, fitted here on the same training
    networks) and of the constant prediction, with paired bootstrap intervals of the differences. Written as
    JSON too, with a predicted-against-true scatter as PNG. Of an editor: the mean squared error of what its
    networks show, beside that of the unedited ones, and pictures before and after. Of a classifier: accuracy
    and confusion. Of a representation: a linear regression of amplitude and frequency from it, and the
    projector's files in the logs of RUN.
    """
    console.start_tensorflow()
    from gmn_tf.training.judging import JUDGES
    from gmn_tf.training.report import REPORT
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.opening import open_zoo

    folder = out if out is not None else run / EVALUATION
    opened = Run.load(run)
    judge = JUDGES[opened.task.name]
    report = judge.evaluate(opened, open_zoo(zoo), split=split, out=folder)
    if as_json:
        console.print_json({"out": str(folder), **report})
        return
    print(judge.table_text(report))
    print(f"Written to {folder / REPORT} and {folder / judge.picture}.")
