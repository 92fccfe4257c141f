"""Turns the finished parts of a population of INRs into a zoo, with a histogram and a sheet of pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

import gmn_tf
from gmn_tf.inr import pictures
from gmn_tf.inr.parts import rendered
from gmn_tf.inr.plan import InrPlan
from gmn_tf.inr.recipes import recipe
from gmn_tf.inr.sources import Source, load_source
from gmn_tf.inr.writing import write_zoo
from gmn_tf.zoo import store
from gmn_tf.zoo.parts import read_part

HISTOGRAM, PICTURES = "psnr.png", "pictures.png"

_SHOWN = 10


def assemble(folder: Path, plan: InrPlan) -> None:
    """Writes a zoo into the folder of the parts, which stay.

    Raises:
        ZooError: a part is damaged, or the disk is full; the call again to finish.
    """
    records = [read_part(folder, part) for part in range(len(plan.parts()))]
    rows = sorted((row for record in records for row in record["rows"]), key=lambda row: row["network"])
    flats = [
        np.concatenate(
            [
                np.load(folder / record["file"], allow_pickle=False)
                for record, (kind, _) in zip(records, plan.parts(), strict=True)
                if kind == number
            ]
        )
        for number in range(len(plan.architectures))
    ]
    source = load_source(plan.data)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    pictures.draw_histogram(folder / HISTOGRAM, columns["psnr"], "PSNR in dB")
    _draw_examples(folder / PICTURES, plan, source, columns, flats)
    write_zoo(
        folder,
        plan.architectures,
        flats,
        rows,
        seed=plan.seed,
        pictures=[HISTOGRAM, PICTURES],
        manifest=_manifest(plan, source),
    )


def _manifest(plan: InrPlan, source: Source) -> dict[str, Any]:
    return {
        "gmn_tf_version": gmn_tf.__version__,
        "data": {"name": plan.data, "hash": plan.data_hash},
        "plan": plan.to_dict(),
        "recipe": {
            "version": plan.recipe_version,
            "name": plan.architecture.recipe,
            "start": dataclasses.asdict(recipe(plan.architecture.recipe)),
            "fit": dataclasses.asdict(plan.fit),
            "per_image": plan.per_image,
            "data": plan.data,
            **source.describe(),
        },
    }


def _draw_examples(
    path: Path, plan: InrPlan, source: Source, columns: dict[str, np.ndarray], flats: list[np.ndarray]
) -> None:
    """The first test networks: what they were fitted to above, what they render below."""
    shown = np.flatnonzero(columns["split"] == store.TEST)[:_SHOWN]
    targets = source.values({name: values[shown] for name, values in columns.items()})
    values = np.concatenate(
        [
            rendered(plan.architectures[kind], flats[kind][row : row + 1], source.coordinates)
            for kind, row in zip(columns["architecture"][shown], columns["row"][shown], strict=True)
        ]
    )
    facts = source.describe()
    if "image_shape" in facts:
        shape = (len(shown), *facts["image_shape"])
        pictures.draw_pictures(path, {"image": targets.reshape(shape), "INR": values.reshape(shape)})
    else:
        pictures.draw_waves(path, source.coordinates[:, 0], {"wave": targets[..., 0], "INR": values[..., 0]})
