"""A classifier ready to use: Keras models in, probabilities of classes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from gmn_tf import serving
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.predictor import Judge, Networks


@dataclasses.dataclass(frozen=True)
class Classes:
    """What a classifier says of n networks.

    Attributes:
        probabilities: float32 [n, classes].
        distance: how far each lies from the training networks, float32 [n], see
            `gmn_tf.training_distance.TrainingDistance`. `None` where the metanetwork does not tell.
    """

    probabilities: np.ndarray
    distance: np.ndarray | None = None

    @property
    def labels(self) -> np.ndarray:
        """The most probable class of each, int64 [n]."""
        return self.probabilities.argmax(axis=1)


class Classifier(Judge):
    """Says of what class Keras models are from their weights alone: what INRs depict. Made by `gmn_tf.load`.

    ```python
    classifier = gmn_tf.load("savedmodels/...")
    classifier(["a.keras", "b.keras"])         # float32 [2, classes]
    classifier.predict(["a.keras"]).labels     # int64 [1]
    ```

    Arguments and attributes as of `gmn_tf.predictor.Judge`.
    """

    def __call__(self, models: Any, *, architecture: Any = None) -> np.ndarray:
        """Probabilities float32 [number of models, classes], [classes] for one model.

        Arguments and errors as of `gmn_tf.predictor.Predictor.__call__`.
        """
        found = self.predict(models, architecture=architecture).probabilities
        return found if isinstance(models, (list, tuple)) else found[0]

    def predict(self, models: Any, *, architecture: Any = None) -> Classes:
        """Probabilities and distances of each model, one entry per model also for a single one."""
        networks = Networks(architecture)
        each = models if isinstance(models, (list, tuple)) else [models]
        return self.predict_graphs(networks.read(model) for model in each)

    def predict_graphs(self, networks: Iterable[tuple[ParameterGraph, np.ndarray]]) -> Classes:
        """The same of networks given as (parameter graph, flat weights)."""
        answers = self.answers(networks)
        number = int(self.metadata["training"]["task_options"]["num_classes"])
        empty = np.zeros((0, number), np.float32)
        distance = answers.get(serving.DISTANCE) if self.tells_distance else None
        return Classes(answers.get(serving.PROBABILITIES, empty), distance)
