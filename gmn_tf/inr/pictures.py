"""PNG files: pictures, sheets of pictures, waves, histograms."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.zoo import files

_BINS = 40


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes one picture [H, W] or [H, W, 1 or 3], cut to [0, 1], pixel by pixel.

    Raises:
        InrError: another shape.
        ZooError: the file could not be written.
    """
    from matplotlib.image import imsave

    image = shown(image)
    files.write_bytes(path, lambda stream: imsave(stream, image, format="png"))


def shown(image: np.ndarray) -> np.ndarray:
    """A picture as a screen takes it: bytes [H, W, 3].

    Raises:
        InrError: it has neither one nor three channels.
    """
    image = np.asarray(image, np.float64)
    image = image[..., np.newaxis] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise InrError(f"Received a picture of shape {image.shape}, expected [H, W], [H, W, 1] or [H, W, 3].")
    clipped = np.clip(np.nan_to_num(image), 0.0, 1.0)
    return np.round(np.broadcast_to(clipped, (*image.shape[:2], 3)) * 255.0).astype(np.uint8)


def draw_pictures(path: Path, rows: Mapping[str, np.ndarray]) -> None:
    """A sheet of pictures: each row, by its name, holds the pictures [n, H, W, C] of one kind.

    Raises:
        ZooError: the file could not be written.
    """
    _write(path, _sheet(rows))


def sheet(rows: Mapping[str, np.ndarray], *, title: str = "") -> bytes:
    """What `draw_pictures` writes, as the bytes of a PNG, with a title above."""
    figure = _sheet(rows)
    figure.suptitle(title, fontsize="medium")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _sheet(rows: Mapping[str, np.ndarray]) -> Any:
    number = len(next(iter(rows.values())))
    figure, axes = _figure(len(rows), number, size=(0.9 * number + 0.6, len(rows) + 0.1))
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name)
        for axis, image in zip(line, images, strict=True):
            axis.imshow(shown(image), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
    return figure


def draw_waves(path: Path, x: np.ndarray, rows: Mapping[str, np.ndarray]) -> None:
    """Curves [n, M] over x [M], one panel for each of n, with a line of each kind by name.

    Raises:
        ZooError: the file could not be written.
    """
    number = len(next(iter(rows.values())))
    figure, axes = _figure(2, -(-number // 2), size=(1.8 * -(-number // 2) + 0.6, 3.2))
    for place, axis in enumerate(axes.flat):
        for (name, values), style in zip(rows.items(), ("-", "--", ":", "-."), strict=False):
            if place < number:
                axis.plot(x, values[place], style, label=name, linewidth=1)
    axes.flat[0].legend(fontsize="x-small")
    _write(path, figure)


def draw_histogram(path: Path, values: np.ndarray, title: str) -> None:
    """How often which value occurs; values that are not finite are left out.

    Raises:
        ZooError: the file could not be written.
    """
    figure, axes = _figure(1, 1, size=(6, 3.5))
    axes[0, 0].hist(values[np.isfinite(values)], bins=_BINS)
    axes[0, 0].set(xlabel=title, ylabel="networks", title=f"{len(values):,} networks")
    _write(path, figure)


def _figure(rows: int, columns: int, *, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _write(path: Path, figure: Any) -> None:
    files.write_bytes(path, lambda stream: figure.savefig(stream, format="png", dpi=120))
