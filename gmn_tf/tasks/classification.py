"""Classification: which class the function of a network belongs to, such as the digit that an INR depicts.

The metanetwork gives a logit per class, softmax of them are the probabilities, and the loss is the
cross-entropy of the true class, averaged over the real networks of the global batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gmn_tf.errors import ZooError

LABEL_COLUMN = "label"
"""Column of the zoo's table that is predicted: whole numbers from 0."""


def labels(table: dict[str, np.ndarray], indices: np.ndarray) -> np.ndarray:
    """Classes int64 [n] of the networks `indices`.

    Raises:
        ZooError: the column is missing, or a value is no class.
    """
    if LABEL_COLUMN not in table:
        raise ZooError(
            f"received a zoo without the column {LABEL_COLUMN}, expected the classes of what its networks "
            "depict, such as a zoo of INRs of MNIST has them"
        )
    values = np.asarray(table[LABEL_COLUMN])[indices]
    wrong = (
        np.ones(len(values), bool)
        if values.dtype.kind not in "iuf"
        else ~((values >= 0) & (values == np.floor(values)))
    )
    if wrong.any():
        where = int(np.asarray(indices)[wrong][0])
        raise ZooError(
            f"received {LABEL_COLUMN} {values[wrong][0]} for network {where} of the zoo, expected a whole "
            "number from 0"
        )
    return values.astype(np.int64)


def num_classes(table: dict[str, np.ndarray]) -> int:
    """One more than the largest class of the table; errors as of `labels`."""
    known = labels(table, np.arange(len(table["network"])))
    return int(known.max(initial=0)) + 1


def loss(number: int) -> Any:
    """The tf_keras loss of one replica's components: `sum_c weight_c * CE(label_c, logits_c)`.

    Logits are [components, members * number]: every member of a readout is taught by itself, their mean
    counts. Weights as of `gmn_tf.tasks.accuracy.loss`.

    Args:
        number: of classes.
    """
    import tensorflow as tf
    import tf_keras

    class MembersCrossEntropy(tf_keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            logits = tf.reshape(y_pred, [tf.shape(y_pred)[0], -1, number])
            label = tf.cast(tf.reshape(y_true, [-1, 1]), tf.int32)
            label = tf.broadcast_to(label, tf.shape(logits)[:2])
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits)
            return tf.reduce_mean(each, axis=1)

    return MembersCrossEntropy(reduction=tf_keras.losses.Reduction.SUM, name="cross_entropy")


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64, without overflow."""
    logits = np.asarray(logits, np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def logits(probability: np.ndarray, *, smallest: float = 1e-6) -> np.ndarray:
    """Logits whose softmax gives the probabilities, of which none counts as less than `smallest`."""
    return np.log(np.maximum(np.asarray(probability, np.float64), smallest))


def cross_entropy(label: np.ndarray, logit: np.ndarray) -> float:
    """Mean of `-log softmax(logits)[label]` over classes [n] and logits [n, classes]."""
    z = np.asarray(logit, np.float64)
    largest = z.max(axis=-1, keepdims=True)
    normaliser = np.log(np.exp(z - largest).sum(axis=-1)) + largest[:, 0]
    return float(np.mean(normaliser - z[np.arange(len(z)), np.asarray(label, np.int64)]))


def confusion(label: np.ndarray, predicted: np.ndarray, number: int) -> np.ndarray:
    """How often class i was taken for class j, int64 [number, number]."""
    place = np.asarray(label, np.int64) * number + np.asarray(predicted, np.int64)
    return np.bincount(place, minlength=number * number).reshape(number, number)
