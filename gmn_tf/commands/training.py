"""`gmn-tf train accuracy` and `gmn-tf evaluate`: a metanetwork learnt from a zoo, and how well it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_tf.commands import console

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
    zoo: Annotated[Path, typer.Option(metavar="DIR", help="A zoo made by gmn-tf zoo.")],
    out: Annotated[
        Path, typer.Option(metavar="RUN", help="The run folder; an unfinished run there goes on.")
    ],
    strategy: Annotated[
        str,
        typer.Option(
            help="auto (all GPUs of this host, else the processor), mirrored (all GPUs of this host), "
            "multiworker (all hosts that TF_CONFIG lists; start the same command on each), or cpu."
        ),
    ] = "auto",
    epochs: Annotated[int, typer.Option(help="Passes over the training networks, at most.")] = 30,
    batch_size: Annotated[int, typer.Option(help="Networks per step, over all devices together.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate of the schedule.")] = 0.003,
    seed: Annotated[int, typer.Option(help="Decides initial weights and the order of batches.")] = 0,
    message_dim: Annotated[int, typer.Option(help="Width of messages, nodes and edges.")] = 32,
    num_blocks: Annotated[int, typer.Option(help="Rounds of message passing.")] = 3,
    as_json: console.Json = False,
) -> None:
    """Train a graph metanetwork to predict test accuracy from weights alone.

    RUN gets the configuration, the best weights, a history (CSV) and TensorBoard logs (losses, R2, Kendall's
    tau, learning rate, predicted against true): tensorboard --logdir RUN. Training stops early when the
    validation loss stops falling. Started again with the same settings, it goes on where it stopped.
    """
    console.start_tensorflow()
    from gmn_tf.training.fit import train_accuracy

    train_accuracy(
        zoo,
        out,
        strategy=strategy,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        message_dim=message_dim,
        num_blocks=num_blocks,
        progress=not as_json,
    )


def evaluate(
    run: Annotated[Path, typer.Option(metavar="RUN", help="A run folder of gmn-tf train accuracy.")],
    zoo: Annotated[Path, typer.Option(metavar="DIR", help="The zoo whose test split is predicted.")],
    as_json: console.Json = False,
) -> None:
    """Compare the metanetwork of RUN with baselines on the held-out networks of a zoo.

    R2, Kendall's tau and mean absolute error (L1) of the metanetwork, of StatNN (statistics of each layer's
    weights into gradient-boosted trees, fitted here on the same training networks) and of the constant
    prediction, with paired bootstrap intervals of the differences. Also written to RUN as JSON, with a
    predicted-against-true scatter as PNG.
    """
    console.start_tensorflow()
    from gmn_tf.training.evaluate import evaluate as compare
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo

    report: dict[str, Any] = compare(Run.load(run), Zoo.load(zoo))
    if as_json:
        console.print_json(report)
        return
    print(report)
