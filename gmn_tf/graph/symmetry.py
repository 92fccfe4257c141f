"""Automorphisms of a parameter graph: the relabellings of nodes that keep every label and every edge.

BLISS (through igraph) finds generators of the group. An edge becomes two coloured vertices in a row in
an undirected graph, and each complete bipartite block of equally labelled edges shares one such pair
(a hub): the same group at a fraction of the size.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from gmn_tf.errors import ConversionError
from gmn_tf.graph import schema
from gmn_tf.graph.blocks import Block
from gmn_tf.graph.parameter_graph import ParameterGraph


@dataclasses.dataclass(frozen=True)
class Automorphisms:
    """The automorphism group of a parameter graph.

    Attributes:
        generators: each a permutation of the nodes, int64 [num_nodes]: node i goes to generator[i].
        order: number of automorphisms.
    """

    generators: list[np.ndarray]
    order: int

    def sample(self, rng: np.random.Generator, *, length: int = 30) -> np.ndarray:
        """A random product of generators and their inverses (the identity if there are none)."""
        if not self.generators:
            raise ConversionError("the graph has no automorphism but the identity")
        result = np.arange(self.generators[0].size)
        for _ in range(min(length, 4 * len(self.generators))):
            step = self.generators[rng.integers(len(self.generators))]
            if rng.random() < 0.5:
                step = np.argsort(step)
            result = step[result]
        return result


def automorphisms(graph: ParameterGraph) -> Automorphisms:
    """Generators and order of the graph's automorphism group."""
    import igraph

    hubs = list(_hubs(graph.blocks, graph.num_nodes))
    node_colours = np.stack([np.asarray(graph.nodes[name], np.int64) for name in sorted(graph.nodes)], axis=1)
    _, colours = np.unique(node_colours, axis=0, return_inverse=True)
    colour_of: dict[object, int] = {}
    vertex_colours = [colours.reshape(-1)]
    edges = []
    vertex = graph.num_nodes
    first = int(colours.max(initial=0)) + 1
    for colour, sources, targets in hubs:
        number = colour_of.setdefault(colour, len(colour_of))
        vertex_colours.append(np.array([first + 2 * number, first + 2 * number + 1]))
        edges.append(np.stack([sources, np.full_like(sources, vertex)], axis=1))
        edges.append(np.stack([targets, np.full_like(targets, vertex + 1)], axis=1))
        edges.append(np.array([[vertex, vertex + 1]]))
        vertex += 2
    encoded = igraph.Graph(n=vertex, edges=np.concatenate(edges).tolist() if edges else [])
    colour_list = np.concatenate(vertex_colours).tolist()
    found = encoded.automorphism_group(color=colour_list)
    generators = {np.asarray(g[: graph.num_nodes], np.int64).tobytes() for g in found}
    identity = np.arange(graph.num_nodes, dtype=np.int64).tobytes()
    return Automorphisms(
        generators=[np.frombuffer(g, np.int64) for g in sorted(generators - {identity})],
        order=int(encoded.count_automorphisms(color=colour_list)),
    )


def edge_permutation(graph: ParameterGraph, node_permutation: np.ndarray) -> np.ndarray:
    """Where each edge goes when nodes go where `node_permutation` says: int64 [num_edges].

    Raises:
        ConversionError: the permutation is no automorphism, or two edges cannot be told apart.
    """
    if any(np.any(column[node_permutation] != column) for column in graph.nodes.values()):
        raise ConversionError("this permutation of nodes is no automorphism of the graph: it changes a label")
    edges = graph.edges
    labels = np.concatenate(
        [
            np.stack([edges[schema.TYPE], edges[schema.LAYER]], axis=1),
            edges[schema.KERNEL_POSITION],
            edges[schema.ENTRY_POSITION],
        ],
        axis=1,
    )
    _, label = np.unique(labels, axis=0, return_inverse=True)
    label = label.reshape(-1).astype(np.int64)
    count = np.int64(graph.num_nodes)
    source = np.asarray(edges[schema.SOURCE], np.int64)
    target = np.asarray(edges[schema.TARGET], np.int64)
    key = (label * count + source) * count + target
    order = np.argsort(key)
    ordered = key[order]
    if np.any(ordered[1:] == ordered[:-1]):
        raise ConversionError(
            "internal error: two edges of the graph carry the same labels between the same nodes"
        )
    moved = (label * count + node_permutation[source]) * count + node_permutation[target]
    place = np.minimum(np.searchsorted(ordered, moved), ordered.size - 1)
    if np.any(ordered[place] != moved):
        raise ConversionError(
            "this permutation of nodes is no automorphism of the graph: it moves an edge to none"
        )
    return order[place]


def permute_values(graph: ParameterGraph, values: np.ndarray, node_permutation: np.ndarray) -> np.ndarray:
    """The values after every edge has moved with its nodes."""
    result = np.empty_like(values)
    result[..., edge_permutation(graph, node_permutation)] = values
    return result


def _hubs(blocks: Iterable[Block], num_nodes: int) -> Iterable[tuple[object, np.ndarray, np.ndarray]]:
    """All edges as (colour, sources, targets) of complete bipartite, equally labelled sets."""
    by_operation: dict[tuple[int, int], list[Block]] = defaultdict(list)
    for block in blocks:
        by_operation[block.type, block.layer].append(block)
    for operation, members in by_operation.items():
        if len(members) == 1 and (hub := _whole_block(members[0])) is not None:
            yield (operation, "whole"), *hub
        else:
            yield from _bicliques(operation, members, num_nodes)


def _whole_block(block: Block) -> tuple[np.ndarray, np.ndarray] | None:
    """Sources and targets of a block that joins each source to each target with the same labels."""
    source_axes, target_axes = _varying(block.source, block), _varying(block.target, block)
    label_axes = {
        axis
        for position in (block.kernel_position, block.entry_position)
        for coordinate in position or ()
        for axis in _varying(np.asarray(coordinate), block)
    }
    if source_axes & target_axes or label_axes & (source_axes | target_axes):
        return None
    sources, targets = np.unique(block.source), np.unique(block.target)
    if sources.size != block.source.size or targets.size != block.target.size:
        return None
    return sources.astype(np.int64), targets.astype(np.int64)


def _varying(array: np.ndarray, block: Block) -> set[int]:
    lead = len(block.shape) - array.ndim
    return {lead + axis for axis, size in enumerate(array.shape) if size > 1 and array.strides[axis] != 0}


def _bicliques(
    operation: tuple[int, int], blocks: list[Block], num_nodes: int
) -> Iterable[tuple[object, np.ndarray, np.ndarray]]:
    """Splits the edges of one operation by label, and each label by equal sets of targets."""
    columns = {
        name: np.concatenate([b.column(name) for b in blocks])
        for name in (schema.SOURCE, schema.TARGET, schema.KERNEL_POSITION, schema.ENTRY_POSITION)
    }
    positions = np.concatenate([columns[schema.KERNEL_POSITION], columns[schema.ENTRY_POSITION]], axis=1)
    kinds, label = np.unique(positions, axis=0, return_inverse=True)
    label = label.reshape(-1)
    pair = columns[schema.SOURCE].astype(np.int64) * num_nodes + columns[schema.TARGET]
    order = np.lexsort((pair, label))
    bounds = np.searchsorted(label[order], np.arange(len(kinds) + 1))
    relations: dict[bytes, list[int]] = defaultdict(list)  # labels on one and the same set of pairs
    for number in range(len(kinds)):
        relations[pair[order[bounds[number] : bounds[number + 1]]].tobytes()].append(number)
    for encoded, numbers in relations.items():
        pairs = np.frombuffer(encoded, np.int64)
        colour = (operation, kinds[numbers].tobytes())
        source, target = pairs // num_nodes, pairs % num_nodes
        starts = np.flatnonzero(np.diff(source, prepend=-1))
        neighbours: dict[bytes, list[int]] = defaultdict(list)
        for start, stop in zip(starts, np.append(starts[1:], source.size), strict=True):
            neighbours[target[start:stop].tobytes()].append(int(source[start]))
        for targets, sources in neighbours.items():
            yield colour, np.array(sources, np.int64), np.frombuffer(targets, np.int64)
