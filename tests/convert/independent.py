"""A second opinion on the symmetries of a parameter graph, from its public columns alone.

It shares nothing with `gmn_tf.graph.symmetry`: no blocks, hubs or twins; an edge is two coloured vertices.
"""

from __future__ import annotations

import igraph
import keras
import numpy as np

import gmn_tf


def coloured(graph, values=None):
    """The graph for BLISS, and its colours; with `values` an edge's colour says its weight too."""
    labels = np.stack([graph.nodes[name] for name in sorted(graph.nodes)], axis=1)
    edges = graph.edges
    columns = [edges["type"], edges["layer"], *edges["kernel_position"].T, *edges["entry_position"].T]
    marks = np.stack(columns if values is None else [*columns, values], axis=1).astype(np.float64)
    names: dict[tuple, int] = {}
    colours = [names.setdefault(("node", *row), len(names)) for row in labels.tolist()]
    for end in ("source", "target"):
        colours += [names.setdefault((end, *row), len(names)) for row in marks.tolist()]
    first, second = (graph.num_nodes + end * graph.num_edges + np.arange(graph.num_edges) for end in (0, 1))
    pairs = [(edges["source"], first), (first, second), (second, edges["target"])]
    links = np.concatenate([np.stack(pair, axis=1) for pair in pairs])
    return igraph.Graph(n=len(colours), edges=links.tolist()), colours, names


def generators(graph) -> tuple[int, list[np.ndarray]]:
    """Order of the group, and where each generator takes each edge."""
    network, colours, _ = coloured(graph)
    order = int(network.count_automorphisms(color=colours))
    found = network.automorphism_group(color=colours) if order > 1 else []
    edges = slice(graph.num_nodes, graph.num_nodes + graph.num_edges)
    return order, [np.array(g[edges]) - graph.num_nodes for g in found]


def moved(graph, weights, edge_permutation):
    """The weights after every edge has taken its own along."""
    slots = graph.edges["slot"]
    carrying = np.flatnonzero(slots >= 0)
    targets = slots[edge_permutation[carrying]]
    assert np.all(targets >= 0), "a weight goes where there is none"
    flat = np.concatenate([w.reshape(-1) for w in weights])
    result = flat.copy()
    result[targets] = flat[slots[carrying]]
    assert np.array_equal(result[targets], flat[slots[carrying]]), "the roles of one weight part"
    sizes = np.cumsum([w.size for w in weights])[:-1]
    return [part.reshape(w.shape) for part, w in zip(np.split(result, sizes), weights, strict=True)]


def assert_independently_sound(model, inputs, *, order: int) -> None:
    """Every generator applied to random weights leaves the outputs as they are; `order` is by hand."""
    graph = gmn_tf.ParameterGraph.from_keras(model)
    size, found = generators(graph)
    assert size == order, f"order {size}, by hand {order}"
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.2, 1.0, w.shape) * rng.choice([-1, 1], w.shape) for w in model.get_weights()]
    own = model.get_weights()

    def outputs(values):
        model.set_weights(values)
        return np.concatenate([np.ravel(o) for o in keras.tree.flatten(model(inputs, training=False))])

    try:
        expected = outputs(weights)
        for permutation in found:
            np.testing.assert_allclose(
                outputs(moved(graph, weights, permutation)), expected, rtol=1e-4, atol=1e-4
            )
    finally:
        model.set_weights(own)


def same_network(graph, first, second) -> bool:
    """Whether the graphs of two lists of weights are one graph with other node numbers."""
    networks = [coloured(graph, graph.values(weights)) for weights in (first, second)]
    names: dict[tuple, int] = {}
    colours = []
    for _, own, meaning in networks:
        by_number = {number: name for name, number in meaning.items()}
        colours.append([names.setdefault(by_number[c], len(names)) for c in own])
    return networks[0][0].isomorphic_bliss(networks[1][0], color1=colours[0], color2=colours[1])
