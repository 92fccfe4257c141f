"""`gmn-tf train edit` and `gmn-tf edit`: metanetworks that change what networks show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmn_tf.commands import console, options
from gmn_tf.commands.training import named_settings, silent, train
from gmn_tf.models.registry import EDITORS

_BASELINES = ", ".join(f"{name} ({entry.title})" for name, entry in list(EDITORS.items())[1:])


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command("edit")(edit)


@train.command("edit")
def train_edit(
    zoo: Annotated[Path, typer.Option(metavar="DIR", help="A zoo of INRs of pictures.")],
    out: options.Out,
    operation: Annotated[
        str,
        typer.Option(
            help="What edited networks shall show: their picture after dilate, erode, contrast or rotate; "
            "dilate:5 takes a square of 5 pixels, rotate:30 an angle."
        ),
    ] = "dilate",
    target: Annotated[
        str,
        typer.Option(
            help="What the operation is done to: image, the picture a network was fitted to, or rendering, "
            "what it shows."
        ),
    ] = "image",
    method: Annotated[
        str,
        typer.Option(help="What is trained: gmn, the graph metanetwork, or a baseline: " + _BASELINES + "."),
    ] = "gmn",
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
    """Train a metanetwork, or a baseline, to edit INRs: the edited weights show another picture.

    The edited weights are the network's own plus the metanetwork's answer for each; it is taught by what they
    show. RUN gets the configuration, the best weights, a history (CSV), a summary (JSON), edited.png (before,
    target, after) and TensorBoard logs.
    """
    settings = named_settings(further or [])
    console.start_tensorflow()
    from gmn_tf.training.edit_task import EditTask
    from gmn_tf.training.fit import train as run_training

    result = run_training(
        EditTask(operation, target=target),
        zoo,
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
    if as_json:
        console.print_json(result)
        return
    figures = result["validation"]
    best = f"best epoch {result['best_epoch']} of {result['epochs']}, " if result["epochs"] else ""
    print(
        f"{out}: {result['finished'] or 'stopped by its time limit, not finished'}; {best}validation mean "
        f"squared error {figures['loss']:.5f}, PSNR {figures['psnr']:.2f} dB."
    )


def edit(
    file: Annotated[
        Path,
        typer.Argument(metavar="IN.keras", help="The network to edit: a .keras or .h5 file."),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="The editor: an export, a run folder, or a name that comes along."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="OUT.keras", help="The file to write.")],
    architecture: console.Architecture = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="What the network shows before and after, side by side."),
    ] = None,
    size: Annotated[int, typer.Option(help="Pixels along a side of the picture.")] = 128,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is at OUT.")] = False,
    as_json: console.Json = False,
) -> None:
    """Edit a network: write a Keras model with the weights that a trained editor gives it.

    The file is loaded in Keras' safe mode: no code from it is run. OUT opens with plain Keras.
    """
    console.start_tensorflow()
    from gmn_tf.edit_file import edit_file

    result = edit_file(
        file, out, model=model, architecture=architecture, picture=picture, size=size, overwrite=overwrite
    )
    if as_json:
        console.print_json(result)
        return
    print(
        f"{out}: {file} after {result['operation']}, weights changed by {result['change']:.2%} of their size."
    )
    if picture is not None:
        print(f"{picture}: before and after.")
