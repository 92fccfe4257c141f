"""Automorphisms of a parameter graph: the relabellings of nodes that keep every label and every edge.

BLISS (through igraph) finds generators of the group. An edge becomes two coloured vertices in a row in
an undirected graph, and each complete bipartite block of equally labelled edges shares one such pair
(a hub): the same group at a fraction of the size. Twins are factored out before (see `twins`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from gmn_tf.errors import ConversionError
from gmn_tf.graph import schema
from gmn_tf.graph.blocks import Block
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.graph.twins import Hub, find_twins


@dataclasses.dataclass(frozen=True)
class Automorphisms:
    """The automorphism group of a parameter graph.

    Attributes:
        generators: each a permutation of the nodes, int64 [num_nodes]: node i goes to generator[i].
        order: number of automorphisms.
    """

    generators: list[np.ndarray]
    order: int

    def sample(self, rng: np.random.Generator, *, length: int = 1000) -> np.ndarray:
        """A random product of generators and their inverses, four per generator and at most `length`."""
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
    hubs = list(_hubs(graph.blocks, graph.num_nodes))
    labels = np.stack([np.asarray(graph.nodes[name], np.int64) for name in sorted(graph.nodes)], axis=1)
    colours = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    twins = find_twins(colours, hubs)
    rest, order = _search(colours * (graph.num_nodes + 1) + twins.class_size, twins.kept, hubs)
    return Automorphisms(
        generators=[*twins.generators(), *map(twins.lift, rest)],
        order=order * math.prod(math.factorial(len(rows)) for rows in twins.classes),
    )


def _search(colours: np.ndarray, kept: np.ndarray, hubs: list[Hub]) -> tuple[list[np.ndarray], int]:
    """Generators (all nodes long, others fixed) and order of the group on the kept nodes, by BLISS."""
    import igraph

    nodes = np.flatnonzero(kept)
    number_of = np.cumsum(kept) - 1
    node_colours = np.unique(colours[nodes], return_inverse=True)[1].reshape(-1)
    first = int(node_colours.max(initial=0)) + 1
    colour_of: dict[object, int] = {}
    vertex_colours = [node_colours]
    edges = []
    vertex = nodes.size
    for colour, all_sources, all_targets in hubs:
        sources, targets = (number_of[ends[kept[ends]]] for ends in (all_sources, all_targets))
        if not sources.size:  # inside a twin that is left out
            continue
        number = colour_of.setdefault(colour, len(colour_of))
        vertex_colours.append(np.array([first + 2 * number, first + 2 * number + 1]))
        edges.append(np.stack([sources, np.full_like(sources, vertex)], axis=1))
        edges.append(np.stack([targets, np.full_like(targets, vertex + 1)], axis=1))
        edges.append(np.array([[vertex, vertex + 1]]))
        vertex += 2
    encoded = igraph.Graph(n=vertex, edges=np.concatenate(edges).tolist() if edges else [])
    colour_list = np.concatenate(vertex_colours).tolist()
    with _numbers_of_any_length():
        order = int(encoded.count_automorphisms(color=colour_list))
    found = []
    for generator in encoded.automorphism_group(color=colour_list) if order > 1 else []:
        permutation = np.arange(kept.size)
        permutation[nodes] = nodes[np.asarray(generator[: nodes.size], np.int64)]
        if np.any(permutation[nodes] != nodes):
            found.append(permutation)
    return sorted(found, key=lambda g: g.tobytes()), order


@contextlib.contextmanager
def _numbers_of_any_length() -> Iterator[None]:
    """igraph hands the order over as a decimal string; Python limits those to 4,300 digits."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


class EdgeIndex:
    """Finds the edge with given ends and labels; made once per graph, used for many permutations.

    Raises:
        ConversionError: two edges carry the same labels between the same nodes.
    """

    def __init__(self, graph: ParameterGraph) -> None:
        self._nodes = graph.nodes
        self._count = graph.num_nodes
        # One operation after the other: small sorts, and its number needs no place in the key.
        operations: dict[tuple[int, int], list[tuple[int, Block]]] = defaultdict(list)
        start = 0
        for block in graph.blocks:
            operations[block.type, block.layer].append((start, block))
            start += block.size
        self._num_edges = start
        self._operations = [_Operation(members, self._count) for members in operations.values()]

    def permutation(self, node_permutation: np.ndarray) -> np.ndarray:
        """See `edge_permutation`."""
        if any(np.any(column[node_permutation] != column) for column in self._nodes.values()):
            raise ConversionError(
                "this permutation of nodes is no automorphism of the graph: it changes a label"
            )
        result = np.arange(self._num_edges)
        fixed = node_permutation == np.arange(self._count)
        for operation in self._operations:
            moved = np.flatnonzero(~(fixed[operation.source] & fixed[operation.target]))
            if moved.size:
                result[operation.edge[moved]] = operation.destinations(moved, node_permutation)
        return result


class _Operation:
    """The edges of one type and layer, sorted by label, source and target."""

    def __init__(self, members: list[tuple[int, Block]], num_nodes: int) -> None:
        blocks = [block for _, block in members]
        edge = np.concatenate([np.arange(start, start + block.size) for start, block in members])
        source = np.concatenate([b.column(schema.SOURCE) for b in blocks]).astype(np.int64)
        target = np.concatenate([b.column(schema.TARGET) for b in blocks]).astype(np.int64)
        label = _label(blocks)
        self._num_nodes = num_nodes
        self._key = (label * num_nodes + source) * num_nodes + target
        order = np.argsort(self._key, kind="stable")
        self.edge, self._key = edge[order], self._key[order]
        self.source, self.target, self._label = source[order], target[order], label[order]
        if np.any(self._key[1:] == self._key[:-1]):
            raise ConversionError(
                "internal error: two edges of the graph carry the same labels between the same nodes"
            )

    def destinations(self, moved: np.ndarray, node_permutation: np.ndarray) -> np.ndarray:
        source, target = node_permutation[self.source[moved]], node_permutation[self.target[moved]]
        key = (self._label[moved] * self._num_nodes + source) * self._num_nodes + target
        place = np.minimum(np.searchsorted(self._key, key), self._key.size - 1)
        if np.any(self._key[place] != key):
            raise ConversionError(
                "this permutation of nodes is no automorphism of the graph: it moves an edge to none"
            )
        return self.edge[place]


def _label(blocks: list[Block]) -> np.ndarray:
    """A number per edge for its kernel and entry position: int64, equal for equal positions."""
    label = np.zeros(sum(block.size for block in blocks), np.int64)
    for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
        positions = np.concatenate([block.column(name) for block in blocks])
        for column in positions.T:
            if column.size and np.any(column != column[0]):
                values, number = np.unique(column, return_inverse=True)
                label = label * len(values) + number.reshape(-1)
                _, label = np.unique(label, return_inverse=True)
    return label.reshape(-1).astype(np.int64)


def edge_permutation(graph: ParameterGraph, node_permutation: np.ndarray) -> np.ndarray:
    """Where each edge goes when nodes go where `node_permutation` says: int64 [num_edges].

    Raises:
        ConversionError: the permutation is no automorphism, or two edges cannot be told apart.
    """
    return EdgeIndex(graph).permutation(node_permutation)


def permute_values(
    graph: ParameterGraph,
    values: np.ndarray,
    node_permutation: np.ndarray,
    *,
    index: EdgeIndex | None = None,
) -> np.ndarray:
    """The values after every edge has moved with its nodes; `index` saves the search's preparation."""
    result = np.empty_like(values)
    result[..., (index or EdgeIndex(graph)).permutation(node_permutation)] = values
    return result


def _hubs(blocks: Iterable[Block], num_nodes: int) -> Iterable[Hub]:
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


def _bicliques(operation: tuple[int, int], blocks: list[Block], num_nodes: int) -> Iterable[Hub]:
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
