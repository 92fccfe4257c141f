"""The bar chart of one population: settings across, a bar per method, its deviation over seeds on top."""

from __future__ import annotations

import io

from gmn_tf.comparison.summary import Entry

FIGURES = {"r2": "R2", "tau": "Kendall tau"}
_FLOOR = -0.2
"""Lowest value that is drawn: a method that is far worse than the mean would flatten all others."""


def chart(entries: list[Entry], title: str) -> bytes:
    """A PNG with a panel for each of `FIGURES`; a figure that is not defined has no bar."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings = list(dict.fromkeys(entry.setting for entry in entries))
    methods = list(dict.fromkeys(entry.title for entry in entries))
    cells = {(entry.setting, entry.title): entry for entry in entries}
    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    width = 0.84 / max(1, len(methods))
    size = max(5.0, 1.2 + 0.28 * len(settings) * (len(methods) + 1))
    figure = Figure(figsize=(size, 7.0), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(FIGURES), 1, sharex=True)
    for axes, (name, label) in zip(panels, FIGURES.items(), strict=True):
        for number, method in enumerate(methods):
            places, heights, errors = [], [], []
            for place, setting in enumerate(settings):
                entry = cells.get((setting, method))
                if entry is None or entry.figures[name]["mean"] is None:
                    continue
                places.append(place + (number - (len(methods) - 1) / 2) * width)
                heights.append(max(_FLOOR, entry.figures[name]["mean"]))
                errors.append(entry.figures[name]["deviation"] or 0.0)
            axes.bar(
                places,
                heights,
                width * 0.9,
                yerr=errors if any(errors) else None,
                capsize=2,
                label=method,
                color=colours[number % len(colours)],
                hatch="//" if number >= len(colours) else None,
            )
        axes.axhline(0.0, color="0.3", linewidth=0.8)
        axes.set(ylabel=label, ylim=(_FLOOR, 1.02))
        axes.grid(axis="y", alpha=0.3)
    panels[-1].set_xticks(range(len(settings)), settings)
    figure.suptitle(title)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
