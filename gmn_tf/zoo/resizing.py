"""Smaller images by averaging areas, larger ones by splines."""

from __future__ import annotations

import numpy as np

from gmn_tf.errors import ZooError


def shrink(images: np.ndarray, size: int, *, where: str = "the images") -> np.ndarray:
    """Images of `size` pixels a side: each new pixel is the mean over the area it covers.

    Args:
        images: [n, height, width, channels].
        size: 1 to the shorter side; where it does not divide a side, pixels at the seams count in parts.
        where: what the error message calls the images.

    Returns:
        float32 [n, size, size, channels].

    Raises:
        ZooError: `size` is 0 or larger than a side.
    """
    height, width = images.shape[1:3]
    if not 1 <= size <= min(height, width):
        raise ZooError(
            f"Received @{size} for {where}, whose images are {height} x {width}: "
            f"expected 1 to {min(height, width)} pixels a side."
        )
    if height % size == 0 and width % size == 0:
        blocks = images.reshape(-1, size, height // size, size, width // size, images.shape[3])
        return blocks.mean(axis=(2, 4), dtype=np.float32)
    rows, columns = _overlaps(height, size), _overlaps(width, size)
    return np.einsum("ah,nhwc,bw->nabc", rows, images, columns, optimize=True).astype(np.float32)


def enlarge(images: np.ndarray, size: int) -> np.ndarray:
    """Images of `size` pixels a side by cubic splines, cut to [0, 1]; corners of the image stay corners.

    Args:
        images: [n, side, side, channels], in [0, 1].
        size: at least the side.

    Returns:
        float32 [n, size, size, channels].
    """
    from scipy.ndimage import zoom

    scale = size / images.shape[1]
    larger = zoom(images, (1.0, scale, scale, 1.0), order=3, mode="nearest", grid_mode=True)
    return np.clip(larger, 0.0, 1.0).astype(np.float32)


def _overlaps(old: int, new: int) -> np.ndarray:
    """Share of each old pixel in each new one, [new, old]; rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    pixels = np.arange(old)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.maximum(overlap, 0.0) * (new / old)
