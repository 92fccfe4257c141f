"""Random changes of INRs' weights that keep what they depict, for training on more than was fitted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import SIREN, InrArchitecture
from gmn_tf.inr.movements import equivalent, graded, moved, turning


@dataclasses.dataclass(frozen=True)
class InrAugmentation:
    """How far weights are changed at random; 0 leaves a change out.

    The picture turned, shifted, stretched, in other contrast: an exact change of the first or last layer (see
    `gmn_tf.inr.movements`), as if the INR had been fitted to such a picture. Signs and phases: other weights
    of the same picture. Noise and dropout change what is shown, slightly. Order: picture, symmetries, noise.

    Attributes:
        rotation: degrees, at most, to either side; of pictures (2 coordinates).
        translation: share of half the picture's extent, at most, along each coordinate.
        scaling: the picture grows or shrinks by a factor between 1 / (1 + scaling) and 1 + scaling.
        shear: entry off the diagonal of the coordinates' matrix, at most; of pictures.
        contrast: the value's distance from `output_shift` grows or shrinks, as `scaling` says.
        brightness: added to values, at most.
        signs: share of hidden neurons (sine alone) that are flipped.
        phases: half turns, at most, that a hidden neuron's phase (sine alone) is turned by.
        noise: standard deviation, in those of each variable of the network.
        dropout: share of the weights of kernels that are set to 0; the others grow to make up for it.
    """

    rotation: float = 0.0
    translation: float = 0.0
    scaling: float = 0.0
    shear: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    signs: float = 0.0
    phases: int = 0
    noise: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value >= 0 or (field.name in ("signs", "dropout") and value > 1):
                raise InrError(
                    f"Received {field.name} {value}: expected 0 or more"
                    + (", and 1 or less." if field.name in ("signs", "dropout") else ".")
                )
        if self.dropout == 1:
            raise InrError("Received dropout 1: expected less, something must be left.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> InrAugmentation:
        """From names and values, as settings hold them.

        Raises:
            InrError: a name is none of the attributes.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        wrong = sorted(set(values) - set(known))
        if wrong:
            raise InrError(f"Unknown augmentation {', '.join(wrong)}: expected some of {', '.join(known)}.")
        return cls(**values)

    def __call__(
        self, architecture: InrArchitecture, flat: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Changes each of N INRs by draws of its own: float32 [N, P] to [N, P].

        Raises:
            InrError: the architecture does not allow one of the changes.
        """
        number, size = len(flat), architecture.num_inputs
        planar = size == 2
        if (self.rotation or self.shear) and not planar:
            raise InrError(f"Received an INR of {size} coordinates: rotation and shear are of pictures.")
        if self.rotation or self.scaling or self.shear:
            flat = moved(architecture, flat, matrix=self._matrices(number, size, generator))
        if self.translation:
            shift = generator.uniform(-self.translation, self.translation, (number, size))
            flat = moved(architecture, flat, shift=shift)
        if self.contrast or self.brightness:
            factor = _factors(self.contrast, number, generator)
            added = generator.uniform(-self.brightness, self.brightness, number)
            flat = graded(architecture, flat, contrast=factor, brightness=added)
        if (self.signs or self.phases) and architecture.kind == SIREN:
            shapes = [(number, units) for units in architecture.hidden]
            signs = [np.where(generator.uniform(size=shape) < self.signs, -1, 1) for shape in shapes]
            turns = [generator.integers(-self.phases, self.phases + 1, shape) for shape in shapes]
            flat = equivalent(architecture, flat, signs=signs, half_turns=turns)
        if self.noise or self.dropout:
            flat = self._disturbed(architecture, np.array(flat, np.float32), generator)
        return np.asarray(flat, np.float32)

    def _matrices(self, number: int, size: int, generator: np.random.Generator) -> np.ndarray:
        matrices = np.broadcast_to(np.eye(size), (number, size, size))
        if self.rotation:
            angles = generator.uniform(-self.rotation, self.rotation, number)
            matrices = matrices @ np.stack([turning(angle) for angle in angles])
        if self.shear:
            sheared = np.broadcast_to(np.eye(2), (number, 2, 2)).copy()
            sheared[:, 0, 1] = generator.uniform(-self.shear, self.shear, number)
            matrices = matrices @ sheared
        # A picture grows where its coordinates are read nearer to the centre.
        return matrices / _factors(self.scaling, number, generator)[:, np.newaxis, np.newaxis]

    def _disturbed(
        self, architecture: InrArchitecture, flat: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        start = 0
        for variable in architecture.variables():
            part = flat[:, start : start + variable.size]
            start += variable.size
            if variable.role == "frequencies":
                continue
            if self.noise:
                deviation = self.noise * part.std(axis=1, keepdims=True)
                part += deviation * generator.normal(size=part.shape).astype(np.float32)
            if self.dropout and variable.role == "kernel":
                part *= (generator.uniform(size=part.shape) >= self.dropout) / (1.0 - self.dropout)
        return flat


def _factors(largest: float, number: int, generator: np.random.Generator) -> np.ndarray:
    """[number] factors between 1 / (1 + largest) and 1 + largest, their logarithms uniform."""
    bound = np.log1p(largest)
    return np.exp(generator.uniform(-bound, bound, number))
