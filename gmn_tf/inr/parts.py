"""One finished part of a population of INRs: fitted, measured and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr import quality
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.plan import InrPlan
from gmn_tf.inr.sources import Source, load_source
from gmn_tf.zoo import files
from gmn_tf.zoo.parts import part_file

_RENDERED_AT_ONCE = 64
_MOST = 200.0  # dB; beyond it are only the roundings of float32, and infinity is no JSON


def weights_file(part: int) -> str:
    """Name of the file with the weights of one part."""
    return f"part-{part:04d}.npy"


def maker(folder: Path, plan: dict[str, Any]) -> Callable[[int], None]:
    """What makes the parts of a plan, by number; see `gmn_tf.zoo.workers`."""
    found = InrPlan.of_dict(plan)
    if found is None:
        raise InrError(f"Received {plan!r}, expected the plan of a population of INRs.")
    source = load_source(found.data)
    columns = found.columns(source)
    return lambda part: fit_part(folder, found, source, columns, part)


def fit_part(folder: Path, plan: InrPlan, source: Source, columns: dict[str, np.ndarray], part: int) -> None:
    """Fits the INRs of one part, measures them and writes the part.

    Raises:
        ZooError: the part could not be written.
    """
    from gmn_tf.inr.fitting import fit_many

    kind, numbers = plan.parts()[part]
    architecture = plan.architectures[kind]
    stride = len(plan.architectures)
    own = {name: values[numbers] for name, values in columns.items()}
    targets = source.values(own)
    fitted = fit_many(
        architecture,
        targets,
        source.coordinates,
        initial=architecture.initial(len(numbers), seed=plan.seed, first=int(numbers[0]), stride=stride),
        **dataclasses.asdict(plan.fit),
    )
    measured = quality.psnr(rendered(architecture, fitted.flat, source.coordinates), targets)
    rows = [
        {
            "network": int(number),
            "architecture": kind,
            "row": int(number) // stride,
            **{name: values[row].item() for name, values in own.items()},
            "psnr": round(min(float(measured[row]), _MOST), 4),
            "steps": int(fitted.steps[row]),
            "family": family(architecture),
            "num_parameters": architecture.num_parameters,
        }
        for row, number in enumerate(numbers)
    ]
    weights = folder / weights_file(part)
    files.write_array(weights, fitted.flat)
    record = {"rows": rows, "file": weights.name, "weights": files.fingerprint(weights)}
    files.write_json(folder / part_file(part), record)


def family(architecture: InrArchitecture) -> str:
    """The family's name in tables and at the command line: "siren", "relu_inr", ..."""
    return architecture.kind if architecture.kind == "siren" else f"{architecture.kind}_inr"


def rendered(architecture: InrArchitecture, flat: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """`architecture.render` in batches, as an array [N, M, num_outputs]."""
    batches = range(0, len(flat), _RENDERED_AT_ONCE)
    parts = [architecture.render(flat[at : at + _RENDERED_AT_ONCE], coordinates).numpy() for at in batches]
    return np.concatenate(parts)
