"""How well INRs show what they were fitted to."""

from __future__ import annotations

import numpy as np

from gmn_tf.errors import InrError


def psnr(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, `-10 log10(mean squared error)`; the peak is 1, that of pixels.

    Args:
        values, targets: [N, ...], of one shape.

    Returns:
        float32 [N]; infinite where both are equal.

    Raises:
        InrError: the shapes differ.
    """
    values, targets = np.asarray(values, np.float64), np.asarray(targets, np.float64)
    if values.shape != targets.shape or values.ndim < 2:
        raise InrError(
            f"Received values of shape {values.shape} and targets of shape {targets.shape}: expected the "
            "same shape, networks first."
        )
    return of_error(np.mean((values - targets).reshape(len(values), -1) ** 2, axis=1))


def of_error(squared: np.ndarray) -> np.ndarray:
    """The same from mean squared errors [N]."""
    with np.errstate(divide="ignore"):
        return (-10.0 * np.log10(np.asarray(squared, np.float64))).astype(np.float32)
