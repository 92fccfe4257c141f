"""Per-layer statistics of weights (Unterthiner et al. 2020, section 4), for networks of any depth."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from gmn_tf.errors import ZooError

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
NAMES = ("mean", "variance", *(f"q{round(100 * q)}" for q in QUANTILES))
"""What is measured of each variable, in order."""

_ROLES = {
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "scale": "gamma",
    "moving_mean": "mean",
    "moving_variance": "variance",
}


class Networks(Protocol):
    """The part of a zoo that is read here; see `gmn_tf.zoo.store.Zoo`."""

    table: dict[str, np.ndarray]

    def template(self, architecture: int, /) -> Any: ...

    def flat_weights(self, architecture: int, /) -> tuple[np.ndarray, np.ndarray]: ...


@dataclasses.dataclass(frozen=True)
class Variable:
    """Where one variable lies in the flat weights, and the places under which its statistics stand."""

    start: int
    stop: int
    places: tuple[str, str]


def variables(model: Any) -> list[Variable]:
    """The variables of `model.get_weights()`, each with its two places.

    A place is the variable's role (kernel, bias, gamma, ...) and the number of its layer, counted once
    from the input and once from the output, among the layers that have a kernel; normalisations belong
    to the kernel before them. So first and last layers have columns of their own, whatever the depth.
    """
    found = []
    start, layer = 0, -1
    for variable in model.weights:
        name = str(getattr(variable, "path", variable.name)).split("/")[-1].split(":")[0]
        role = _ROLES.get(name, name)
        if role == "kernel":
            layer += 1
        size = int(np.prod(tuple(variable.shape)))
        found.append((role, max(layer, 0), start, start + size))
        start += size
    last = max((layer for _, layer, _, _ in found), default=0)
    return [
        Variable(begin, end, (f"{role}/+{layer}", f"{role}/-{last - layer}"))
        for role, layer, begin, end in found
    ]


def statistics(weights: np.ndarray) -> np.ndarray:
    """Mean, variance and `QUANTILES` over the last axis: float64 [n, size] -> [n, len(NAMES)]."""
    weights = np.asarray(weights, np.float64)
    quantiles = np.quantile(weights, QUANTILES, axis=-1)
    return np.stack([weights.mean(-1), weights.var(-1), *quantiles], axis=-1)


def feature_table(zoo: Networks, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Named columns [n] for the networks `indices`, `nan` where a network has no such variable.

    Besides the statistics of each variable there are its size (natural logarithm) and, once, the number
    of layers with a kernel: what a network's shape alone tells is not kept from the baseline.

    Raises:
        ZooError: a weight is NaN or infinite; the network is named.
    """
    indices = np.asarray(indices)
    row_of = {int(index): row for row, index in enumerate(indices)}
    columns: dict[str, np.ndarray] = {}

    def write(name: str, rows: np.ndarray, values: np.ndarray | float) -> None:
        columns.setdefault(name, np.full(len(indices), np.nan))[rows] = values

    architectures = np.asarray(zoo.table["architecture"])[indices]
    for architecture in np.unique(architectures):
        members, stored = zoo.flat_weights(int(architecture))
        positions = np.array([p for p, member in enumerate(members) if int(member) in row_of])
        rows = np.array([row_of[int(members[p])] for p in positions])
        flat = np.asarray(stored[positions])
        bad = ~np.isfinite(flat).all(axis=1)
        if bad.any():
            raise ZooError(
                f"received NaN or infinite weights in network {members[positions[bad][0]]} of the zoo, "
                "expected finite weights: leave it out or generate it anew"
            )
        found = variables(zoo.template(int(architecture)))
        write("layers", rows, float(len({v.places[0] for v in found if v.places[0].startswith("kernel/")})))
        for variable in found:
            values = statistics(flat[:, variable.start : variable.stop])
            for place in variable.places:
                write(f"{place}/log_size", rows, np.log(variable.stop - variable.start))
                for name, column in zip(NAMES, values.T, strict=True):
                    write(f"{place}/{name}", rows, column)
    return columns


def feature_matrix(columns: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    """The columns `names` side by side, float64 [n, len(names)]; `nan` where there is no such column."""
    missing = np.full(len(next(iter(columns.values()))), np.nan)
    return np.stack([columns.get(name, missing) for name in names], axis=1)
