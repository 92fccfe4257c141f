"""What the pipeline keeps of an architecture: its labels once, and where each value comes from.

Parallel edges of one pair of nodes, such as the taps of a kernel, may be carried as one edge with
several values ("bundled"): same graph, a fraction of the edges, so a fraction of the arithmetic.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.graph.tensor import assemble, depth
from gmn_tf.training.augment import orientations

if TYPE_CHECKING:
    import tensorflow_gnn as tfgnn

_ABSENT = -2
"""Slot of a channel that a bundle does not have: 0. (`NO_SLOT`, -1, is 1 as everywhere.)"""

_TABLE_END = np.array([0.0, schema.PARAMETERLESS_VALUE], np.float32)  # what slots -2 and -1 find


class Graph(Protocol):
    """The part of a ParameterGraph that is read here."""

    @property
    def nodes(self) -> Any: ...

    @property
    def edges(self) -> Any: ...

    @property
    def layout(self) -> Any:
        """With `size`, the length of the flat weights."""


@dataclasses.dataclass(frozen=True)
class Structure:
    """Labels of one architecture and the slots of its values.

    Attributes:
        nodes: columns type, layer, index, activation, depth, each [num_nodes].
        edges: columns source, target, type, layer, depth [num_edges], kernel_position and
            entry_position [num_edges, 3].
        slots: int32 [variants, num_edges, channels], places in the flat weights; -1 a parameterless edge,
            -2 no value. The first variant is the network itself, see `gmn_tf.training.augment`.
        num_weights: length of the flat weights.
    """

    nodes: dict[str, np.ndarray]
    edges: dict[str, np.ndarray]
    slots: np.ndarray
    num_weights: int

    @classmethod
    def of(cls, graph: Graph, *, channels: int = 1, augment: bool = False) -> Structure:
        """The structure of a parameter graph, bundled into edges of up to `channels` values.

        With 1 channel every edge stays as it is. With more, parallel edges that differ only in one of
        the two positions (the kernel position, where they have one, else the entry position) become one
        edge. A position of d coordinates is split into tiles with a side of `floor(channels ** (1/d))`: the
        place in the tile is the channel, the tile's number stands in the position's column. With 9
        channels a 3 x 3 kernel is one edge, a 5 x 5 kernel are four. The labels determine the channels and
        the other way round, so that the bundled graph has the same automorphisms. `augment` adds the
        mirrored and turned variants.
        """
        if channels < 1:
            raise SchemaError(f"received channels={channels}, expected at least 1")
        node_names = (schema.TYPE, schema.LAYER, schema.INDEX, schema.ACTIVATION)
        edge_names = (schema.SOURCE, schema.TARGET, schema.TYPE, schema.LAYER)
        nodes = {name: np.asarray(graph.nodes[name], np.int32) for name in node_names}
        edges = {name: np.asarray(graph.edges[name], np.int32) for name in edge_names}
        for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
            edges[name] = np.asarray(graph.edges[name], np.int32).reshape(-1, schema.POSITION_SIZE)
        slots = np.asarray(graph.edges[schema.SLOT], np.int32)[np.newaxis]
        if augment:
            slots = orientations({**edges, schema.SLOT: slots[0]})
        edges, slots = _bundle(edges, slots, channels) if channels > 1 else (edges, slots[..., np.newaxis])
        layers = 1 + max(int(nodes[schema.LAYER].max(initial=0)), int(edges[schema.LAYER].max(initial=0)))
        nodes[schema.DEPTH] = depth(nodes[schema.LAYER], layers)
        edges[schema.DEPTH] = depth(edges[schema.LAYER], layers)
        return cls(nodes, edges, slots, int(graph.layout.size))

    @property
    def num_nodes(self) -> int:
        return len(self.nodes[schema.TYPE])

    @property
    def num_edges(self) -> int:
        return self.slots.shape[1]

    @property
    def num_variants(self) -> int:
        return len(self.slots)

    def values(self, flat: np.ndarray, *, variant: int = 0) -> np.ndarray:
        """Values float32 [num_edges, channels] of flat weights [num_weights]; one gather."""
        if np.shape(flat) != (self.num_weights,):
            raise SchemaError(
                f"received flat weights of shape {np.shape(flat)}, expected ({self.num_weights},): "
                "the weights are of another architecture"
            )
        return np.concatenate([np.asarray(flat, np.float32), _TABLE_END])[
            self.slots[variant % self.num_variants]
        ]

    def graph_tensor(self, flat: np.ndarray) -> tfgnn.GraphTensor:
        """The network as a scalar GraphTensor of one component."""
        return assemble(self.nodes, self.edges, self.values(flat))


def _bundle(
    edges: dict[str, np.ndarray], slots: np.ndarray, channels: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    kernel, entry = edges[schema.KERNEL_POSITION].copy(), edges[schema.ENTRY_POSITION].copy()
    has_kernel = (kernel != schema.NO_POSITION).any(axis=1)
    position = np.where(has_kernel[:, np.newaxis], kernel, entry)
    tile, channel = _tiles(position, channels)
    kernel[has_kernel] = tile[has_kernel]
    entry[~has_kernel] = tile[~has_kernel]
    order = (schema.SOURCE, schema.TARGET, schema.TYPE, schema.LAYER)
    keys = np.column_stack([*(edges[name] for name in order), kernel, entry])
    _, first, bundle = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    bundle = bundle.ravel()
    place = bundle.astype(np.int64) * channels + channel
    if len(np.unique(place)) < len(place):
        raise SchemaError(
            "received a graph with parallel edges of equal labels, which cannot be bundled: use channels=1"
        )
    bundled = np.full((len(slots), len(first) * channels), _ABSENT, np.int32)
    bundled[:, place] = slots
    columns = {name: edges[name][first] for name in order}
    columns[schema.KERNEL_POSITION], columns[schema.ENTRY_POSITION] = kernel[first], entry[first]
    return columns, bundled.reshape(len(slots), -1, channels)


def _tiles(position: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of the tile [E, 3] and place in it [E]; unused coordinates stay as they are."""
    used = position != schema.NO_POSITION
    rank = used.sum(axis=1)
    sides = np.array([1, *(_root(channels, d) for d in range(1, schema.POSITION_SIZE + 1))])
    side = sides[rank][:, np.newaxis]
    tile = np.where(used, position // side, position)
    within = np.where(used, position % side, 0)
    channel = np.zeros(len(position), np.int64)
    for axis in range(schema.POSITION_SIZE):
        channel = np.where(used[:, axis], channel * side[:, 0] + within[:, axis], channel)
    return tile.astype(np.int32), channel


def _root(number: int, degree: int) -> int:
    root = 1
    while (root + 1) ** degree <= number:
        root += 1
    return root
