"""The tables of docs/inrs.md that are not timings: kinds of INRs, starts of a recipe, what noise does.

    .venv/bin/python scripts/compare_inrs.py --data mnist:/path/to/mnist.npz

Fits a few INRs of every kind to the same images, and SIRENs from the two starts of `dws`, and disturbs
fitted SIRENs of images and of waves. Prints Markdown.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

from gmn_tf.commands.console import start_tensorflow

_KINDS: dict[str, dict[str, Any]] = {
    "`siren`, recipe `dws`": {},
    "`siren`, recipe `nfn`": {"recipe": "nfn"},
    "`siren`, `dws`, omega 15": {"frequency": 15.0},
    "`relu`": {"kind": "relu"},
    "`fourier`, frequency 10": {"kind": "fourier"},
    "`triplane` (one plane of 8 x 8, 32 features)": {"kind": "triplane"},
}
_CHANGES = ({"noise": 0.005}, {"noise": 0.02}, {"dropout": 0.01}, {"dropout": 0.05})
_BETWEEN = 4  # times the pixels


def kinds(images: Any) -> None:
    """How well each kind fits images [N, H, W, 1], and what it shows between their pixels."""
    import numpy as np

    from gmn_tf.inr.architecture import InrArchitecture
    from gmn_tf.inr.coordinates import grid
    from gmn_tf.inr.fitting import fit_many

    height, width = images.shape[1:3]
    fine = [_BETWEEN * (side - 1) + 1 for side in (height, width)]
    expected = _between(_between(images[..., 0], 1), 2)
    print("| INR | parameters | steps, median | PSNR, least and median | between |\n|---|---|---|---|---|")
    for name, values in _KINDS.items():
        values = {"recipe": "dws", **values}
        architecture = InrArchitecture.of_recipe(values.pop("recipe"), **values)
        targets = images.reshape(len(images), -1, 1)
        fitted = fit_many(architecture, targets, grid(height, width), target_psnr=40.0, decay="cosine")
        shown = np.asarray(architecture.render(fitted.flat, grid(*fine))).reshape(expected.shape)
        between = -10.0 * math.log10(np.mean((shown - expected) ** 2))
        least, median = fitted.psnr.min(), np.median(fitted.psnr)
        print(
            f"| {name} | {architecture.num_parameters:,} | {np.median(fitted.steps):.0f} | {least:.1f}, "
            f"{median:.1f} | {between:.1f} |"
        )


def starts(images: Any) -> None:
    """The first kernel of `dws` as its published code starts it, and as it is started here."""
    import numpy as np

    from gmn_tf.inr.architecture import InrArchitecture
    from gmn_tf.inr.coordinates import grid
    from gmn_tf.inr.fitting import fit_many

    architecture = InrArchitecture.of_recipe("dws")
    ours = architecture.initial(len(images), seed=0)
    published = ours.copy()
    inputs = architecture.num_inputs
    published[:, : architecture.variables()[0].size] *= (
        math.sqrt(6.0 / inputs) / architecture.frequency * inputs
    )
    print("\n| first kernel within | PSNR after at most 1,000 steps at 5e-4, least to most | steps, median |")
    print("|---|---|---|")
    names = (f"sqrt(6 / {inputs}) / omega, as published", f"1 / {inputs}, as here")
    for name, initial in zip(names, (published, ours), strict=True):
        fitted = fit_many(
            architecture,
            images.reshape(len(images), -1, 1),
            grid(*images.shape[1:3]),
            steps=1000,
            learning_rate=5e-4,
            target_psnr=40.0,
            initial=initial,
        )
        print(
            f"| {name} | {fitted.psnr.min():.1f} .. {fitted.psnr.max():.1f} | {np.median(fitted.steps):.0f} |"
        )


def disturbed(data: str, number: int) -> None:
    """How far what INRs show goes off when their weights are changed at random."""
    import numpy as np

    from gmn_tf.inr.architecture import InrArchitecture
    from gmn_tf.inr.augmentation import InrAugmentation
    from gmn_tf.inr.fitting import fit_many
    from gmn_tf.inr.generate import FITS
    from gmn_tf.inr.sources import load_source

    source = load_source(data)
    columns = source.draw(np.full(number, "train"), seed=0)
    inputs = source.coordinates.shape[1]
    architecture = InrArchitecture.of_recipe("dws", num_inputs=inputs, num_outputs=source.num_outputs)
    fit = FITS[source.describe()["kind"]]
    fitted = fit_many(
        architecture,
        source.values(columns),
        source.coordinates,
        steps=fit.steps,
        learning_rate=fit.learning_rate,
        decay=fit.decay,
        target_psnr=fit.target_psnr,
    )
    shown = np.asarray(architecture.render(fitted.flat, source.coordinates))
    for values in _CHANGES:
        changed = InrAugmentation.of(values)(architecture, fitted.flat, np.random.default_rng(0))
        off = np.asarray(architecture.render(changed, source.coordinates)) - shown
        share = np.sqrt((off**2).mean(axis=(1, 2))) / shown.std(axis=(1, 2))
        what = ", ".join(f"{name} {value:g}" for name, value in values.items())
        print(f"| {source.describe()['kind']} | {what} | {np.median(share):.1%} |")


def _between(pictures: Any, axis: int) -> Any:
    """Linear interpolation along an axis at `_BETWEEN` times the pixels."""
    import numpy as np

    last = pictures.shape[axis] - 1
    place = np.linspace(0.0, last, _BETWEEN * last + 1)
    low = np.minimum(place.astype(int), last - 1)
    share = np.expand_dims(place - low, tuple(n for n in range(pictures.ndim) if n != axis))
    return np.take(pictures, low, axis) * (1 - share) + np.take(pictures, low + 1, axis) * share


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--data", default="digits28", help="images, as of gmn-tf zoo --data (%(default)s)")
    parser.add_argument("--number", type=int, default=16, help="INRs of each kind (%(default)s)")
    options = parser.parse_args()
    start_tensorflow()
    from gmn_tf.zoo.data import load_data

    images = load_data(options.data).x_train[: options.number]
    kinds(images)
    starts(images)
    print("\n| INRs of | weights changed by | what is shown goes off by |\n|---|---|---|")
    for data in (options.data, "sine"):
        disturbed(data, options.number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
