"""Pictures out of INRs that are Keras models or files, at any resolution."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.coordinates import grid

_POINTS_AT_ONCE = 1 << 16
MAX_SIDE = 8192


def render_image(model: Any, height: int, width: int) -> np.ndarray:
    """What an INR of two coordinates shows, float32 [height, width, channels], not clipped to [0, 1].

    Args:
        model: a Keras model (or the path of a `.keras` or `.h5` file, from which no code is run) that takes
            points [batch, 2] in [-1, 1], vertical coordinate first, and gives values [batch, channels].
        height, width: pixels, 1 to 8,192.

    Raises:
        InrError: the model takes or gives something else, or a size is out of range.
        ModelFileError: the file is no loadable, safe Keras model.
    """
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise InrError(f"Received a picture of {height} x {width} pixels: expected 1 to {MAX_SIDE} a side.")
    if isinstance(model, (str, os.PathLike)):
        from gmn_tf.convert.load import load_keras_model

        model = load_keras_model(Path(model))
    takes: Any = getattr(model, "input_shape", None)
    gives: Any = getattr(model, "output_shape", None)
    if not _is_flat(takes) or takes[1] != 2 or not _is_flat(gives):
        raise InrError(
            f"Received a model that takes {takes} and gives {gives}: expected an INR of pictures, which "
            "takes points of shape (None, 2) and gives values of shape (None, channels)."
        )
    points = grid(height, width)
    batches = range(0, len(points), _POINTS_AT_ONCE)
    values = [np.asarray(model(points[at : at + _POINTS_AT_ONCE], training=False)) for at in batches]
    return np.concatenate(values).reshape(height, width, -1).astype(np.float32)


def _is_flat(shape: Any) -> bool:
    return isinstance(shape, tuple) and len(shape) == 2 and isinstance(shape[1], int)
