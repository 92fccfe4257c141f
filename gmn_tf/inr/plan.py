"""What a population of INRs is to be: everything that decides its content."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.sources import Source
from gmn_tf.zoo import store

RECIPE_VERSION = 1
_SPLIT_STREAM = 14  # of the seed
_MIN_PART, _MAX_PART, _PARTS = 32, 256, 8


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How each INR is fitted; the arguments of `gmn_tf.inr.fitting.fit_many` of the same names."""

    steps: int
    learning_rate: float
    decay: str
    target_psnr: float | None


@dataclasses.dataclass(frozen=True)
class InrPlan:
    """The arguments that decide a population of INRs; two equal plans give the same zoo.

    INR i is fitted to thing `i // per_image`, an image or a wave; the splits are drawn over things. Its
    architecture is the one of number i modulo that of architectures.
    """

    architecture: InrArchitecture
    data: str = dataclasses.field(compare=False)  # where it lies; the hash says what it is
    data_hash: str
    size: int
    seed: int
    per_image: int
    validation: int  # things
    test: int
    fit: FitSettings
    more_hidden: tuple[tuple[int, ...], ...] = ()  # of further architectures, alike but for these
    recipe_version: int = RECIPE_VERSION
    format_version: int = store.FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.seed < 0 or self.per_image < 1 or self.size < 3 * self.per_image:
            raise InrError(
                f"Received size {self.size}, seed {self.seed}, per_image {self.per_image}: expected a seed "
                "of 0 or more, and INRs of at least 3 images, one for each split."
            )
        if self.size % self.per_image:
            raise InrError(
                f"Received size {self.size} with {self.per_image} INRs per image: expected a multiple of "
                f"{self.per_image}."
            )
        if min(self.validation, self.test) < 1 or self.validation + self.test >= self.things:
            raise InrError(
                f"Received {self.validation} images for validation and {self.test} for test of "
                f"{self.things}: expected 1 or more for each, and some left for training."
            )

    @property
    def things(self) -> int:
        """Number of images or waves."""
        return self.size // self.per_image

    @property
    def architectures(self) -> list[InrArchitecture]:
        """All architectures, by number."""
        return [
            dataclasses.replace(self.architecture, hidden=hidden)
            for hidden in (self.architecture.hidden, *self.more_hidden)
        ]

    def parts(self) -> list[tuple[int, np.ndarray]]:
        """Of each part the architecture, by number, and the numbers of its INRs, rising."""
        size, count = min(max(-(-self.size // _PARTS), _MIN_PART), _MAX_PART), len(self.architectures)
        return [
            (number, np.arange(start, min(start + size * count, self.size), count))
            for number in range(count)
            for start in range(number, self.size, size * count)
        ]

    def splits(self) -> np.ndarray:
        """Split of every thing, [things]."""
        names = [store.VALIDATION] * self.validation + [store.TEST] * self.test
        names += [store.TRAIN] * (self.things - len(names))
        return np.random.default_rng([self.seed, _SPLIT_STREAM]).permutation(names)

    def columns(self, source: Source) -> dict[str, np.ndarray]:
        """What each INR shows, and its split, as columns [size]."""
        splits = self.splits()
        columns = {"split": splits} | source.draw(splits, seed=self.seed)
        return {name: np.repeat(values, self.per_image) for name, values in columns.items()}

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {
            "architecture": self.architecture.to_dict(),
            "more_hidden": [list(hidden) for hidden in self.more_hidden],
        }

    @classmethod
    def of_dict(cls, values: Any) -> InrPlan | None:
        """The plan that `to_dict` gave; None where it is none."""
        try:
            read = {
                "architecture": InrArchitecture.of_dict(values["architecture"]),
                "fit": FitSettings(**values["fit"]),
                "more_hidden": tuple(tuple(hidden) for hidden in values.get("more_hidden", ())),
            }
            return cls(**(values | read))
        except (TypeError, ValueError, KeyError):
            return None
