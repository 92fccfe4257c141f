"""Pictures side by side as a PNG: one row each of before, target and after."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np


def gallery(rows: Mapping[str, np.ndarray], *, title: str = "") -> bytes:
    """A PNG with a row of pictures under each name.

    Args:
        rows: name to images [n, H, W, C], C 1 or 3; as many columns as the longest row.
        title: above all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(len(images) for images in rows.values())
    size = (1.1 * columns + 0.2, 1.35 * len(rows) + (0.4 if title else 0.1))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(panels, rows.items(), strict=True):
        for axes in line:
            axes.set_axis_off()
        for axes, image in zip(line, np.clip(images, 0.0, 1.0), strict=False):
            axes.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0.0, vmax=1.0)
        line[0].set_title(name, loc="left", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
