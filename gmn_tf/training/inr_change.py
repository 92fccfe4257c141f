"""INRs of a zoo changed at random in every epoch: `inr_change`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gmn_tf.inr.augmentation import InrAugmentation
from gmn_tf.inr.targets import architecture_of

if TYPE_CHECKING:
    from gmn_tf.training.population import Change
    from gmn_tf.zoo.store import Zoo


def inr_change(zoo: Zoo, values: Mapping[str, float]) -> Change:
    """What `Population.change` takes, from fields of `InrAugmentation`.

    Raises:
        InrError: a field is unknown or out of range, or the zoo is none of INRs.
    """
    augmentation = InrAugmentation.of(values)
    architecture_of(zoo)

    def change(architecture: int, flat: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return augmentation(architecture_of(zoo, architecture), flat, generator)

    return change
