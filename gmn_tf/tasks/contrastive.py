"""Contrastive learning: two changed views of a network shall lie together, and apart from all others.

SimCLR's loss (Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations",
section 2.1, "NT-Xent") on projections of networks, as Navon et al. 2023 and Lim et al. 2024 learn
representations of INRs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PADDING = 0.0
"""Number of what is no network; those of networks are others."""


def nt_xent(projections: Any, numbers: Any, *, temperature: float) -> Any:
    """Each view's loss, float [rows], in TensorFlow.

        l_i = mean over its positives j of  -log( exp(s_ij / t) / sum_{k != i} exp(s_ik / t) )

    s is the cosine of two projections; positives of a view are the other views of its network. Rows of
    padding have loss 0 and are nobody's negatives; so has a view without positives.

    Args:
        projections: float [rows, dim].
        numbers: float or int [rows], equal for views of one network; `PADDING` for no network.
        temperature: t, more than 0.
    """
    import tensorflow as tf

    unit = tf.math.l2_normalize(tf.cast(projections, tf.float32), axis=-1, epsilon=1e-12)
    numbers = tf.cast(tf.reshape(numbers, [-1]), tf.float32)
    real = numbers != PADDING
    others = real[tf.newaxis] & real[:, tf.newaxis] & ~tf.eye(tf.shape(unit)[0], dtype=tf.bool)
    positive = tf.cast(others & (numbers[:, tf.newaxis] == numbers[tf.newaxis]), tf.float32)
    cosine = tf.matmul(unit, unit, transpose_b=True) / temperature
    # Cosines are at most 1, so 1 / temperature is never less than the largest.
    powers = tf.where(others, tf.exp(cosine - 1.0 / temperature), tf.zeros_like(cosine))
    total = tf.reduce_sum(powers, axis=1)
    normaliser = tf.math.log(tf.where(total > 0, total, tf.ones_like(total))) + 1.0 / temperature
    count = tf.reduce_sum(positive, axis=1)
    pull = tf.math.divide_no_nan(tf.reduce_sum(cosine * positive, axis=1), count)
    return tf.where(count > 0, normaliser - pull, tf.zeros_like(pull))


def loss(units: int, *, temperature: float) -> Any:
    """The tf_keras loss of one replica's components: `sum_c weight_c * l_c`.

    Targets are the networks' numbers, `PADDING` for components whose weight is 0. Projections are
    [components, members * units]: every member of a readout is taught by itself, their mean counts.

    Args:
        units: width of one projection.
        temperature: of `nt_xent`.
    """
    import tensorflow as tf
    import tf_keras

    class MembersContrast(tf_keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            members = y_pred.shape[-1] // units
            parts = tf.split(y_pred, members, axis=-1)
            return tf.add_n([nt_xent(part, y_true, temperature=temperature) for part in parts]) / members

    return MembersContrast(reduction=tf_keras.losses.Reduction.SUM, name="nt_xent")


def figures(views: np.ndarray, *, temperature: float, batch_size: int = 256) -> dict[str, float]:
    """How well views of networks find each other.

    Args:
        views: projections float [n, views, dim].
        temperature: of `nt_xent`.
        batch_size: networks that are each other's negatives; a last part of 1 is left out.

    Returns:
        {"loss": mean of `nt_xent` over all views, "retrieval": share of the views whose nearest other view in
        the batch is of the same network}; loss is infinite where projections are not finite.
    """
    if not np.isfinite(views).all():
        return {"loss": float("inf"), "retrieval": float("nan")}
    losses, found = [], []
    for start in range(0, len(views), batch_size):
        part = np.asarray(views[start : start + batch_size], np.float32)
        if len(part) < 2:
            continue
        rows = part.reshape(-1, part.shape[-1])
        numbers = np.repeat(np.arange(1, len(part) + 1), part.shape[1])  # 0 is no network
        losses.append(np.asarray(nt_xent(rows, numbers, temperature=temperature)))
        unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        cosine = unit @ unit.T
        np.fill_diagonal(cosine, -np.inf)
        found.append(numbers[cosine.argmax(axis=1)] == numbers)
    if not losses:
        return {"loss": float("nan"), "retrieval": float("nan")}
    return {
        "loss": float(np.concatenate(losses).mean()),
        "retrieval": float(np.concatenate(found).mean()),
    }
