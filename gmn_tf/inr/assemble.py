"""Turns the finished parts of a population of INRs into a zoo: table, weights, pictures, manifest."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

import gmn_tf
from gmn_tf.inr import pictures
from gmn_tf.inr.parts import family, rendered
from gmn_tf.inr.plan import InrPlan
from gmn_tf.inr.recipes import recipe
from gmn_tf.inr.sources import Source, load_source
from gmn_tf.zoo import files, splits, store
from gmn_tf.zoo.parts import read_part

HISTOGRAM, PICTURES = "psnr.png", "pictures.png"

_SHOWN = 10
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def assemble(folder: Path, plan: InrPlan) -> None:
    """Writes a zoo into the folder of the parts, which stay.

    Raises:
        ZooError: a part is damaged, or the disk is full; the call again to finish.
    """
    records = [read_part(folder, part) for part in range(len(plan.part_sizes()))]
    rows = [row for record in records for row in record["rows"]]
    flat = np.concatenate([np.load(folder / record["file"], allow_pickle=False) for record in records])
    source = load_source(plan.data)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    files.write_array(folder / files.weights_file(0), flat)
    files.write_table(folder / files.TABLE, rows)
    model = plan.architecture.keras_model(name=family(plan.architecture))
    files.write_json(folder / files.ARCHITECTURES, [json.dumps(json.loads(model.to_json()), sort_keys=True)])
    pictures.draw_histogram(folder / HISTOGRAM, columns["psnr"], "PSNR in dB")
    _draw_examples(folder / PICTURES, plan, source, columns, flat)
    settings = splits.make({"split": columns["split"]}, seed=plan.seed)
    names = [files.TABLE, files.ARCHITECTURES, files.weights_file(0), HISTOGRAM, PICTURES]
    names += splits.write(folder, settings)
    files.write_json(folder / files.MANIFEST, _manifest(plan, source, columns, settings, folder, names))


def _manifest(
    plan: InrPlan,
    source: Source,
    columns: dict[str, np.ndarray],
    settings: dict[str, np.ndarray],
    folder: Path,
    names: list[str],
) -> dict[str, Any]:
    found = np.quantile(columns["psnr"], _QUANTILES)
    return {
        "format_version": store.FORMAT_VERSION,
        "gmn_tf_version": gmn_tf.__version__,
        "family": family(plan.architecture),
        "data": {"name": plan.data, "hash": plan.data_hash},
        "seed": plan.seed,
        "plan": plan.to_dict(),
        "recipe": {
            "version": plan.recipe_version,
            "name": plan.architecture.recipe,
            "start": dataclasses.asdict(recipe(plan.architecture.recipe)),
            "architectures": [plan.architecture.to_dict()],
            "fit": dataclasses.asdict(plan.fit),
            "per_image": plan.per_image,
            "data": plan.data,
            **source.describe(),
        },
        "counts": {
            "networks": plan.size,
            "architectures": 1,
            **{split: int(np.sum(columns["split"] == split)) for split in store.SPLITS},
        },
        "settings": {
            name: {split: int(np.sum(found == split)) for split in store.SPLITS}
            for name, found in settings.items()
        },
        "psnr": {f"q{100 * q:g}": round(float(v), 3) for q, v in zip(_QUANTILES, found, strict=True)},
        "files": {name: files.fingerprint(folder / name) for name in names},
    }


def _draw_examples(
    path: Path, plan: InrPlan, source: Source, columns: dict[str, np.ndarray], flat: np.ndarray
) -> None:
    """The first test networks: what they were fitted to above, what they render below."""
    shown = np.flatnonzero(columns["split"] == store.TEST)[:_SHOWN]
    targets = source.values({name: values[shown] for name, values in columns.items()})
    values = rendered(plan.architecture, flat[shown], source.coordinates)
    facts = source.describe()
    if "image_shape" in facts:
        shape = (len(shown), *facts["image_shape"])
        pictures.draw_pictures(path, {"image": targets.reshape(shape), "INR": values.reshape(shape)})
    else:
        pictures.draw_waves(path, source.coordinates[:, 0], {"wave": targets[..., 0], "INR": values[..., 0]})
