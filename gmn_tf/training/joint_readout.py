"""One answer from a network's graph and from what it says to inputs: a head, and its correction."""

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


def answers_head(num_answers: int, *, hidden_dim: int, dropout_rate: float) -> tf.keras.Sequential:
    """An MLP from a network's answers [components, num_answers] to logits [components, 1].

    Args:
        num_answers: numbers per network.
        hidden_dim: width of its two hidden layers.
        dropout_rate: of their units; half of it of the answers.

    Returns:
        A built model; its first layer is a `Standardize` to be adapted.
    """
    layers = tf.keras.layers
    head = tf.keras.Sequential(
        [
            Standardize(num_answers, name="standardize"),
            layers.Dropout(dropout_rate / 2),
            layers.Dense(hidden_dim, "relu"),
            layers.Dropout(dropout_rate),
            layers.Dense(hidden_dim, "relu"),
            layers.Dropout(dropout_rate),
            layers.Dense(1, kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.01)),
        ],
        name="head",
    )
    head.build((None, num_answers))
    return head


class JointReadout(tf.keras.Model):
    """A logit that is given, corrected by a metanetwork.

    Args:
        metanetwork: of one unit; its answer is added times a learnt factor that starts at 0, so that the
            whole starts as what is given.

    Call arguments:
        inputs: (GraphTensor, logits float32 [components, 1]).
    Call returns:
        float32 [components, 1].
    """

    def __init__(self, metanetwork: GraphMetanetwork, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metanetwork = metanetwork
        self._step = self.add_weight("step", (), initializer="zeros")
        self((smallest_graph(metanetwork.num_channels), tf.zeros([1, 1])))

    def call(self, inputs: tuple[Any, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        graph, given = inputs
        correction = self.metanetwork(graph, training=training)
        return given + self._step * tf.reduce_mean(correction, axis=-1, keepdims=True)
