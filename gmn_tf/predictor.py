"""A metanetwork ready to use: Keras models in, numpy accuracies out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf import serving
from gmn_tf.convert.load import load_keras_model
from gmn_tf.convert.weights_files import WeightsReader
from gmn_tf.graph import schema
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.training.structure import Structure

MAX_EDGES = 300_000
"""Edges judged in one call; a larger network is a call of its own."""


class Predictor:
    """Predicts the test accuracy of Keras models from their weights alone. Made by `gmn_tf.load`.

    Args:
        raw: the raw signature, `gmn_tf.serving`.
        num_channels: last axis of the edge values it takes.
        owner: what holds the variables that `raw` reads, kept alive with it.

    Attributes:
        metadata: schema version, task, training configuration and figures of the metanetwork.
    """

    def __init__(
        self,
        raw: Callable[..., Mapping[str, Any]],
        *,
        num_channels: int,
        metadata: Mapping[str, Any],
        owner: Any = None,
    ) -> None:
        self._raw = raw
        self._owner = owner
        self._num_channels = num_channels
        self._structures: dict[ParameterGraph, Structure] = {}
        self.metadata = metadata

    def __call__(self, models: Any, *, architecture: Any = None) -> np.ndarray:
        """Predicted test accuracies.

        Args:
            models: a built Keras model, the path of a `.keras` or `.h5` file, or a list of these.
            architecture: a built Keras model, or the path of one: files that do not end in `.keras` then
                hold weights of this architecture (`.weights.h5`), see `gmn_tf.WeightsReader`.

        Returns:
            float32 [number of models] for a list, a float32 scalar for one model.

        Raises:
            ModelFileError: a file cannot be loaded safely, or holds another architecture's weights.
            UnsupportedLayerError, ConversionError: a model cannot be drawn as a parameter graph.
        """
        networks = _Networks(architecture)
        if isinstance(models, (list, tuple)):
            return self._predict(models, networks)
        return self._predict([models], networks)[0]

    def _predict(self, models: Sequence[Any], networks: _Networks) -> np.ndarray:
        accuracies = np.zeros(len(models), np.float32)
        batch: list[tuple[int, dict[str, np.ndarray]]] = []
        edges = 0
        for number, model in enumerate(models):
            graph, flat = networks.read(model)
            structure = self._structure(graph)
            if batch and edges + structure.num_edges > MAX_EDGES:
                self._flush(batch, accuracies)
                edges = 0
            batch.append((number, raw_columns(structure, flat)))
            edges += structure.num_edges
        if batch:
            self._flush(batch, accuracies)
        return accuracies

    def _structure(self, graph: ParameterGraph) -> Structure:
        if graph not in self._structures:
            self._structures[graph] = Structure.of(graph, channels=self._num_channels)
        return self._structures[graph]

    def _flush(self, batch: list[tuple[int, dict[str, np.ndarray]]], accuracies: np.ndarray) -> None:
        import tensorflow as tf

        merged = merge([columns for _, columns in batch])
        answer = self._raw(**{name: tf.constant(column) for name, column in merged.items()})
        accuracies[[number for number, _ in batch]] = answer[serving.OUTPUT].numpy()
        batch.clear()


class _Networks:
    """Graphs and flat weights of models and of files; an architecture given is planned once."""

    def __init__(self, architecture: Any) -> None:
        self._reader: WeightsReader | None = None
        if architecture is not None:
            if isinstance(architecture, (str, os.PathLike)):
                architecture = load_keras_model(architecture)
            self._graph = ParameterGraph.from_keras(architecture)
            self._reader = WeightsReader(architecture)

    def read(self, model: Any) -> tuple[ParameterGraph, np.ndarray]:
        if isinstance(model, (str, os.PathLike)):
            if self._reader is not None and Path(model).suffix.lower() != ".keras":
                return self._graph, self._graph.flatten(self._reader(model))
            model = load_keras_model(model)
        graph = ParameterGraph.from_keras(model)
        return graph, graph.flatten(model)


def raw_columns(structure: Structure, flat: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs of the raw signature for one network of this structure with these flat weights."""
    return {
        serving.NODE_SIZES: np.array([structure.num_nodes], np.int32),
        serving.EDGE_SIZES: np.array([structure.num_edges], np.int32),
        **{serving.node_input(name): column for name, column in structure.nodes.items()},
        **{serving.edge_input(name): column for name, column in structure.edges.items()},
        serving.edge_input(schema.VALUE): structure.values(flat),
    }


def merge(networks: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One batch from the raw columns of several networks: nodes of the later ones are counted on."""
    offsets = np.cumsum([0] + [int(columns[serving.NODE_SIZES].sum()) for columns in networks])
    ends = {serving.edge_input(name) for name in (schema.SOURCE, schema.TARGET)}
    return {
        name: np.concatenate(
            [
                columns[name] + (np.int32(offset) if name in ends else 0)
                for columns, offset in zip(networks, offsets, strict=False)
            ]
        )
        for name in networks[0]
    }
