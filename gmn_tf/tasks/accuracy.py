"""Accuracy prediction: what the metanetwork is taught, and how a padded batch is scored.

The metanetwork gives one logit per network, `sigmoid(logit)` is the predicted accuracy, and the loss
is the binary cross-entropy between it and the measured accuracy (Lim et al. 2024, section 5.1),
summed over the real networks of the global batch and divided by their number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gmn_tf.errors import ZooError

TASK = "accuracy"

TARGET_COLUMN = "test_accuracy"
"""Column of the zoo's table that is predicted."""


def targets(table: dict[str, np.ndarray], indices: np.ndarray) -> np.ndarray:
    """Measured accuracies [n] of the networks `indices`, float32 in [0, 1].

    Raises:
        ZooError: the column is missing, or a value is not an accuracy.
    """
    if TARGET_COLUMN not in table:
        raise ZooError(
            f"received a zoo without the column {TARGET_COLUMN}, expected measured accuracies in it"
        )
    values = np.asarray(table[TARGET_COLUMN], np.float32)[indices]
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        where = int(np.asarray(indices)[wrong][0])
        raise ZooError(
            f"received {TARGET_COLUMN} {values[wrong][0]} for network {where} of the zoo, "
            "expected a share between 0 and 1"
        )
    return values


def loss() -> Any:
    """The tf_keras loss of one replica's components.

    `sum_c weight_c * BCE(target_c, sigmoid(logit_c))`. The pipeline gives each real network the weight
    1 / (real networks in the GLOBAL batch) and each padding component 0, and replicas' gradients are
    added, so that the loss is the mean over the real networks of all replicas whatever their number.
    """
    import tensorflow as tf
    import tf_keras

    class MembersCrossEntropy(tf_keras.losses.BinaryCrossentropy):
        """Every column of the logits (a member of the readout) is taught the same target; their mean."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return super().call(tf.broadcast_to(tf.reshape(y_true, [-1, 1]), tf.shape(y_pred)), y_pred)

    return MembersCrossEntropy(from_logits=True, reduction=tf_keras.losses.Reduction.SUM, name="bce")


def probability(logits: np.ndarray) -> np.ndarray:
    """Predicted accuracies from logits of any shape, in float64 without overflow."""
    logits = np.asarray(logits, np.float64)
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def logit(probabilities: np.ndarray, *, smallest: float = 1e-4) -> np.ndarray:
    """The inverse of `probability`, of predictions held `smallest` away from 0 and 1."""
    p = np.clip(np.asarray(probabilities, np.float64), smallest, 1.0 - smallest)
    return np.log(p) - np.log1p(-p)


def cross_entropy(target: np.ndarray, logits: np.ndarray) -> float:
    """Mean binary cross-entropy of accuracies [n] under logits [n], as `loss` computes it."""
    y, z = np.asarray(target, np.float64), np.asarray(logits, np.float64)
    return float(np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))))
