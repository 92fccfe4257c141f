"""Normalisation of edge features by statistics of their (type, layer) over a training set."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.label_statistics import NUM_EDGE_TYPES, normalization_tables
from gmn_tf.layers.names import PACKAGE


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class LabelNormalizer(tf.keras.layers.Layer):
    """`(x - mean[type, layer]) / deviation[type, layer]`, the identity until it has been adapted.

    The tables are non-trainable weights, saved and loaded with the others. Edges without a parameter
    pass unchanged. Values must be finite: refuse others before they come here.

    Call arguments:
        inputs: (edge_type int32 [n], layer int32 [n], values float32 [n, num_features]).
    Call returns:
        float32 [n, num_features].
    """

    def __init__(self, num_features: int = 1, *, max_layers: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_features, self.max_layers = num_features, max_layers
        shape = (NUM_EDGE_TYPES * max_layers, num_features)
        self.mean = self.add_weight("mean", shape, initializer="zeros", trainable=False)
        self.deviation = self.add_weight("deviation", shape, initializer="ones", trainable=False)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_features": self.num_features, "max_layers": self.max_layers}

    def set_statistics(self, count: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
        """Sets the tables from [types, layers] counts and [types, layers, features] moments.

        Raises:
            SchemaError: the arrays have other shapes than this layer's tables, or are not finite.
        """
        shape = (NUM_EDGE_TYPES, self.max_layers, self.num_features)
        if np.shape(count) != shape[:2] or np.shape(mean) != shape or np.shape(variance) != shape:
            raise SchemaError(
                f"received statistics of shapes {np.shape(count)}, {np.shape(mean)}, "
                f"{np.shape(variance)}, expected {shape[:2]}, {shape}, {shape}: collect them with "
                f"LabelStatistics({self.num_features}, max_layers={self.max_layers})"
            )
        if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
            raise SchemaError(
                "received statistics that are not finite, expected finite weights: leave out "
                "the networks whose weights are NaN or infinite"
            )
        new_mean, new_deviation = normalization_tables(count, mean, variance)
        self.mean.assign(new_mean.reshape(self.mean.shape))
        self.deviation.assign(new_deviation.reshape(self.deviation.shape))

    def deviations(self, edge_type: tf.Tensor, layer: tf.Tensor) -> tf.Tensor:
        """The deviation that each row is divided by, [n, num_features]; no gradient."""
        return tf.gather(tf.stop_gradient(self.deviation), self._cell(edge_type, layer))

    def _cell(self, edge_type: tf.Tensor, layer: tf.Tensor) -> tf.Tensor:
        layer = tf.clip_by_value(layer, 0, self.max_layers - 1)
        return tf.clip_by_value(edge_type, 0, NUM_EDGE_TYPES - 1) * self.max_layers + layer

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        edge_type, layer, values = inputs
        cell = self._cell(edge_type, layer)
        # One gather instead of two: x * scale + shift.
        scale = 1.0 / self.deviation
        table = tf.concat([scale, -self.mean * scale], axis=-1)
        row = tf.gather(tf.stop_gradient(table), cell)
        return values * row[:, : self.num_features] + row[:, self.num_features :]


def stepped(answer: tf.Tensor, graph: tfgnn.GraphTensor, step: Any, normalizer: LabelNormalizer) -> tf.Tensor:
    """Answers per edge as changes of its values: times a learnt step and the values' deviations.

    Args:
        answer: [E, units]; with as many units as values each has its value's deviation, else all have that
            of the first.
        graph: whose edges they are for.
        step: scalar variable; None leaves the answers as they are.
        normalizer: of the values.
    """
    if step is None:
        return answer
    edges = graph.edge_sets[schema.EDGE_SET]
    deviations = normalizer.deviations(edges[schema.TYPE], edges[schema.LAYER])
    if answer.shape[-1] != normalizer.num_features:
        deviations = deviations[:, :1]
    return answer * tf.cast(step, answer.dtype) * tf.cast(deviations, answer.dtype)
