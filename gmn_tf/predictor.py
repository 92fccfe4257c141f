"""A metanetwork ready to use: Keras models in, numpy accuracies and distances out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf import serving
from gmn_tf.convert.load import load_keras_model
from gmn_tf.convert.weights_files import WeightsReader
from gmn_tf.graph import schema
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.training.structure import Structure
from gmn_tf.training_distance import percentile, verdict

MAX_EDGES = 300_000
"""Edges judged in one call; a larger network is a call of its own."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a metanetwork says of n networks.

    Attributes:
        accuracy: predicted test accuracy, float32 [n].
        distance: how far each lies from the training networks, float32 [n]; up to 1 is in range, see
            `gmn_tf.training_distance.TrainingDistance`. `None` where the metanetwork does not tell.
        percentile: share, in percent, of held-out networks of the training population that lie nearer,
            float32 [n], or `None`.
    """

    accuracy: np.ndarray
    distance: np.ndarray | None = None
    percentile: np.ndarray | None = None

    @property
    def verdicts(self) -> list[str] | None:
        """The distances in words: "in range", "at the edge" or "unlike its training networks"."""
        return None if self.distance is None else [verdict(float(value)) for value in self.distance]


class Judge:
    """What metanetworks that answer per network have in common when they are loaded.

    Args:
        raw: the raw signature, `gmn_tf.serving`.
        num_channels: last axis of the edge values it takes.
        metadata: of the export.
        path: where it came from.
        owner: what holds the variables that `raw` reads, kept alive with it.

    Attributes:
        metadata: schema version, task, training configuration, population and figures of the metanetwork.
        path: the folder it was loaded from.
    """

    def __init__(
        self,
        raw: Callable[..., Mapping[str, Any]],
        *,
        num_channels: int,
        metadata: Mapping[str, Any],
        path: Path | None = None,
        owner: Any = None,
    ) -> None:
        self._raw = raw
        self._owner = owner
        self._num_channels = num_channels
        self._structures: dict[ParameterGraph, Structure] = {}
        self.metadata = metadata
        self.path = path

    def answers(self, networks: Iterable[tuple[ParameterGraph, np.ndarray]]) -> dict[str, np.ndarray]:
        """All outputs of the raw signature, [n, ...] each, of networks given as (graph, flat weights).

        Plan once, fill many. Without any network there are no outputs.
        """
        found: list[dict[str, np.ndarray]] = []
        batch: list[dict[str, np.ndarray]] = []
        edges = 0
        for graph, flat in networks:
            structure = self._structure(graph)
            if batch and edges + structure.num_edges > MAX_EDGES:
                found.append(self._answer(batch))
                batch, edges = [], 0
            batch.append(raw_columns(structure, flat))
            edges += structure.num_edges
        if batch:
            found.append(self._answer(batch))
        return {name: np.concatenate([part[name] for part in found]) for name in (found[0] if found else ())}

    @property
    def tells_distance(self) -> bool:
        """Whether the metanetwork came with its distances: exports do that were made with their zoo."""
        return bool(self.metadata.get("distance"))

    def _structure(self, graph: ParameterGraph) -> Structure:
        if graph not in self._structures:
            self._structures[graph] = Structure.of(graph, channels=self._num_channels)
        return self._structures[graph]

    def _answer(self, batch: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        import tensorflow as tf

        answer = self._raw(**{name: tf.constant(column) for name, column in merge(batch).items()})
        return {name: value.numpy() for name, value in answer.items()}


class Predictor(Judge):
    """Predicts the test accuracy of Keras models from their weights alone. Made by `gmn_tf.load`.

    Arguments and attributes as of `Judge`.
    """

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
        accuracies = self.predict(models, architecture=architecture).accuracy
        return accuracies if isinstance(models, (list, tuple)) else accuracies[0]

    def predict(self, models: Any, *, architecture: Any = None) -> Prediction:
        """Predicted accuracies, and how far each model lies from the training networks.

        Arguments and errors as of a call; the arrays have one entry per model, also for a single one.
        """
        networks = Networks(architecture)
        each = models if isinstance(models, (list, tuple)) else [models]
        return self.predict_graphs(networks.read(model) for model in each)

    def predict_graphs(self, networks: Iterable[tuple[ParameterGraph, np.ndarray]]) -> Prediction:
        """The same of networks given as (parameter graph, flat weights): plan once, fill many.

        ```python
        graph = gmn_tf.ParameterGraph.from_keras(model)
        judge.predict_graphs([(graph, graph.flatten(model))])
        ```
        """
        answers, empty = self.answers(networks), np.zeros(0, np.float32)
        accuracy = answers.get(serving.OUTPUT, empty)
        if not self.tells_distance:
            return Prediction(accuracy)
        distance = answers.get(serving.DISTANCE, empty)
        return Prediction(accuracy, distance, percentile(distance, self.metadata["distance"]))


class Networks:
    """Graphs and flat weights of models and of files; an architecture given is planned once."""

    def __init__(self, architecture: Any) -> None:
        self._reader: WeightsReader | None = None
        if architecture is not None:
            if isinstance(architecture, (str, os.PathLike)):
                architecture = load_keras_model(architecture)
            self._template = architecture
            self._graph = ParameterGraph.from_keras(architecture)
            self._reader = WeightsReader(architecture)

    def read(self, model: Any) -> tuple[ParameterGraph, np.ndarray]:
        """The graph and the flat weights of a model or file; errors as of `Predictor.__call__`."""
        return self.open(model)[1:]

    def open(self, model: Any) -> tuple[Any, ParameterGraph, np.ndarray]:
        """The same, with a Keras model of this architecture before them (whose weights may be others)."""
        if isinstance(model, (str, os.PathLike)):
            if self._reader is not None and Path(model).suffix.lower() != ".keras":
                return self._template, self._graph, self._graph.flatten(self._reader(model))
            model = load_keras_model(model)
        graph = ParameterGraph.from_keras(model)
        return model, graph, graph.flatten(model)


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
