"""Networks ready to be batched: one structure per architecture, flat weights by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.training.structure import Graph, Structure

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

Change = Callable[[int, np.ndarray, np.random.Generator], np.ndarray]

_STRUCTURES: WeakKeyDictionary[Zoo, dict[tuple[int, int, bool], Structure]] = WeakKeyDictionary()
"""Of opened zoos, by architecture, channels and whether augmented."""


class Population:
    """A sequence of networks of few architectures.

    Attributes:
        structures: one per architecture.
        kinds: int [n], the structure of each network.
        num_nodes, num_edges: int [n], sizes of each network's graph.
        architectures: int32 [n], the number of each network's architecture in its zoo; without a zoo, in
            `structures`.
        change: a function (architecture, flat weights [k, P], generator) -> [k, P] that makes variants of
            networks beside those that their structure has, or None.
    """

    def __init__(
        self,
        structures: Sequence[Structure],
        kinds: np.ndarray,
        weights: Callable[[int], np.ndarray],
        *,
        architectures: np.ndarray | None = None,
    ) -> None:
        self.structures = list(structures)
        self.kinds = np.asarray(kinds, np.int64)
        self.architectures = np.asarray(kinds if architectures is None else architectures, np.int32)
        self.change: Change | None = None
        self._weights = weights
        self.num_nodes = np.array([s.num_nodes for s in self.structures], np.int64)[self.kinds]
        self.num_edges = np.array([s.num_edges for s in self.structures], np.int64)[self.kinds]

    @classmethod
    def from_zoo(
        cls, zoo: Zoo, indices: np.ndarray, *, channels: int = 1, augment: bool = False
    ) -> Population:
        """The networks `indices` of a zoo, in that order; channels and augment as in `Structure.of`.

        Structures of an opened zoo are kept as long as it is: a second population of it is made at once.

        Raises:
            ZooError: no index at all, or weights that are NaN or infinite; the network is named.
        """
        indices = np.asarray(indices)
        if not len(indices):
            raise ZooError("received an empty split of the zoo, expected networks in it: make a larger zoo")
        architectures, kinds = np.unique(
            np.asarray(zoo.table["architecture"])[indices].astype(int), return_inverse=True
        )
        structures, rows = [], np.zeros(len(indices), np.int64)
        stored: list[np.ndarray] = []
        for kind, architecture in enumerate(architectures):
            members, weights = zoo.flat_weights(int(architecture))
            row_of = {int(member): row for row, member in enumerate(members)}
            wanted = np.flatnonzero(kinds.ravel() == kind)
            rows[wanted] = [row_of[int(indices[position])] for position in wanted]
            for position in wanted:
                _check_finite(weights[rows[position]], f"network {indices[position]} of the zoo")
            stored.append(weights)
            structures.append(_structure(zoo, int(architecture), channels, augment))
        kinds = kinds.ravel()
        return cls(
            structures,
            kinds,
            lambda i: stored[kinds[i]][rows[i]],
            architectures=architectures[kinds],
        )

    @classmethod
    def from_graphs(cls, networks: Sequence[tuple[Graph, np.ndarray]], *, channels: int = 1) -> Population:
        """Networks given as (parameter graph, flat weights), of any architectures."""
        if not networks:
            raise ZooError("received no networks, expected at least one")
        structures: dict[int, Structure] = {}
        numbers: dict[Graph, int] = {}
        kinds = []
        for position, (graph, flat) in enumerate(networks):
            _check_finite(flat, f"network {position}")
            number = numbers.setdefault(graph, len(numbers))
            if number not in structures:
                structures[number] = Structure.of(graph, channels=channels)
            kinds.append(number)
        weights = [np.asarray(flat) for _, flat in networks]
        return cls(list(structures.values()), np.array(kinds), weights.__getitem__)

    def __len__(self) -> int:
        return len(self.kinds)

    def structure(self, member: int) -> Structure:
        """The structure of network `member`."""
        return self.structures[self.kinds[member]]

    def flat(self, member: int) -> np.ndarray:
        """Flat weights of network `member`."""
        return self._weights(member)

    def values(self, members: np.ndarray, *, variants: np.ndarray | None = None) -> list[np.ndarray]:
        """Values float32 [num_edges, channels] of each of the networks `members`, or of variants of them.

        Variants are told by numbers from 0; equal members and variants together give equal values.
        """
        flat = [self.flat(int(member)) for member in members]
        chosen = np.zeros(len(members), int) if variants is None else np.asarray(variants)
        if self.change is not None and variants is not None:
            generator = np.random.default_rng(chosen)
            architectures = self.architectures[members]
            for architecture in np.unique(architectures):
                places = np.flatnonzero(architectures == architecture)
                changed = self.change(int(architecture), np.stack([flat[p] for p in places]), generator)
                for place, row in zip(places, changed, strict=True):
                    flat[place] = row
        return [
            self.structure(int(member)).values(row, variant=int(variant))
            for member, row, variant in zip(members, flat, chosen, strict=True)
        ]


def _structure(zoo: Zoo, architecture: int, channels: int, augment: bool) -> Structure:
    from gmn_tf.graph.parameter_graph import ParameterGraph

    known = _STRUCTURES.setdefault(zoo, {})
    key = architecture, channels, augment
    if key not in known:
        graph = ParameterGraph.from_keras(zoo.template(architecture))
        known[key] = Structure.of(graph, channels=channels, augment=augment)
    return known[key]


def _check_finite(flat: np.ndarray, name: str) -> None:
    if not np.isfinite(flat).all():
        raise ZooError(
            f"received NaN or infinite weights in {name}, expected finite weights: "
            "leave the network out or train it anew"
        )
