"""Writes INRs as a zoo: table, weights, Keras JSON, splits, manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.parts import family
from gmn_tf.zoo import files, splits, store

_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def write_zoo(
    folder: Path,
    architectures: Sequence[InrArchitecture],
    flats: Sequence[np.ndarray],
    rows: list[dict[str, Any]],
    *,
    seed: int,
    pictures: Sequence[str],
    manifest: dict[str, Any],
) -> None:
    """Writes a zoo into a folder.

    Args:
        folder: exists already.
        architectures: by number.
        flats: the weights of the INRs of each, float32 [N, P].
        rows: the table; with "psnr", its quantiles are written into the manifest.
        seed: of the setting "low_data".
        pictures: names of files in the folder that the manifest is to list.
        manifest: what else it says; its "recipe" gets the architectures.

    Raises:
        ZooError: a file could not be written.
    """
    weights = [files.weights_file(number) for number in range(len(architectures))]
    for name, flat in zip(weights, flats, strict=True):
        files.write_array(folder / name, flat)
    files.write_table(folder / files.TABLE, rows)
    models = [architecture.keras_model(name=family(architecture)) for architecture in architectures]
    stored = [json.dumps(json.loads(model.to_json()), sort_keys=True) for model in models]
    files.write_json(folder / files.ARCHITECTURES, stored)
    split = np.array([row["split"] for row in rows])
    settings = splits.make({"split": split}, seed=seed)
    names = [files.TABLE, files.ARCHITECTURES, *weights, *pictures]
    names += splits.write(folder, settings)
    whole = {
        "format_version": store.FORMAT_VERSION,
        "family": family(architectures[0]),
        "seed": seed,
        **manifest,
        "recipe": manifest["recipe"] | {"architectures": [one.to_dict() for one in architectures]},
        "counts": {
            "networks": len(rows),
            "architectures": len(architectures),
            **{name: int(np.sum(split == name)) for name in store.SPLITS},
        },
        "settings": {
            name: {one: int(np.sum(found == one)) for one in store.SPLITS} for name, found in settings.items()
        },
        "files": {name: files.fingerprint(folder / name) for name in names},
    }
    if "psnr" in rows[0]:
        found = np.quantile([row["psnr"] for row in rows], _QUANTILES)
        whole["psnr"] = {f"q{100 * q:g}": round(float(v), 3) for q, v in zip(_QUANTILES, found, strict=True)}
    files.write_json(folder / files.MANIFEST, whole)
