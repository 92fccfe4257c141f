"""The weights that INRs start from, each INR from a random stream of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.recipes import recipe
from gmn_tf.zoo.families.architecture import Variable

if TYPE_CHECKING:
    from gmn_tf.inr.architecture import InrArchitecture

_STREAM = 11  # of the seed; keeps these draws apart from others of a population
GRID_DEVIATION = 0.1


def start(
    architecture: InrArchitecture, number: int, *, seed: int, first: int = 0, stride: int = 1
) -> np.ndarray:
    """See `InrArchitecture.initial`.

    "siren" starts by its recipe, see `gmn_tf.inr.recipes`. The others: kernels before a ReLU uniform within
    sqrt(6 / fan_in) (He et al. 2015), the last kernel and all biases within 1 / sqrt(fan_in), frequencies
    normal with the deviation `frequency`, grids normal with the deviation 0.1.

    Raises:
        InrError: a number below 0.
    """
    if min(number, seed, first, stride - 1) < 0:
        raise InrError(
            f"Received number {number}, seed {seed}, first {first}, stride {stride}: expected 0 or more, and "
            "a stride of 1 or more."
        )
    limits = list(_limits(architecture))
    flat = np.empty((number, architecture.num_parameters), np.float32)
    for row in range(number):
        rng = np.random.default_rng([seed, _STREAM, first + row * stride])
        flat[row] = np.concatenate([_draw(rng, *limit) for limit in limits])
    return flat


def _draw(rng: np.random.Generator, variable: Variable, width: float) -> np.ndarray:
    """Normal with this deviation for encodings, else uniform within this limit."""
    if variable.role in ("frequencies", "grid"):
        return rng.normal(scale=width, size=variable.size)
    return rng.uniform(-width, width, variable.size)


def _limits(architecture: InrArchitecture) -> Iterator[tuple[Variable, float]]:
    """Each variable with the width of its distribution."""
    dense = [v for v in architecture.variables() if v.role == "kernel"]
    number = -1
    for variable in architecture.variables():
        if variable.role == "frequencies":
            yield variable, architecture.frequency
        elif variable.role == "grid":
            yield variable, GRID_DEVIATION
        else:
            number += variable.role == "kernel"
            name = _limit_name(architecture, variable.role, number, last=number == len(dense) - 1)
            yield variable, _limit(name, fan_in=dense[number].shape[0], omega=architecture.frequency)


def _limit_name(architecture: InrArchitecture, role: str, number: int, *, last: bool) -> str:
    if architecture.kind != "siren":
        return "dense" if role == "bias" or last else "relu"
    found = recipe(architecture.recipe)
    if role == "bias":
        return found.output_bias if last else found.bias
    if last:
        return found.output_kernel
    return found.first_kernel if number == 0 else "hidden"


def _limit(name: str, *, fan_in: int, omega: float) -> float:
    return {
        "zero": 0.0,
        "first": 1.0 / fan_in,
        "hidden": float(np.sqrt(6.0 / fan_in)) / omega,
        "dense": float(1.0 / np.sqrt(fan_in)),
        "relu": float(np.sqrt(6.0 / fan_in)),
    }[name]
