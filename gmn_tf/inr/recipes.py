"""The two recipes of SIRENs in use in the literature on weight spaces; their weights are not alike.

Both have sin(30 (x W + b)) after each hidden layer and a linear layer behind them.
"""

from __future__ import annotations

import dataclasses

from gmn_tf.errors import InrError


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a SIREN starts, and what its last layer's numbers mean.

    Weights start uniform in [-limit, limit]. "hidden" is the limit sqrt(6 / fan_in) / omega, "first" is
    1 / fan_in, "dense" is 1 / sqrt(fan_in) (PyTorch's default), "zero" is 0.

    The published code of DWSNets starts the first layer of "dws" like the others, with "hidden", and from
    there does not come to the 40 dB at which its authors stop; from "first", as Sitzmann et al. 2020 have it
    and as is done here, it does (scripts/compare_inrs.py).

    Attributes:
        source: where it comes from.
        first_kernel, output_kernel: limits of the first and last kernel; all between have "hidden".
        bias, output_bias: limits of the biases of the sine layers, and of the last one.
        output_scale, output_shift: the pixel in [0, 1] is output_scale * (last layer) + output_shift.
        published: how its authors fit MNIST.
    """

    source: str
    first_kernel: str
    output_kernel: str
    bias: str
    output_bias: str
    output_scale: float
    output_shift: float
    published: str


RECIPES: dict[str, Recipe] = {
    "dws": Recipe(
        source="Navon et al. 2023, Equivariant Architectures for Learning in Deep Weight Spaces",
        first_kernel="first",
        output_kernel="dense",
        bias="zero",
        output_bias="dense",
        output_scale=1.0,
        output_shift=0.5,
        published="Adam at 5e-4, 1,000 steps, stopped at 40 dB",
    ),
    "nfn": Recipe(
        source="Zhou et al. 2023, Permutation Equivariant Neural Functionals, with the initialisation of "
        "Sitzmann et al. 2020, section 3.2",
        first_kernel="first",
        output_kernel="hidden",
        bias="dense",
        output_bias="dense",
        output_scale=0.5,
        output_shift=0.5,
        published="Adam at 5e-5, 5,000 steps, on pixels in [-1, 1]",
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        InrError: there is none.
    """
    if name not in RECIPES:
        raise InrError(f'Unknown recipe "{name}": expected one of {", ".join(RECIPES)}.')
    return RECIPES[name]
