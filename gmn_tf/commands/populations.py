"""`gmn-tf zoo`: a population of trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_tf.commands import console
from gmn_tf.errors import ZooError


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command("zoo")(zoo)


def zoo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    data: Annotated[
        str,
        typer.Option(
            help="What to train on: digits (bundled, 8 x 8 scans), patches (bundled, 16 x 16 in colour), or "
            "mnist, fashion_mnist or cifar10, with :/path/to/file where Keras has none; @14 behind the name "
            "makes images 14 x 14, @grey makes them grey. Also digits28 (enlarged), patches32 (32 x 32 in "
            "colour), and for INRs sine: waves y = a sin(bx)."
        ),
    ] = "digits",
    family: Annotated[
        str,
        typer.Option(
            help="Kind of networks: cnn (small convolutional ones), varying_cnns (more varied ones), diverse "
            "(all families, equal shares), or one family by name, such as resnet or cnn1d; small_cnn_zoo "
            "makes the Small CNN Zoo's network by its recipe, in its published format; siren, relu_inr, "
            "fourier_inr and triplane_inr are implicit neural representations, one of each image."
        ),
    ] = "cnn",
    size: Annotated[
        int,
        typer.Option(
            help="Networks in the splits; of 1400, 1000 train, 100 validation, 300 test; of INRs, 10 of 12 "
            "train (5 of 7 of waves)."
        ),
    ] = 1400,
    seed: Annotated[int, typer.Option(help="Decides everything: the same seed makes the same zoo.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes of one thread each.", show_default="one per processor")
    ] = None,
    keras_files: Annotated[
        int,
        typer.Option(
            "--keras",
            help="Further networks in no split, written to DIR/keras as .keras files beside accuracies.csv.",
        ),
    ] = 0,
    recipe: Annotated[
        str | None,
        typer.Option(help="INRs: how they start, dws or nfn; see docs/inrs.md.", show_default="dws"),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="UNITS,...",
            help="INRs: units of the hidden layers; 32,32/24,24,24 for two architectures in equal shares.",
            show_default="32,32",
        ),
    ] = None,
    per_image: Annotated[
        int | None,
        typer.Option(help="INRs: so many of each image, each from a start of its own.", show_default="1"),
    ] = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(metavar="DB", help="INRs: each is fitted until it has so many dB.", show_default="40"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="INRs: the most that each is fitted for.", show_default="500, waves 1500"),
    ] = None,
    as_json: console.Json = False,
) -> None:
    """Train a population of networks whose accuracies spread from chance to good, and store it in DIR.

    DIR then holds the weights, a table of hyper-parameters and measured test accuracies (table.csv) and the
    fixed train, validation and test split. INRs are fitted to one image or wave each: their table says which,
    and their PSNR in dB. A run that was stopped goes on where it was; a finished zoo of the same settings is
    left as it is.
    """
    console.start_tensorflow()
    from gmn_tf.inr.generate import FAMILIES, generate_inr_zoo
    from gmn_tf.zoo.generate import generate_zoo
    from gmn_tf.zoo.small_cnn_generate import FAMILY, generate_small_cnn_zoo

    for_inrs: dict[str, Any] = {
        "recipe": recipe,
        "hidden": hidden,
        "per_image": per_image,
        "target_psnr": target_psnr,
        "steps": steps,
    }
    for_inrs = {name: value for name, value in for_inrs.items() if value is not None}
    if family in FAMILIES:
        if keras_files:
            raise ZooError(f"Received --keras {keras_files}, which INRs do not have: leave it out.")
        if hidden is not None:
            for_inrs["hidden"] = _units(hidden)
        with console.progress_bar("Fitting INRs", shown=not as_json) as update:
            inrs = generate_inr_zoo(
                out,
                kind=FAMILIES[family],
                data=data,
                size=size,
                seed=seed,
                workers=workers,
                progress=update,
                **for_inrs,
            )
        _report(out, inrs, as_json)
        return
    if for_inrs:
        raise ZooError(
            f"Received --{next(iter(for_inrs)).replace('_', '-')}, which only INRs have: leave it out, or "
            f"take the family {' or '.join(FAMILIES)}."
        )
    if family == FAMILY:
        if keras_files:
            raise ZooError(
                f"Received --keras {keras_files}, which the family {FAMILY} does not have: leave it out."
            )
        with console.progress_bar("Training networks", shown=not as_json) as update:
            small = generate_small_cnn_zoo(
                out, data=data, size=size, seed=seed, workers=workers, progress=update
            )
        _report(out, small, as_json)
        return
    with console.progress_bar("Training networks", shown=not as_json) as update:
        made = generate_zoo(
            out,
            family=family,
            data=data,
            size=size,
            seed=seed,
            workers=workers,
            keras_files=keras_files,
            progress=update,
        )
    _report(out, made, as_json)


def _units(text: str) -> list[list[int]]:
    try:
        return [[int(units) for units in one.split(",")] for one in text.split("/")]
    except ValueError:
        raise ZooError(f"Received --hidden {text}: expected numbers of units, such as 32,32.") from None


def _report(out: Path, made: Any, as_json: bool) -> None:
    facts = _facts(made)
    if as_json:
        console.print_json(facts)
        return
    if "psnr_min" in facts:
        quality = (
            f"PSNR {facts['psnr_min']:.1f} to {facts['psnr_max']:.1f} dB, median {facts['psnr_median']:.1f}."
        )
    else:
        quality = (
            f"test accuracy {facts['accuracy_min']:.2f} to {facts['accuracy_max']:.2f}, "
            f"{facts['below_0.3']:.0%} below .3, {facts['above_0.9']:.0%} above .9."
        )
    print(
        f"{out}: {facts['networks']:,} networks of {facts['architectures']} architectures "
        f"({facts['train']:,} train, {facts['validation']:,} validation, {facts['test']:,} test); {quality}"
    )


def _facts(zoo: Any) -> dict[str, Any]:
    import numpy as np

    from gmn_tf.zoo import store

    facts = {
        "path": str(zoo.path),
        "networks": len(zoo),
        "architectures": len(zoo.architectures),
        **{split: len(zoo.indices(split)) for split in (store.TRAIN, store.VALIDATION, store.TEST)},
    }
    if "psnr" in zoo.table:
        psnr = zoo.table["psnr"]
        return facts | {
            "psnr_min": float(psnr.min()),
            "psnr_median": float(np.median(psnr)),
            "psnr_max": float(psnr.max()),
        }
    accuracy = zoo.table["test_accuracy"]
    return facts | {
        "accuracy_min": float(accuracy.min()),
        "accuracy_max": float(accuracy.max()),
        "below_0.3": float((accuracy < 0.3).mean()),
        "above_0.9": float((accuracy > 0.9).mean()),
    }
