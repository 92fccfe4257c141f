"""One answer from a metanetwork's representation of a network and from numbers that describe it."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.models.graph_metanetwork import GraphMetanetwork
from gmn_tf.models.smallest import smallest_graph


class Standardize(tf.keras.layers.Layer):
    """(x - mean) / deviation of each column, as `adapt` found them; cut to 10 deviations."""

    _MOST = 10.0

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._mean = self.add_weight("mean", (size,), initializer="zeros", trainable=False)
        self._deviation = self.add_weight("deviation", (size,), initializer="ones", trainable=False)

    def adapt(self, rows: np.ndarray) -> None:
        """Takes mean and deviation from rows [n, size]."""
        self._mean.assign(rows.mean(axis=0))
        self._deviation.assign(np.maximum(rows.std(axis=0), 1e-3))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value((x - self._mean) / self._deviation, -self._MOST, self._MOST)


class JointReadout(tf.keras.Model):
    """Logits from [metanetwork's last hidden layers; MLP of the network's answers].

    Args:
        metanetwork: read by `GraphMetanetwork.represent`.
        num_answers: numbers per network beside its graph.
        num_channels: of the metanetwork.
        hidden_dim: width of the MLP's two layers.
        dropout_rate: of their units, and of the metanetwork's hidden layers.

    Call arguments:
        inputs: (GraphTensor, answers float32 [components, num_answers]).
    Call returns:
        float32 [components, 1].
    """

    def __init__(
        self,
        metanetwork: GraphMetanetwork,
        *,
        num_answers: int,
        num_channels: int,
        hidden_dim: int = 128,
        dropout_rate: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        layers = tf.keras.layers
        self.metanetwork, self.num_answers = metanetwork, num_answers
        self.answers = Standardize(num_answers, name="answers")
        self._dropout = layers.Dropout(dropout_rate)
        self._hidden = [layers.Dense(hidden_dim, "relu", name=f"hidden_{n}") for n in range(2)]
        start = tf.keras.initializers.RandomNormal(stddev=0.01)
        self._output = layers.Dense(1, kernel_initializer=start, name="output")
        graph = smallest_graph(num_channels)
        self((graph, tf.zeros([1, num_answers])))

    def call(self, inputs: tuple[Any, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        graph, answers = inputs
        says = self.answers(answers)
        for layer in self._hidden:
            says = self._dropout(layer(says), training=training)
        own, hidden = self.metanetwork.represent(graph)
        hidden = self._dropout(tf.cast(hidden, says.dtype), training=training)
        return self._output(tf.concat([says, hidden], axis=-1)) + tf.cast(own, says.dtype)
