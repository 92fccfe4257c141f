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


def predictor(model: Any, *, channels: int) -> Callable[[Population], np.ndarray]:
    """A function from a population to the model's logits [n], traced once for graphs of all sizes."""
    import tensorflow as tf

    @tf.function(input_signature=[graph_tensor_spec(channels)])
    def forward(graph: Any) -> Any:
        return model(graph, training=False)

    def predict(population: Population) -> np.ndarray:
        logits = np.empty(len(population), np.float32)
        for members in parts(population.num_edges):
            graph = pipeline.to_graph_tensor(pipeline.collate(population, members))
            logits[members] = forward(graph).numpy()[:, 0]
        return logits

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
