"""The training images of many networks' batches, shifted at no further cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.zoo.data import Data

_LARGE = 16


class ShiftedImages:
    """Training images with a margin of zeros, from which windows are cut.

    An image moved down by a row is the window that starts a row higher, so a corner (one number) names image
    and shift.

    Attributes:
        limit: the largest shift, 1 pixel for images below 16 pixels a side, else 2.
    """

    def __init__(self, data: Data) -> None:
        height, width, channels = data.image_shape
        self.limit = 1 if min(height, width) < _LARGE else 2
        margin = [(0, 0), (self.limit, self.limit), (self.limit, self.limit), (0, 0)]
        padded = np.pad(data.x_train, margin)
        self._rows, self._columns = padded.shape[1:3]
        self._pixels = tf.constant(padded.reshape(-1, channels))
        rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        self._window = tf.constant(rows * self._columns + columns, tf.int32)  # [H, W]

    def corners(self, images: np.ndarray, moves: np.ndarray | None = None) -> np.ndarray:
        """Where the windows of these images [...] start, int32 [...]; moves: (rows, columns) [..., 2]."""
        start = images.astype(np.int64) * (self._rows * self._columns)
        down, right = (0, 0) if moves is None else (moves[..., 0], moves[..., 1])
        return (start + (self.limit - down) * self._columns + self.limit - right).astype(np.int32)

    def windows(self, corners: Any) -> Any:
        """Corners [N, B] -> images [N, B, H, W, C]."""
        return tf.gather(self._pixels, corners[:, :, tf.newaxis, tf.newaxis] + self._window)
