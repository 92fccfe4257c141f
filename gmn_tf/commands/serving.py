"""`gmn-tf export` and `gmn-tf predict`: from a run to a SavedModel to answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_tf.commands import console


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command("export")(export)
    app.command("predict")(predict)


def export(
    run: Annotated[Path, typer.Option(metavar="RUN", help="A run folder of gmn-tf train accuracy.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    zoo: Annotated[
        Path | None,
        typer.Option(
            metavar="ZOO",
            help="Also write some networks of this zoo's test split, with answers, to DIR/check.",
        ),
    ] = None,
    examples: Annotated[int, typer.Option(help="How many networks to write there.")] = 8,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is at DIR.")] = False,
    as_json: console.Json = False,
) -> None:
    """Write the best metanetwork of RUN as a SavedModel that serves without this package.

    Signatures: serving_default on serialized tf.Example strings, raw on tensors. DIR/README.md says how to
    call them, metadata.json how the metanetwork was made and, after gmn-tf evaluate, how well it does.
    """
    console.start_tensorflow()
    from gmn_tf.export import export as write

    write(run, out, zoo=zoo, examples=examples, overwrite=overwrite)
    if as_json:
        console.print_json({"run": str(run), "out": str(out)})
    else:
        print(
            f"{out}: SavedModel with the signatures serving_default and raw; its card is {out / 'README.md'}."
        )


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL.keras...",
            help="Networks to judge: .keras or .h5 files; with --architecture, .weights.h5 files too.",
        ),
    ],
    model: Annotated[Path, typer.Option(metavar="DIR", help="The metanetwork: an export, or a run folder.")],
    architecture: console.Architecture = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Table with the columns file and test_accuracy; shows measured beside predicted accuracy.",
        ),
    ] = None,
    as_json: console.Json = False,
) -> None:
    """Predict the test accuracy of networks from their weights alone.

    The files are loaded in Keras' safe mode: no code from them is run. The metanetwork knows the kind of
    networks it was trained on; for others the numbers are extrapolations.
    """
    known = _measured(measured) if measured is not None else {}
    console.start_tensorflow()
    from gmn_tf.export import load

    accuracies = load(model)(list(files), architecture=architecture)
    rows: list[dict[str, Any]] = [
        {"file": str(file), "predicted": float(value), "measured": known.get(file.name)}
        for file, value in zip(files, accuracies, strict=True)
    ]
    if as_json:
        console.print_json({"model": str(model), "predictions": rows})
        return
    header = ["network", "predicted"] + (["measured"] if known else [])
    lines = [
        [row["file"], f"{row['predicted']:.3f}"]
        + ([] if not known else [f"{row['measured']:.3f}" if row["measured"] is not None else "unknown"])
        for row in rows
    ]
    console.print_table(header, lines)


def _measured(path: Path) -> dict[str, float]:
    """File name to measured accuracy, from a table."""
    import csv

    from gmn_tf.errors import RunError

    try:
        with path.open(newline="") as file:
            return {row["file"]: float(row["test_accuracy"]) for row in csv.DictReader(file)}
    except FileNotFoundError as error:
        raise RunError(f"{path}: there is no such file; expected a CSV of measured accuracies.") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{path}: expected a CSV table with the columns file and test_accuracy.") from error
