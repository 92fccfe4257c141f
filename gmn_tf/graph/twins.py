"""Twins: parts of a graph that can be exchanged at sight, which spares the search for automorphisms them.

Channels of one layer usually have the same labels and the same neighbours throughout. Two such nodes, or
two chains of nodes (a channel, its depthwise result, its gate, their product), are twins.
A class of n twins contributes n! to the group's order; one representative, coloured by n, stands for it in
the search (a modular reduction of the graph).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

_LONGEST_LINK = 4  # nodes joined by one link of a chain: operands and their result

Hub = tuple[object, np.ndarray, np.ndarray]  # colour, sources, targets


@dataclasses.dataclass(frozen=True)
class Twins:
    """Classes of twins of a graph of hubs.

    Attributes:
        classes: each int64 [number of twins, nodes of one]: row i's nodes may be exchanged with row j's.
        class_size: int64 [num_nodes], size of the class that a node is in, 1 outside.
        kept: bool [num_nodes], false for all rows of a class but its first.
    """

    classes: list[np.ndarray]
    class_size: np.ndarray
    kept: np.ndarray

    def generators(self) -> list[np.ndarray]:
        """A transposition and a cycle for each class: they generate its symmetric group."""
        found = []
        for rows in self.classes:
            swap = np.arange(self.kept.size)
            swap[rows[0]], swap[rows[1]] = rows[1], rows[0]
            found.append(swap)
            if len(rows) > 2:
                cycle = np.arange(self.kept.size)
                cycle[rows] = np.roll(rows, -1, axis=0)
                found.append(cycle)
        return found

    def lift(self, permutation: np.ndarray) -> np.ndarray:
        """A permutation of the kept nodes (others fixed in it) moved along in all their twins."""
        result = permutation.copy()
        others = {int(node): rows[1:, column] for rows in self.classes for column, node in enumerate(rows[0])}
        for node, twins in others.items():
            if permutation[node] != node:
                result[twins] = others[int(permutation[node])]
        return result


def find_twins(colours: np.ndarray, hubs: list[Hub]) -> Twins:
    """Classes of twins.

    Args:
        colours: int64 [num_nodes], equal for equally labelled nodes.
        hubs: the edges as complete bipartite sets of equally labelled edges.
    """
    count = colours.size
    local = [_is_local(colours, sources, targets) for _, sources, targets in hubs]
    links = [
        (sources[0], node)
        for (_, sources, targets), near in zip(hubs, local, strict=True)
        if near
        for node in (*sources[1:], *targets)
    ]
    pairs = np.array(links, np.int64).reshape(-1, 2)
    chain = connected_components(
        coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count)),
        directed=False,
    )[1].astype(np.int64)
    # Only a chain whose nodes all differ has no symmetry of its own; the nodes of others stand alone.
    order = np.lexsort((colours, chain))
    repeated = (np.diff(chain[order]) == 0) & (np.diff(colours[order]) == 0)
    loose = np.isin(chain, chain[order][1:][repeated])
    chain[loose] = chain.max(initial=0) + 1 + np.arange(np.count_nonzero(loose))

    inside: dict[int, list[object]] = defaultdict(list)
    node_parts, hub_parts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, ((colour, sources, targets), near) in enumerate(zip(hubs, local, strict=True)):
        if near and np.all(chain[np.concatenate([sources, targets])] == chain[sources[0]]):
            ends = [sorted(colours[ends].tolist()) for ends in (sources, targets)]
            inside[int(chain[sources[0]])].append((repr(colour), *map(tuple, ends)))
            continue
        node_parts += [sources, targets]
        hub_parts += [np.full(sources.size, 2 * number), np.full(targets.size, 2 * number + 1)]
    nodes, memberships = np.concatenate(node_parts), np.concatenate(hub_parts)
    by_node = np.lexsort((memberships, nodes))
    memberships = memberships[by_node]
    bounds = np.searchsorted(nodes[by_node], np.arange(count + 1))

    order = np.lexsort((colours, chain))
    starts = np.flatnonzero(np.diff(chain[order], prepend=-1))
    alike: dict[object, list[np.ndarray]] = defaultdict(list)
    for members in np.split(order, starts[1:]):
        outside = tuple((int(colours[n]), memberships[bounds[n] : bounds[n + 1]].tobytes()) for n in members)
        alike[outside, tuple(sorted(inside.get(int(chain[members[0]]), ()), key=repr))].append(members)
    classes = [np.stack(rows) for rows in alike.values() if len(rows) > 1]
    size, kept = np.ones(count, np.int64), np.ones(count, bool)
    for rows in classes:
        size[rows] = len(rows)
        kept[rows[1:]] = False
    return Twins(classes=classes, class_size=size, kept=kept)


def _is_local(colours: np.ndarray, sources: np.ndarray, targets: np.ndarray) -> bool:
    """Whether a hub joins a few nodes that all differ, as the links of a chain do."""
    if sources.size + targets.size > _LONGEST_LINK:
        return False
    members = np.unique(np.concatenate([sources, targets]))
    return len(set(colours[members].tolist())) == members.size
