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


class AnswersHead(tf.keras.Model):
    """An MLP with dropout on a network's answers.

    Args:
        num_answers: numbers per network.
        hidden_dim: width of its two hidden layers.
        dropout_rate: of what they read and of their units (half of it of the answers).

    Call arguments:
        answers: float32 [components, num_answers].
    Call returns:
        Logits float32 [components, 1].
    """

    def __init__(self, num_answers: int, *, hidden_dim: int, dropout_rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        layers = tf.keras.layers
        self.num_answers = num_answers
        self.standardize = Standardize(num_answers, name="standardize")
        start = tf.keras.initializers.RandomNormal(stddev=0.01)
        self._chain = [layers.Dropout(dropout_rate / 2)]
        for number in range(2):
            self._chain += [layers.Dense(hidden_dim, "relu", name=f"hidden_{number}")]
            self._chain += [layers.Dropout(dropout_rate)]
        self._chain.append(layers.Dense(1, kernel_initializer=start, name="output"))
        self(tf.zeros([1, num_answers]))

    def call(self, answers: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        state = self.standardize(answers)
        for layer in self._chain:
            state = (
                layer(state, training=training)
                if isinstance(layer, tf.keras.layers.Dropout)
                else layer(state)
            )
        return state


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
