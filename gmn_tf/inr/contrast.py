"""Contrast-limited adaptive histogram equalisation (CLAHE), of the lightness where there is colour."""

from __future__ import annotations

import numpy as np

from gmn_tf.errors import InrError

LEVELS = 256
CLIP_LIMIT = 1.0
TILES = 3

_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = _TO_XYZ.sum(axis=1)  # of D65


def raise_contrast(images: np.ndarray) -> np.ndarray:
    """Images [N, H, W, C] in [0, 1] with their contrast raised tile by tile; C is 1 or 3 (sRGB).

    What Zhou et al. 2023 (section 4.3) teach CIFAR INRs: OpenCV's CLAHE (Zuiderveld 1994) with a clip limit
    of 1 and 3 x 3 tiles, on the lightness L of CIELAB. Their code hands RGB images to a function that
    expects BGR; here they are read as RGB. Values beyond [0, 1] count as 0 and 1.

    Raises:
        InrError: C is neither 1 nor 3.
    """
    if images.shape[-1] not in (1, 3):
        raise InrError(f"Received images of {images.shape[-1]} channels, expected 1 or 3 to raise contrast.")
    images = np.clip(images, 0.0, 1.0)
    if images.shape[-1] == 1:
        return np.stack([equalize(image[..., 0])[..., np.newaxis] for image in images])
    lab = _to_lab(images)
    lightness = np.stack([equalize(image) for image in lab[..., 0] / 100.0])
    lab = np.concatenate([100.0 * lightness[..., np.newaxis], lab[..., 1:]], axis=-1)
    return np.clip(_from_lab(lab), 0.0, 1.0)


def equalize(image: np.ndarray, *, clip_limit: float = CLIP_LIMIT, tiles: int = TILES) -> np.ndarray:
    """CLAHE of one grey image [H, W] in [0, 1], in 256 levels.

    Each tile's histogram is cut at `clip_limit` times its mean count (at least 1), what was cut off is dealt
    out evenly, and its running sum is the tile's map of levels; a pixel takes the maps of the four nearest
    tile centres, bilinearly.
    """
    height, width = image.shape
    levels = np.rint(image * (LEVELS - 1)).astype(int)
    rows, columns = -(-height // tiles), -(-width // tiles)
    missing = ((0, rows * tiles - height), (0, columns * tiles - width))
    padded = np.pad(levels, missing, mode="reflect")
    blocks = padded.reshape(tiles, rows, tiles, columns).swapaxes(1, 2).reshape(tiles, tiles, -1)
    maps = np.array([[_level_map(block, clip_limit) for block in line] for line in blocks])
    top, bottom, down = _neighbours(height, rows, tiles)
    left, right, along = _neighbours(width, columns, tiles)
    down, along = down[:, np.newaxis], along[np.newaxis, :]

    def of(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        return maps[row[:, np.newaxis], column[np.newaxis, :], levels]

    upper = (1 - along) * of(top, left) + along * of(top, right)
    lower = (1 - along) * of(bottom, left) + along * of(bottom, right)
    return np.rint((1 - down) * upper + down * lower) / (LEVELS - 1)


def _level_map(block: np.ndarray, clip_limit: float) -> np.ndarray:
    histogram = np.bincount(block, minlength=LEVELS)
    limit = max(int(clip_limit * block.size / LEVELS), 1)
    excess = int(np.maximum(histogram - limit, 0).sum())
    histogram = np.minimum(histogram, limit) + excess // LEVELS
    rest = excess % LEVELS
    if rest:
        histogram[:: max(LEVELS // rest, 1)][:rest] += 1
    return np.rint(np.cumsum(histogram) * ((LEVELS - 1) / block.size)).clip(0, LEVELS - 1)


def _neighbours(size: int, side: int, tiles: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pixel along an axis the tile before and behind it, and how far it is on its way between."""
    place = np.arange(size) / side - 0.5
    first = np.floor(place).astype(int)
    return first.clip(0, tiles - 1), (first + 1).clip(0, tiles - 1), place - first


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def _from_lab(lab: np.ndarray) -> np.ndarray:
    y = (lab[..., 0] + 16.0) / 116.0
    f = np.stack([y + lab[..., 1] / 500.0, y, y - lab[..., 2] / 200.0], axis=-1)
    xyz = np.where(f > 0.206893, f**3, (f - 16.0 / 116.0) / 7.787) * _WHITE
    linear = np.clip(xyz @ np.linalg.inv(_TO_XYZ).T, 0.0, None)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
