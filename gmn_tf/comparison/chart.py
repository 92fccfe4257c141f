"""The bar chart of one population: settings across, a bar per method, its deviation over seeds on top."""

from __future__ import annotations

import io
from collections.abc import Sequence

from gmn_tf.comparison.measures import MEASURES, Measures
from gmn_tf.comparison.summary import Entry
from gmn_tf.models.registry import ACCURACY, METHODS


def chart(
    entries: list[Entry],
    title: str,
    measures: Measures = MEASURES[ACCURACY],
    methods: Sequence[str] = tuple(METHODS),
) -> bytes:
    """A PNG with a panel for each charted figure; a figure that is not defined has no bar.

    A method has its colour in every chart of a task; bars of settings that are not its default ones are
    hatched. Where there is a floor, a bar that goes on below says in figures how far: a method that is far
    worse than the mean would flatten all others.

    Args:
        entries: what to draw.
        title: above all.
        measures: which figures; by default those of accuracy prediction.
        methods: the task's, in the order that decides colours.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings = list(dict.fromkeys(entry.setting for entry in entries))
    method_of = {entry.title: entry.method for entry in entries}
    titles = list(method_of)
    floor = 0.0 if measures.floor is None else measures.floor
    variants = {entry.title for entry in entries if entry.changes}
    cells = {(entry.setting, entry.title): entry for entry in entries}
    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    width = 0.84 / max(1, len(titles))
    size = max(5.0, 1.2 + 0.28 * len(settings) * (len(titles) + 1))
    height = 3.5 * len(measures.charted)
    figure = Figure(figsize=(size, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(measures.charted), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, label) in zip(panels, measures.charted.items(), strict=True):
        for number, title_of in enumerate(titles):
            places, heights, errors = [], [], []
            for place, setting in enumerate(settings):
                entry = cells.get((setting, title_of))
                if entry is None or entry.figures[name]["mean"] is None:
                    continue
                mean, deviation = entry.figures[name]["mean"], entry.figures[name]["deviation"] or 0.0
                places.append(place + (number - (len(titles) - 1) / 2) * width)
                heights.append(max(floor, mean))
                errors.append(deviation if mean >= floor else 0.0)
                if mean < floor:
                    text = {"ha": "center", "va": "bottom", "rotation": 90, "fontsize": 7, "color": "w"}
                    axes.text(places[-1], floor + 0.01, f"{mean:.1f}", **text)
            axes.bar(
                places,
                heights,
                width * 0.9,
                yerr=errors if any(errors) else None,
                capsize=2,
                label=title_of,
                color=colours[_place(method_of[title_of], methods) % len(colours)],
                hatch="//" if title_of in variants else None,
                edgecolor="w",
                linewidth=0,
            )
        axes.axhline(0.0, color="0.3", linewidth=0.8)
        axes.set(ylabel=label, ylim=(floor, measures.ceiling))
        axes.grid(axis="y", alpha=0.3)
    panels[-1].set_xticks(range(len(settings)), settings)
    figure.suptitle(title)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _place(method: str, methods: Sequence[str]) -> int:
    return list(methods).index(method) if method in methods else len(methods)
