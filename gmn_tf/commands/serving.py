"""`gmn-tf export` and `gmn-tf predict`: from a run to a SavedModel to answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_tf.commands import console


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command("export")(export)
    app.command("predict")(predict)


def export(
    run: Annotated[Path, typer.Option(metavar="RUN", help="A run folder of gmn-tf train.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    zoo: Annotated[
        Path | None,
        typer.Option(
            metavar="ZOO",
            help="The zoo RUN was trained on: distances to its training networks are served too, the card "
            "tells of it, and some networks of its test split go, with answers, to DIR/check.",
        ),
    ] = None,
    examples: Annotated[int, typer.Option(help="How many networks go to DIR/check.")] = 8,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="REPORT.json",
            help="A report of gmn-tf evaluate on another run of the same recipe, in another setting, for "
            "the card; may be given more than once. Those in RUN are found.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is at DIR.")] = False,
    as_json: console.Json = False,
) -> None:
    """Write the best metanetwork of RUN as a SavedModel that serves without this package.

    Signatures: serving_default on serialized tf.Example strings, raw on tensors. DIR/README.md says how to
    call them, what the metanetwork was trained on and must not be used for, how it was made and, after
    gmn-tf evaluate, how well it does; metadata.json has the same for programs.
    """
    console.start_tensorflow()
    from gmn_tf.export import METADATA
    from gmn_tf.export import export as write

    write(run, out, zoo=zoo, examples=examples, evaluations=evaluation or [], overwrite=overwrite)
    distance = bool(json.loads((out / METADATA).read_text())["distance"])
    if as_json:
        console.print_json({"run": str(run), "out": str(out), "distance": distance})
        return
    print(f"{out}: SavedModel with the signatures serving_default and raw; its card is {out / 'README.md'}.")
    if not distance:
        why = "give it with --zoo" if zoo is None else f"{zoo} is another one"
        print(f"Distances are told only by exports that know the zoo they were trained on: {why}.")


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL.keras...",
            help="Networks to judge: .keras or .h5 files; with --architecture, .weights.h5 files too.",
        ),
    ],
    model: console.Metanetwork = None,
    architecture: console.Architecture = None,
    measured: console.Measured = None,
    as_json: console.Json = False,
) -> None:
    """Predict the test accuracy of networks from their weights alone.

    The files are loaded in Keras' safe mode: no code from them is run. The metanetwork knows the kind of
    networks it was trained on: distance says how far each network lies from them, 1 being as far as 95 %
    of held-out networks of that kind; beyond 2 a prediction means little.
    """
    console.start_tensorflow()
    from gmn_tf.export import load_predictor
    from gmn_tf.ranking import read_measured

    known = read_measured(measured) if measured is not None else {}
    judge = load_predictor(model)
    found = judge.predict(list(files), architecture=architecture)
    rows: list[dict[str, Any]] = []
    for number, (file, value) in enumerate(zip(files, found.accuracy, strict=True)):
        row = {"file": str(file), "predicted": float(value), "measured": known.get(file.name)}
        if found.distance is not None and found.percentile is not None and found.verdicts is not None:
            row["distance"] = float(found.distance[number])
            row["percentile"] = float(found.percentile[number])
            row["range"] = found.verdicts[number]
        rows.append(row)
    if as_json:
        console.print_json({"model": str(judge.path), "predictions": rows})
        return
    console.print_predictions(rows, first="network", measured=bool(known), distance=judge.tells_distance)
