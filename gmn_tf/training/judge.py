"""The metanetwork's answers for a population, as they stand: no padding, no budget, any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gmn_tf.graph.tensor import graph_tensor_spec
from gmn_tf.tasks import accuracy
from gmn_tf.tasks.metrics import kendall_tau, mean_absolute_error, r2
from gmn_tf.training import pipeline
from gmn_tf.training.population import Population

MAX_EDGES = 100_000
"""Edges evaluated at once, unless a single network has more."""


def predictor(
    model: Any, *, channels: int, views: int = 0, call: Callable[[Any], Any] | None = None
) -> Callable[[Population], np.ndarray]:
    """A function from a population to the model's answers [n, units], traced once for graphs of all sizes.

    Args:
        model: a model on graphs.
        channels: values of an edge.
        views: 0 for the networks as they are. More than that for so many variants of each
            (`Population.change`), always the same ones: answers [n, views, units] then.
        call: from a graph to answers; by default the model itself.
    """
    import tensorflow as tf

    @tf.function(input_signature=[graph_tensor_spec(channels)])
    def forward(graph: Any) -> Any:
        return model(graph, training=False) if call is None else call(graph)

    def answers(population: Population, view: int | None) -> np.ndarray:
        found = []
        for members in parts(population.num_edges):
            variants = None if view is None else members + view * len(population)
            graph = pipeline.to_graph_tensor(pipeline.collate(population, members, variants=variants))
            found.append(forward(graph).numpy())
        return np.concatenate(found)

    def predict(population: Population) -> np.ndarray:
        if not views:
            return answers(population, None)
        return np.stack([answers(population, view) for view in range(views)], axis=1)

    return predict


def figures(targets: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Loss, R2, tau and mean absolute error of logits [n] for accuracies [n]."""
    if not np.isfinite(logits).all():
        return {"loss": float("inf"), "r2": float("nan"), "tau": float("nan"), "mae": float("nan")}
    predictions = accuracy.probability(logits)
    return {
        "loss": accuracy.cross_entropy(targets, logits),
        "r2": r2(targets, predictions),
        "tau": kendall_tau(targets, predictions),
        "mae": mean_absolute_error(targets, predictions),
    }


def parts(edges: np.ndarray) -> list[np.ndarray]:
    """Networks in runs of at most about `MAX_EDGES` edges, from the edges [n] of each."""
    ends = np.cumsum(edges)
    part = (ends - edges) // MAX_EDGES
    return [np.flatnonzero(part == number) for number in np.unique(part)]
