"""A parameter graph as a picture: every node and edge where it is small, operations where it is large."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.graph import schema
from gmn_tf.graph.parameter_graph import ParameterGraph

LARGEST_IN_FULL = (300, 20_000)
"""Nodes and edges up to which every one of them is drawn."""

_SOURCES = (
    schema.NodeType.BIAS,
    schema.NodeType.NORM_SCALE,
    schema.NodeType.NORM_SHIFT,
    schema.NodeType.NORM_MEAN,
    schema.NodeType.NORM_VARIANCE,
    schema.NodeType.SCALE,
)


def plot(graph: ParameterGraph, path: str | Path, *, values: np.ndarray | None = None) -> None:
    """Writes a PNG; the file appears whole or not at all.

    Args:
        graph: what to draw.
        path: the file, ending in .png.
        values: [num_edges]; where given and the graph is small, edges are coloured by their weight.
    """
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib.figure import Figure

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise RunError(f"received {path.name!r} for the picture, expected a name that ends in .png")
    small = graph.num_nodes <= LARGEST_IN_FULL[0] and graph.num_edges <= LARGEST_IN_FULL[1]
    figure = Figure(figsize=(min(24, 3 + 1.6 * graph.num_layers), 7), layout="constrained")
    axes = figure.subplots()
    if small:
        _draw_in_full(axes, graph, values)
    else:
        _draw_operations(axes, graph)
    axes.set_title(
        f"{graph.name}: {graph.num_nodes:,} nodes, {graph.num_edges:,} edges, "
        f"{graph.num_parameters:,} parameters"
    )
    axes.set_axis_off()
    beside = path.with_name(f".{path.name}.tmp")
    try:
        figure.savefig(beside, dpi=110, format="png")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _positions(graph: ParameterGraph) -> np.ndarray:
    """One column per layer, its nodes spread evenly; sources of parameters stand above, half a step left."""
    layer, kind = graph.nodes[schema.LAYER], graph.nodes[schema.TYPE]
    position = np.zeros((graph.num_nodes, 2))
    for number in range(graph.num_layers):
        inside = np.flatnonzero((layer == number) & ~np.isin(kind, _SOURCES))
        above = np.flatnonzero((layer == number) & np.isin(kind, _SOURCES))
        position[inside, 0] = number
        position[inside, 1] = (np.arange(inside.size) + 0.5) / max(inside.size, 1)
        position[above, 0] = number - 0.5
        position[above, 1] = 1.08 + 0.07 * np.arange(above.size)
    return position


def _draw_in_full(axes: Any, graph: ParameterGraph, values: np.ndarray | None) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    position = _positions(graph)
    kinds = graph.edges[schema.TYPE]
    segments: Any = np.stack(
        [position[graph.edges[schema.SOURCE]], position[graph.edges[schema.TARGET]]], axis=1
    )
    palette = colormaps["tab20"]
    alpha = float(np.clip(400 / max(graph.num_edges, 1), 0.06, 0.8))
    if values is None:
        for kind in np.unique(kinds):
            here = kinds == kind
            colour = palette(int(kind) % 20)
            axes.add_collection(LineCollection(segments[here], colors=[colour], alpha=alpha, linewidths=0.9))
            axes.plot([], [], color=colour, label=schema.EdgeType(int(kind)).name.lower())
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, title="edges")
    else:
        values = np.asarray(values, float)
        limit = float(np.quantile(np.abs(values), 0.98)) or 1.0
        lines = LineCollection(segments, cmap="coolwarm", alpha=max(alpha, 0.25), linewidths=0.9)
        lines.set_array(np.clip(values, -limit, limit))
        lines.set_clim(-limit, limit)
        axes.add_collection(lines)
        axes.figure.colorbar(lines, ax=axes, label="weight", shrink=0.6)
    node_kinds = graph.nodes[schema.TYPE]
    for kind in np.unique(node_kinds):
        here = node_kinds == kind
        marker = "s" if kind in _SOURCES else "o"
        axes.scatter(
            *position[here].T, s=26, marker=marker, zorder=3, color=palette((2 * int(kind) + 1) % 20)
        )
    axes.set_xlim(-0.8, graph.num_layers - 0.5)
    axes.set_ylim(-0.05, 1.15 + 0.07 * 4)
    for number in range(graph.num_layers):
        axes.annotate(_short(graph, number), (number, -0.02), ha="center", va="top", fontsize=7, rotation=20)


def _draw_operations(axes: Any, graph: ParameterGraph) -> None:
    """A box per operation, with arrows for the edges between them."""
    nodes = np.bincount(graph.nodes[schema.LAYER], minlength=graph.num_layers)
    between: Counter[tuple[int, int]] = Counter()
    for block in graph.blocks:
        sources = np.unique(graph.nodes[schema.LAYER][np.unique(block.source)])
        targets = np.unique(graph.nodes[schema.LAYER][np.unique(block.target)])
        for source in sources:
            for target in targets:
                if source != target:
                    between[int(source), int(target)] += block.size
    columns = int(np.ceil(np.sqrt(graph.num_layers * 2.2)))
    place = {n: (n % columns, -(n // columns)) for n in range(graph.num_layers)}
    for (source, target), count in between.items():
        axes.annotate(
            "",
            place[target],
            place[source],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "steelblue",
                "alpha": 0.5,
                "linewidth": 0.4 + 0.35 * np.log10(1 + count),
                "connectionstyle": "arc3,rad=0.15",
                "shrinkA": 14,
                "shrinkB": 14,
            },
        )
    for number, (x, y) in place.items():
        text = f"{_short(graph, number)}\n{nodes[number]:,} nodes"
        axes.text(
            x, y, text, ha="center", va="center", fontsize=6, bbox={"fc": "white", "ec": "grey", "pad": 2}
        )
    axes.set_xlim(-0.7, columns - 0.3)
    axes.set_ylim(min(y for _, y in place.values()) - 0.6, 0.6)


def _short(graph: ParameterGraph, number: int) -> str:
    return graph.layer_names.get(number, "").split(" (")[0].rsplit("/", 1)[-1] or str(number)
