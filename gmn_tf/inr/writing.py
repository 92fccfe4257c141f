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
    architecture: InrArchitecture,
    flat: np.ndarray,
    rows: list[dict[str, Any]],
    *,
    seed: int,
    pictures: Sequence[str],
    manifest: dict[str, Any],
) -> None:
    """Writes a zoo of one architecture into a folder.

    Args:
        folder: exists already.
        architecture: of all INRs.
        flat: their weights, float32 [N, P].
        rows: the table; with "psnr", its quantiles are written into the manifest.
        seed: of the setting "low_data".
        pictures: names of files in the folder that the manifest is to list.
        manifest: what else it says; its "recipe" gets the architecture.

    Raises:
        ZooError: a file could not be written.
    """
    files.write_array(folder / files.weights_file(0), flat)
    files.write_table(folder / files.TABLE, rows)
    model = architecture.keras_model(name=family(architecture))
    stored = json.dumps(json.loads(model.to_json()), sort_keys=True)
    files.write_json(folder / files.ARCHITECTURES, [stored])
    split = np.array([row["split"] for row in rows])
    settings = splits.make({"split": split}, seed=seed)
    names = [files.TABLE, files.ARCHITECTURES, files.weights_file(0), *pictures]
    names += splits.write(folder, settings)
    whole = {
        "format_version": store.FORMAT_VERSION,
        "family": family(architecture),
        "seed": seed,
        **manifest,
        "recipe": manifest["recipe"] | {"architectures": [architecture.to_dict()]},
        "counts": {
            "networks": len(rows),
            "architectures": 1,
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
