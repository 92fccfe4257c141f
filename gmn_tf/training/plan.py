"""Which networks go into which batch of which epoch, and how large the padded batches must be.

The order of an epoch follows from the seed and the epoch's number alone, so that a resumed run sees
the batches it would have seen. Batches are balanced by edges: their sizes differ little, so that the
one padded size XLA compiles for wastes little.
"""

from __future__ import annotations

import dataclasses
import heapq

import numpy as np

from gmn_tf.errors import RunError

Batch = list[np.ndarray]
"""One array of members per replica."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """Padded size of one replica's batch; the last component, node rows and edge rows are padding."""

    nodes: int
    edges: int
    components: int

    def times(self, number: int) -> Budget:
        """The size of a batch with each of its networks in it `number` times."""
        return Budget(number * self.nodes, number * self.edges, 1 + number * (self.components - 1))


@dataclasses.dataclass(frozen=True)
class Planner:
    """Plans epochs over networks with `edges` edges each, int [n].

    Attributes:
        batch_size: networks in a global batch (the last ones of an epoch may hold fewer).
        replicas: parts that every global batch is divided into; the global batches do not depend on it.
        seed: of the shuffling.
    """

    edges: np.ndarray
    batch_size: int
    replicas: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.batch_size % self.replicas:
            raise RunError(
                f"received batch_size {self.batch_size} for {self.replicas} replicas, "
                "expected a positive multiple of the number of replicas"
            )
        if not len(self.edges):
            raise RunError("received no networks to train on, expected at least one")

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.edges) // self.batch_size)

    def epoch(self, number: int) -> list[Batch]:
        """The batches of epoch `number` (from 0): every network once, shuffled, balanced by edges."""
        generator = np.random.default_rng([self.seed, number])
        members = generator.permutation(len(self.edges))
        batches = _balance(members, self.edges, self.steps, self.batch_size)
        return [
            _balance(batches[number], self.edges, self.replicas, self.batch_size // self.replicas)
            for number in generator.permutation(len(batches))
        ]

    def variants(self, number: int) -> np.ndarray:
        """Which variant of each network epoch `number` shows, int [n], any number from 0."""
        return np.random.default_rng([self.seed, number, 1]).integers(0, 2**31, len(self.edges))

    def budget(self, nodes: np.ndarray, *, epochs: int) -> Budget:
        """The smallest padded size that holds every batch of the first `epochs` epochs.

        Args:
            nodes: int [n], nodes of each network.
            epochs: how many epochs are planned.
        """
        parts = [part for number in range(epochs) for batch in self.epoch(number) for part in batch]
        return Budget(
            nodes=_round_up(1 + max(int(nodes[part].sum()) for part in parts), 16),
            edges=_round_up(max(int(self.edges[part].sum()) for part in parts), 64),
            components=1 + self.batch_size // self.replicas,
        )


def _balance(members: np.ndarray, sizes: np.ndarray, groups: int, capacity: int) -> list[np.ndarray]:
    """Groups of at most `capacity` members of nearly equal total size: largest first, to the emptiest."""
    order = members[np.argsort(-sizes[members], kind="stable")]
    heap = [(0.0, number) for number in range(groups)]
    parts: list[list[int]] = [[] for _ in range(groups)]
    for member in order:
        total, number = heapq.heappop(heap)
        parts[number].append(int(member))
        if len(parts[number]) < capacity:
            heapq.heappush(heap, (total + float(sizes[member]), number))
    return [np.array(part, np.int64) for part in parts]


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
