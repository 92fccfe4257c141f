"""`gmn-tf rank`: the checkpoints of a folder in the order of their predicted accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_tf.commands import console


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command("rank")(rank)


def rank(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Networks to rank: its .keras and .h5 files; with --architecture, .weights.h5 files too.",
        ),
    ],
    model: console.Metanetwork = None,
    architecture: console.Architecture = None,
    measured: console.Measured = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Measure the accuracies on this data, to compare: digits, or mnist:/path/to/mnist.npz."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw predicted against measured accuracy, with the pick and its regret."
        ),
    ] = None,
    as_json: console.Json = False,
) -> None:
    """Rank the networks of FOLDER by predicted accuracy: pick the best checkpoint without data.

    With measured accuracies (--measured or --data) it also says what the pick costs: the regret, measured
    accuracy of the best network minus that of the picked one, beside what a random pick costs on average,
    and Kendall's tau of the two orders. Files that cannot be judged are left out, with the reason.
    """
    from gmn_tf.errors import RunError

    if plot is not None and measured is None and data is None:
        raise RunError("received --plot without measured accuracies: give --measured FILE.csv or --data NAME")
    console.start_tensorflow()
    from gmn_tf.ranking import rank as order

    ranking = order(folder, model, architecture=architecture, measured=measured, data=data)
    if plot is not None:
        ranking.plot(plot)
    facts = _facts(ranking)
    if as_json:
        console.print_json({"folder": str(folder), **facts, "plot": None if plot is None else str(plot)})
        return
    console.print_predictions(
        facts["networks"],
        first="network, best first",
        measured=ranking.measured is not None,
        distance=ranking.distance is not None,
    )
    for file in facts["skipped"]:
        print(f"Left out: {file['reason']}")
    print(f"Picked without data: {ranking.picked}.")
    if ranking.measured is not None:
        tau = "undefined" if ranking.tau is None else f"{ranking.tau:.3f}"
        print(
            f"Measured: the pick {ranking.measured[0]:.3f}, the best {ranking.measured.max():.3f}, so a "
            f"regret of {ranking.regret:.3f}; a random pick costs {ranking.random_regrets[0]:.3f}; Kendall's "
            f"tau {tau}."
        )
    if plot is not None:
        print(f"Drawn in {plot}.")


def _facts(ranking: Any) -> dict[str, Any]:
    networks = []
    for number, path in enumerate(ranking.paths):
        row: dict[str, Any] = {"file": str(path), "predicted": float(ranking.predicted[number])}
        row["measured"] = None if ranking.measured is None else float(ranking.measured[number])
        if ranking.distance is not None:
            row |= {"distance": float(ranking.distance[number]), "range": ranking.verdicts[number]}
        networks.append(row)
    measured = ranking.measured is not None
    return {
        "picked": str(ranking.picked),
        "networks": networks,
        "regret": ranking.regret,
        "random_regret": float(ranking.random_regrets[0]) if measured else None,
        "tau": ranking.tau,
        "skipped": [{"file": str(file), "reason": reason} for file, reason in ranking.skipped.items()],
    }
