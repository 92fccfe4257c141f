"""What all variants are given: a batch of networks, encoded states, labels and weights, as one .npz."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.step import parameters

BATCHES = 4
"""Batches of networks in the population that `fit` goes through."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One training step's inputs.

    Attributes:
        nodes: float32 [N, width], encoded node states of the whole batch; edges: float32 [E, width].
        source, target: int32 [E], counted over the whole batch.
        node_sizes, edge_sizes: int32 [networks].
        labels: float32 [networks, 1], in [0, 1].
        flat: float32 [BATCHES * networks, parameters], the networks' own weights.
        weights: the trunk's weights, see `parameters`.
    """

    nodes: np.ndarray
    edges: np.ndarray
    source: np.ndarray
    target: np.ndarray
    node_sizes: np.ndarray
    edge_sizes: np.ndarray
    labels: np.ndarray
    flat: np.ndarray
    weights: parameters.Arrays

    @property
    def width(self) -> int:
        return self.edges.shape[1]

    @property
    def num_blocks(self) -> int:
        return parameters.num_blocks(self.weights)

    @property
    def num_networks(self) -> int:
        return len(self.labels)

    @classmethod
    def make(cls, *, networks: int, channels: int, width: int, num_blocks: int, seed: int = 0) -> Problem:
        """A batch of small CNNs with random weights; the graph is our parameter graph of them."""
        rng = np.random.default_rng(seed)
        graph = parameter_graph(channels)
        nodes, edges = graph.num_nodes, graph.num_edges
        offsets = np.repeat(np.arange(networks, dtype=np.int32) * nodes, edges)
        return cls(
            nodes=rng.standard_normal((networks * nodes, width)).astype(np.float32),
            edges=rng.standard_normal((networks * edges, width)).astype(np.float32),
            source=np.tile(graph.edges["source"], networks) + offsets,
            target=np.tile(graph.edges["target"], networks) + offsets,
            node_sizes=np.full(networks, nodes, np.int32),
            edge_sizes=np.full(networks, edges, np.int32),
            labels=rng.uniform(0.1, 1.0, (networks, 1)).astype(np.float32),
            flat=(0.2 * rng.standard_normal((BATCHES * networks, graph.layout.size))).astype(np.float32),
            weights=parameters.draw(width=width, num_blocks=num_blocks, seed=seed + 1),
        )

    def save(self, path: Path) -> None:
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        weights = arrays.pop("weights")
        np.savez(path, **arrays, **{f"weights/{name}": array for name, array in weights.items()})

    @classmethod
    def load(cls, path: Path) -> Problem:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        weights = {name: arrays.pop(name) for name in list(arrays) if name.startswith("weights/")}
        return cls(weights={name.removeprefix("weights/"): w for name, w in weights.items()}, **arrays)


def parameter_graph(channels: int) -> Any:
    """The parameter graph of the small CNN: 1-c-c-c-10 channels, 3 x 3 kernels (4,970 weights for c = 16)."""
    import gmn_tf  # isort: skip
    import keras

    convolutions = [keras.layers.Conv2D(channels, 3, activation="relu") for _ in range(3)]
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *convolutions, *head])
    return gmn_tf.ParameterGraph.from_keras(model)
