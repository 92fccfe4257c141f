"""Generates a population of INRs, so that a killed run goes on where it stopped.

`gmn_tf.zoo.unfinished` says how.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import KINDS, SIREN, InrArchitecture
from gmn_tf.inr.assemble import assemble
from gmn_tf.inr.plan import FitSettings, InrPlan
from gmn_tf.inr.sources import IMAGES, WAVES, load_source
from gmn_tf.zoo import unfinished
from gmn_tf.zoo.store import Zoo
from gmn_tf.zoo.unfinished import Progress

FITS: dict[str, FitSettings] = {
    IMAGES: FitSettings(steps=500, learning_rate=5e-3, decay="cosine", target_psnr=40.0),
    WAVES: FitSettings(steps=1500, learning_rate=5e-3, decay="cosine", target_psnr=40.0),
}
"""How INRs are fitted to each kind of thing unless told otherwise."""

FAMILIES = {kind if kind == SIREN else f"{kind}_inr": kind for kind in KINDS}
"""What the kinds of INRs are called among the families of the command line."""


def generate_inr_zoo(
    path: str | os.PathLike[str],
    *,
    kind: str = SIREN,
    data: str = "digits",
    size: int = 1200,
    seed: int = 0,
    recipe: str = "dws",
    hidden: Sequence[int] | Sequence[Sequence[int]] = (32, 32),
    per_image: int = 1,
    validation: int | None = None,
    test: int | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    decay: str | None = None,
    target_psnr: float | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **architecture: Any,
) -> Zoo:
    """Fits a population of INRs, each from a fresh random start, and stores it as a zoo.

    Its table has "network", "architecture", "row", "split", "psnr" (dB, against its target), "steps" (of
    training), and for images "image" (its number: training images first, then test images) and "label", for
    waves "wave", "amplitude" a and "frequency" b of y = a sin(b x). All INRs of one image are in one split;
    those of test depict images of the data's test set, the others images of its training set.

    Args:
        path: the folder to make. A finished zoo of the same settings there is opened and answered at once;
            an unfinished one is gone on with.
        kind: "siren", "relu", "fourier" or "triplane".
        data: "sine", or images, see `gmn_tf.zoo.data.load_data`.
        size: number of INRs.
        seed: decides everything: images, splits, starts.
        recipe: of the start of SIRENs, see `gmn_tf.inr.recipes`.
        hidden: units of the hidden layers; several such lists, `[(32, 32), (24, 24, 24)]`, for several
            architectures in equal shares.
        per_image: so many INRs, of different starts, are fitted to each image.
        validation, test: images (or waves) for each; by default a twelfth (a seventh).
        steps, learning_rate, decay, target_psnr: of `fit_many`; None takes those of `FITS`. An infinite
            `target_psnr` has all INRs fitted for all steps.
        workers: processes of one thread each; by default one per processor. They do not change the result.
        progress: called when the fitting starts and after every part.
        **architecture: further values of `InrArchitecture`, such as `frequency`.

    Raises:
        InrError, ZooError: a bad argument; `path` holds something else; the disk is full.
    """
    source = load_source(data)
    shapes = _shapes(hidden)
    made = InrArchitecture.of_recipe(
        recipe,
        kind=kind,
        hidden=shapes[0],
        num_inputs=source.coordinates.shape[1],
        num_outputs=source.num_outputs,
        **architecture,
    )
    given: dict[str, Any] = {
        "steps": steps,
        "learning_rate": learning_rate,
        "decay": decay,
        "target_psnr": target_psnr,
    }
    fit = dataclasses.replace(
        FITS[source.describe()["kind"]],
        **{name: value for name, value in given.items() if value is not None},
    )
    if fit.target_psnr == math.inf:
        fit = dataclasses.replace(fit, target_psnr=None)
    share = max(1, round(size // max(per_image, 1) * source.share))
    plan = InrPlan(
        architecture=made,
        data=data,
        data_hash=source.hash,
        size=size,
        seed=seed,
        per_image=per_image,
        validation=share if validation is None else validation,
        test=share if test is None else test,
        fit=fit,
        more_hidden=shapes[1:],
    )
    plan.columns(source)  # whether there are enough images
    return unfinished.make_zoo(
        path,
        plan,
        sizes=[len(numbers) for _, numbers in plan.parts()],
        module="gmn_tf.inr.parts",
        assemble=assemble,
        workers=workers,
        progress=progress,
    )


def _shapes(hidden: Sequence[int] | Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """One or more lists of units, as lists of them.

    Raises:
        InrError: there is none, or two are the same.
    """
    several: Any = [hidden] if not len(hidden) or isinstance(hidden[0], int) else hidden
    shapes = tuple(tuple(int(units) for units in one) for one in several)
    if len(set(shapes)) != len(shapes):
        raise InrError(f"Received hidden {hidden}: expected each list of units once.")
    return shapes
