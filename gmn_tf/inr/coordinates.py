"""Where an INR is evaluated: the points of a picture or of a line."""

from __future__ import annotations

import numpy as np

from gmn_tf.errors import InrError


def grid(height: int, width: int) -> np.ndarray:
    """Coordinates of a picture's pixels, float32 [height * width, 2], row by row: (vertical, horizontal).

    The first pixel of each axis is at -1 and the last at 1, so that pictures of any size show the same; a
    side of one pixel is at 0.

    Raises:
        InrError: a side is less than 1.
    """
    if height < 1 or width < 1:
        raise InrError(f"Received a picture of {height} x {width} pixels: expected at least 1 x 1.")
    rows, columns = np.meshgrid(_axis(height), _axis(width), indexing="ij")
    return np.stack([rows.ravel(), columns.ravel()], axis=1).astype(np.float32)


def line(points: int, low: float, high: float) -> np.ndarray:
    """Evenly spaced coordinates from `low` to `high`, both included, float32 [points, 1].

    Raises:
        InrError: fewer than 2 points, or an empty interval.
    """
    if points < 2 or not low < high:
        raise InrError(f"Received {points} points from {low} to {high}: expected 2 or more, low below high.")
    return np.linspace(low, high, points, dtype=np.float32)[:, np.newaxis]


def _axis(points: int) -> np.ndarray:
    return np.linspace(-1.0, 1.0, points) if points > 1 else np.zeros(1)
