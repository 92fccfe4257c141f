"""What INRs of a population are fitted to: the images of a data set, or sine waves."""

from __future__ import annotations

import re
from typing import Any, Protocol

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.coordinates import grid, line
from gmn_tf.zoo import store
from gmn_tf.zoo.data import Data, load_data

IMAGES, WAVES, PUBLISHED = "images", "waves", "published"
SINE = "sine"

WAVE_POINTS = 512
WAVE_LIMIT = 10.0
"""Amplitude and frequency of a wave are uniform in 0 .. WAVE_LIMIT."""

_IMAGE_STREAM, _WAVE_STREAM = 12, 13  # of the seed
_WAVES = re.compile(rf"{SINE}(?:@(?P<points>\d+))?")


class Source(Protocol):
    """Things to fit, each of them M values at M points.

    Attributes:
        name, hash: where they come from, and what identifies their content.
        coordinates: float32 [M, num_inputs].
        num_outputs: values at a point.
        share: the part of the things that is for validation, and as much for test, unless told otherwise.
    """

    name: str
    hash: str
    coordinates: np.ndarray
    num_outputs: int
    share: float

    def describe(self) -> dict[str, Any]:
        """What a manifest says of it: "kind" and what the things' shape is."""

    def draw(self, splits: np.ndarray, *, seed: int) -> dict[str, np.ndarray]:
        """A thing for each entry of `splits` [n], as columns [n]; all different where that is told apart."""

    def values(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """The things that the columns describe, float32 [n, M, num_outputs]."""


class ImageSource:
    """Images of `gmn_tf.zoo.data.load_data`; those of its test set are for test, the others for the rest.

    Columns: "image", the number of the image (training images first, then the test images), and "label".
    """

    share = 1 / 12

    def __init__(self, name: str) -> None:
        self._data: Data = load_data(name)
        self.name, self.hash = name, self._data.hash
        height, width, self.num_outputs = self._data.image_shape
        self.coordinates = grid(height, width)

    def describe(self) -> dict[str, Any]:
        return {"kind": IMAGES, "image_shape": list(self._data.image_shape)}

    def draw(self, splits: np.ndarray, *, seed: int) -> dict[str, np.ndarray]:
        """Raises InrError where there are too few images."""
        rng = np.random.default_rng([seed, _IMAGE_STREAM])
        known, test = len(self._data.x_train), splits == store.TEST
        image = np.empty(len(splits), np.int64)
        for chosen, number, shift in ((~test, known, 0), (test, len(self._data.x_test), known)):
            if chosen.sum() > number:
                side = "test" if shift else "training"
                raise InrError(
                    f"{chosen.sum()} {side} images are needed and {self.name} has {number}: lower the size, "
                    "or fit several INRs to each image."
                )
            image[chosen] = rng.permutation(number)[: chosen.sum()] + shift
        return {"image": image, "label": self._labels()[image]}

    def values(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        return self.images(columns["image"]).reshape(len(columns["image"]), -1, self.num_outputs)

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """float32 [n, H, W, C], in [0, 1]."""
        numbers, known = np.asarray(numbers), len(self._data.x_train)
        answer = np.empty((len(numbers), *self._data.image_shape), np.float32)
        answer[numbers < known] = self._data.x_train[numbers[numbers < known]]
        answer[numbers >= known] = self._data.x_test[numbers[numbers >= known] - known]
        return answer

    def _labels(self) -> np.ndarray:
        return np.concatenate([self._data.y_train, self._data.y_test])


class WaveSource:
    """y = a sin(b x) at evenly spaced x in -pi .. pi, a and b uniform in 0 .. 10 (Navon et al. 2023).

    Columns: "wave", a number, "amplitude" a, and "frequency" b.
    """

    share = 1 / 7
    num_outputs = 1

    def __init__(self, name: str) -> None:
        match = _WAVES.fullmatch(name)
        assert match is not None
        self.name = name
        points = int(match["points"] or WAVE_POINTS)
        self.coordinates = line(points, -np.pi, np.pi)
        self.hash = f"sine-{points}-{WAVE_LIMIT:g}"

    def describe(self) -> dict[str, Any]:
        points, high = len(self.coordinates), float(np.float32(np.pi))
        return {"kind": WAVES, "points": points, "low": -high, "high": high, "limit": WAVE_LIMIT}

    def draw(self, splits: np.ndarray, *, seed: int) -> dict[str, np.ndarray]:
        drawn = np.random.default_rng([seed, _WAVE_STREAM]).uniform(0.0, WAVE_LIMIT, (len(splits), 2))
        amplitude, frequency = drawn.astype(np.float32).T
        return {"wave": np.arange(len(splits)), "amplitude": amplitude, "frequency": frequency}

    def values(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        a, b = (np.asarray(columns[name], np.float32)[:, None] for name in ("amplitude", "frequency"))
        return (a * np.sin(b * self.coordinates[:, 0]))[..., np.newaxis].astype(np.float32)


def load_source(name: str) -> Source:
    """The source of a name: "sine" (or "sine@500", with so many points), or any of `load_data`'s.

    Raises:
        ZooError: there is no such data, or its file is missing or damaged.
    """
    return WaveSource(name) if _WAVES.fullmatch(name) else ImageSource(name)
