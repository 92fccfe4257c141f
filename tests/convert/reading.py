"""Parameter graphs as sentences, so that a test can state the edges it worked out by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np

from gmn_tf.graph import schema


def node_names(graph) -> list[str]:
    """`neuron1.2`: the third node of type neuron in layer 1."""
    seen: Counter[tuple[int, int]] = Counter()
    names = []
    for kind, layer in zip(graph.nodes["type"].tolist(), graph.nodes["layer"].tolist(), strict=True):
        names.append(f"{schema.NodeType(kind).name.lower()}{layer}.{seen[kind, layer]}")
        seen[kind, layer] += 1
    return names


def node_counts(graph) -> dict[str, int]:
    """How many nodes of each type and layer: {"neuron1": 3}."""
    return dict(Counter(name.split(".")[0] for name in node_names(graph)))


def labels(graph, kind: str, layer: int, name: str) -> list[int]:
    """A label of all nodes of one type and layer, such as "index"."""
    here = (graph.nodes["type"] == schema.NodeType[kind.upper()]) & (graph.nodes["layer"] == layer)
    return graph.nodes[name][here].tolist()


def edge_counts(graph) -> dict[str, int]:
    return dict(Counter(schema.EdgeType(int(t)).name.lower() for t in graph.edges["type"]))


def edges(graph) -> set[str]:
    """`neuron0.0 -> neuron1.2 linear dense/kernel[0, 2]`; `k(..)` and `e(..)` are its positions, if any."""
    names = node_names(graph)
    found = set()
    for number in range(graph.num_edges):
        parts = [
            f"{names[graph.edges['source'][number]]} -> {names[graph.edges['target'][number]]}",
            schema.EdgeType(int(graph.edges["type"][number])).name.lower(),
        ]
        for letter, name in (("k", "kernel_position"), ("e", "entry_position")):
            position = graph.edges[name][number]
            given = position[position != schema.NO_POSITION].tolist()
            assert np.all(position[len(given) :] == schema.NO_POSITION), (
                "coordinates come first, then the fill"
            )
            parts += [f"{letter}{tuple(given)}"] if given else []
        where = graph.locate(number)
        parts += [f"{where[0]}{list(where[1])}"] if where else []
        found.add(" ".join(parts))
    assert len(found) == graph.num_edges, "no two edges say the same"
    return found
