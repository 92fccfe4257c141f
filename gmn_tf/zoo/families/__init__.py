"""Families of architectures that populations are made of: one module each, found by name.

A module has a frozen dataclass, an `Architecture`, and the function
`sample(rng, *, image_shape, num_classes, number)` that draws one; `number` counts the architectures of that
family in a population, so that what matters most (depth, normalisation) can be spread evenly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, cast

from gmn_tf.errors import ZooError

if TYPE_CHECKING:
    import numpy as np

    from gmn_tf.zoo.families.architecture import Architecture

FAMILIES: dict[str, str] = {
    "cnn": "gmn_tf.zoo.families.cnn",
    "cnn1d": "gmn_tf.zoo.families.cnn1d",
    "deepsets": "gmn_tf.zoo.families.deepsets",
    "mixer": "gmn_tf.zoo.families.mixer",
    "recurrent": "gmn_tf.zoo.families.recurrent",
    "resnet": "gmn_tf.zoo.families.resnet",
    "vit": "gmn_tf.zoo.families.vit",
}
"""Name of a family -> its module, which is imported when the family is used (it needs TensorFlow)."""


class Sample(Protocol):
    """Draws an architecture; ZooError where none fits the images."""

    def __call__(
        self,
        rng: np.random.Generator,
        /,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        number: int,
    ) -> Architecture: ...


def sampler(family: str) -> Sample:
    """The function that draws an architecture of a family.

    Raises:
        ZooError: the family is not known.
    """
    if family not in FAMILIES:
        raise ZooError(f'Unknown family "{family}": expected one of {", ".join(FAMILIES)}.')
    return cast("Sample", importlib.import_module(FAMILIES[family]).sample)
