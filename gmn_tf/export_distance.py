"""Fits the distances of an export, on features of its training networks and of held-out ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.training_distance import TrainingDistance, answer_and_features

if TYPE_CHECKING:
    from gmn_tf.training.population import Population
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo

MAX_EDGES = 100_000
"""Edges looked at in one call, unless a single network has more."""


def fit_distance(run: Run, zoo: Zoo) -> TrainingDistance:
    """The distance to the training networks of `run`, its unit from the validation networks.

    Args:
        run: with its metanetwork.
        zoo: the one it was trained on.

    Raises:
        ZooError: a split is empty.
        RunError: features are not finite.
    """
    from gmn_tf.training.population import Population

    features, architectures = [], []
    for split in ("train", "validation"):
        indices = zoo.indices(split, run.setting)
        members = Population.from_zoo(zoo, indices, channels=run.channels)
        features.append(network_features(run.model, members, channels=run.channels))
        architectures.append(zoo.table["architecture"][indices])
    return TrainingDistance.fit(features[0], architectures[0], features[1], architectures[1])


def network_features(model: Any, population: Population, *, channels: int) -> dict[str, np.ndarray]:
    """`answer_and_features` of every network of a population, float32 [n, .] each."""
    import tensorflow as tf

    from gmn_tf.graph.tensor import graph_tensor_spec
    from gmn_tf.training import pipeline

    @tf.function(input_signature=[graph_tensor_spec(channels)])
    def features(graph: Any) -> Any:
        return answer_and_features(model, graph)[1]

    found: list[dict[str, np.ndarray]] = []
    ends = np.cumsum(population.num_edges)
    part = (ends - population.num_edges) // MAX_EDGES
    for number in np.unique(part):
        members = np.flatnonzero(part == number)
        graph = pipeline.to_graph_tensor(pipeline.collate(population, members))
        found.append({name: value.numpy() for name, value in features(graph).items()})
    return {name: np.concatenate([rows[name] for rows in found]) for name in found[0]}
