"""A folder of published INRs made a zoo, without running anything from it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gmn_tf
from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.parts import family
from gmn_tf.inr.sources import PUBLISHED
from gmn_tf.inr.state_dicts import PICKLED, READABLE, WAY_OUT, layers_of, read_state_dict
from gmn_tf.inr.writing import write_zoo
from gmn_tf.zoo import files, store, unfinished
from gmn_tf.zoo.store import Zoo

_LABEL = re.compile(r"_(?P<label>\d+)_\d+(?=[/.]|$)")  # mnist_png_training_5_1234/..., as DWSNets' folders
_SHARE = 0.1
_KNOWN = {"coef", "label", "x", "y"}


def import_inrs(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    recipe: str = "dws",
    frequency: float = 30.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Zoo:
    """Reads a folder of SIRENs that lie in one file each and writes them as a zoo.

    A file is a state dict of linear layers (`seq.0.weight` [out, in], `seq.0.bias`, ..., or
    `net.0.linear.weight`) as `.npz` or `.safetensors`. Beside these it may hold "label", "coef" (a and b of a
    wave y = a sin(b x), as in DWSNets' sets) and "x", "y" (its samples, which are not kept). Labels are also
    taken from names such as `mnist_png_training_5_1234/`. Files with "test" in their path are for test; where
    there are none a tenth is drawn. A tenth of the others is drawn for validation.

    Args:
        folder: searched with all folders in it.
        out: the folder to make.
        recipe: "dws" or "nfn": how the values of the last layer become pixels, see `gmn_tf.inr.recipes`.
        frequency: omega of the sines.
        seed: of the draws.
        progress: called with files read and files in all.

    Raises:
        InrError: the files are pickled, none can be read, or they are of different architectures.
        ZooError: `out` exists, or cannot be written.
    """
    folder, target = Path(folder), Path(os.path.abspath(out))  # noqa: PTH100 (no links are followed)
    paths = _paths(folder)
    if target.exists():
        raise InrError(f"{target} exists: choose another folder or remove it.")
    flats, facts = [], []
    architecture: InrArchitecture | None = None
    for done, path in enumerate(paths):
        state = read_state_dict(path)
        weights, other = layers_of(state, path)
        if unknown := other - _KNOWN:
            raise InrError(
                f"{path} holds {sorted(unknown)[0]!r}, which is not known: leave it out of the file."
            )
        own = _architecture(weights, recipe, frequency)
        if architecture not in (None, own):
            raise InrError(
                f"{path} has hidden layers {own.hidden}, {paths[0]} others: give one set at a time."
            )
        architecture = own
        flats.append(np.concatenate([w.ravel() for w in weights]))
        facts.append(_facts(state, path.relative_to(folder).as_posix()))
        if progress is not None:
            progress(done + 1, len(paths))
    assert architecture is not None
    flat = np.stack(flats)
    if not np.isfinite(flat).all():
        raise InrError(
            f"{paths[int(np.argmin(np.isfinite(flat).all(axis=1)))]} holds NaN or infinite weights."
        )
    splits = _splits([path.relative_to(folder).as_posix() for path in paths], seed)
    rows = _rows(facts, splits, architecture)
    partial = target.with_name(target.name + ".partial")
    files.make_folder(partial)
    write_zoo(
        partial,
        [architecture],
        [flat],
        rows,
        seed=seed,
        pictures=[],
        manifest=_manifest(folder, architecture),
    )
    unfinished.finish(partial, target)
    return Zoo.load(target)


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InrError(f"{folder} is no folder: give one of .npz or .safetensors files, one for each INR.")
    endings = Counter(path.suffix.lower() for path in folder.rglob("*") if path.is_file())
    readable = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in READABLE]
    if len(readable) >= 3:
        return readable
    if pickled := sum(endings[ending] for ending in PICKLED):
        raise InrError(f"{folder} holds {pickled} files such as .pth: {WAY_OUT}.")
    raise InrError(f"{folder} holds {len(readable)} .npz or .safetensors files, expected three or more INRs.")


def _architecture(weights: list[np.ndarray], recipe: str, frequency: float) -> InrArchitecture:
    kernels = weights[::2]
    return InrArchitecture.of_recipe(
        recipe,
        hidden=tuple(kernel.shape[1] for kernel in kernels[:-1]),
        num_inputs=kernels[0].shape[0],
        num_outputs=kernels[-1].shape[1],
        frequency=frequency,
    )


def _facts(state: dict[str, np.ndarray], name: str) -> dict[str, Any]:
    """What a file and its name say of what the INR shows."""
    facts: dict[str, Any] = {"file": name}
    if "label" in state:
        facts["label"] = int(np.asarray(state["label"]).reshape(()))
    elif match := _LABEL.search(name):
        facts["label"] = int(match["label"])
    if "coef" in state:
        amplitude, frequency = np.asarray(state["coef"], np.float64).reshape(2)
        facts |= {"amplitude": float(amplitude), "frequency": float(frequency)}
    return facts


def _splits(names: list[str], seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 15])
    splits = np.array([store.TEST if "test" in name.lower() else store.TRAIN for name in names], dtype="U10")
    order = rng.permutation(np.flatnonzero(splits == store.TRAIN))
    share = max(1, round(_SHARE * len(order)))
    if not np.any(splits == store.TEST):
        splits[order[:share]] = store.TEST
        order = order[share:]
    splits[order[:share]] = store.VALIDATION
    return splits


def _rows(
    facts: list[dict[str, Any]], splits: np.ndarray, architecture: InrArchitecture
) -> list[dict[str, Any]]:
    """The table: columns that only some of the files give are left out."""
    shared = set.intersection(*(set(one) for one in facts))
    return [
        {
            "network": number,
            "architecture": 0,
            "row": number,
            "split": str(splits[number]),
            **{name: value for name, value in one.items() if name in shared},
            "family": family(architecture),
            "num_parameters": architecture.num_parameters,
        }
        for number, one in enumerate(facts)
    ]


def _manifest(folder: Path, architecture: InrArchitecture) -> dict[str, Any]:
    return {
        "gmn_tf_version": gmn_tf.__version__,
        "data": {"name": PUBLISHED, "hash": PUBLISHED},
        "recipe": {
            "name": architecture.recipe,
            "kind": PUBLISHED,
            "data": PUBLISHED,
            "folder": folder.name,
        },
    }
