"""What a population is to be: everything that decides its content, and who is in it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import recipe, store
from gmn_tf.zoo.data import Data


@dataclasses.dataclass(frozen=True)
class Plan:
    """The arguments that decide a population's content; two equal plans give the same zoo."""

    family: str  # name of a population, see `gmn_tf.zoo.recipe.populations`
    data: str = dataclasses.field(compare=False)  # where it lies; the hash says what it is
    data_hash: str
    size: int
    seed: int
    keras_files: int
    recipe_version: int = recipe.RECIPE_VERSION
    format_version: int = store.FORMAT_VERSION

    def __post_init__(self) -> None:
        recipe.population(self.family)
        if self.size < 3:
            raise ZooError(f"Received size {self.size}: expected at least 3 networks, one for each split.")
        if self.seed < 0 or self.keras_files < 0:
            raise ZooError(
                f"Received seed {self.seed}, keras_files {self.keras_files}: expected numbers of 0 or more."
            )

    @property
    def num_architectures(self) -> int:
        return recipe.num_architectures(self.family, self.size)

    @property
    def total(self) -> int:
        """Networks to train: those in the splits, and those for `.keras` files."""
        return self.size + self.keras_files

    def indices(self, architecture: int) -> list[int]:
        """Numbers of the networks of one architecture, rising."""
        return list(range(architecture, self.total, self.num_architectures))

    def splits(self) -> np.ndarray:
        """Split of every network, [total]."""
        beyond = np.full(self.keras_files, store.NO_SPLIT)
        return np.concatenate([recipe.split_names(self.size, seed=self.seed), beyond])

    def architecture(self, number: int, data: Data) -> recipe.Architecture:
        """The architecture with this number."""
        return recipe.sample_architecture(
            self.family,
            number,
            seed=self.seed,
            image_shape=data.image_shape,
            num_classes=data.num_classes,
        )

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def of_dict(cls, values: Any) -> Plan | None:
        """The plan that `to_dict` gave; None where it is none."""
        try:
            return cls(**values)
        except (TypeError, ValueError):
            return None
