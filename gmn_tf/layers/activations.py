"""The functions that activation labels of nodes stand for, applied node by node."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from gmn_tf.graph.schema import Activation

LARGEST = 1e9
"""Node values are cut off here, so that a diverged network's stay finite."""

_LARGEST_EXPONENT = 20.0

FUNCTIONS: dict[Activation, Callable[[tf.Tensor], tf.Tensor]] = {
    Activation.LINEAR: lambda x: x,
    Activation.RELU: tf.nn.relu,
    Activation.RELU6: tf.nn.relu6,
    Activation.ELU: tf.nn.elu,
    Activation.SELU: tf.nn.selu,
    Activation.CELU: tf.nn.elu,
    Activation.GELU: tf.nn.gelu,
    Activation.SILU: tf.nn.silu,
    Activation.SIGMOID: tf.nn.sigmoid,
    Activation.HARD_SIGMOID: lambda x: tf.nn.relu6(x + 3.0) / 6.0,
    Activation.HARD_SILU: lambda x: x * tf.nn.relu6(x + 3.0) / 6.0,
    Activation.TANH: tf.tanh,
    Activation.HARD_TANH: lambda x: tf.clip_by_value(x, -1.0, 1.0),
    Activation.SOFTPLUS: tf.nn.softplus,
    Activation.SOFTSIGN: tf.nn.softsign,
    Activation.EXPONENTIAL: lambda x: tf.exp(tf.minimum(x, _LARGEST_EXPONENT)),
    Activation.MISH: lambda x: x * tf.tanh(tf.nn.softplus(x)),
    Activation.SINE: tf.sin,
    Activation.COSINE: tf.cos,
    Activation.ABSOLUTE: tf.abs,
    Activation.SQUARE: tf.square,
}
"""What is left out has constants of its own that the graph does not hold (leaky ReLU, thresholds)."""

OVER_LAYER = (Activation.SOFTMAX, Activation.LOG_SOFTMAX)
"""Functions of all nodes of a layer."""


def activate(
    sums: tf.Tensor,
    labels: tf.Tensor,
    *,
    layer: tf.Tensor,
    num_layers: int | tf.Tensor,
    sine_frequency: float = 1.0,
) -> tf.Tensor:
    """What nodes make of the sums that reach them, [N, K] to [N, K]; 0 for a label without a function.

    Args:
        sums: float [N, K].
        labels: int32 [N], `Activation`s; where a label stands for a family of functions (RELU6, ELU, CELU,
            GELU), Keras' default is meant.
        layer: int32 [N], which layer of which network a node is in, for softmax.
        num_layers: bound of `layer`.
        sine_frequency: factor of the argument of SINE, as in `sin(30 * (W x + b))`.
    """
    result = tf.zeros_like(sums)
    labels = labels[:, tf.newaxis]
    for label, function in FUNCTIONS.items():
        here = labels == int(label)
        # Elsewhere the function runs on 0, so that no slope there can be infinite.
        argument = tf.where(here, sums, 0.0)
        if label == Activation.SINE and sine_frequency != 1.0:
            argument *= sine_frequency
        result += tf.where(here, function(argument), 0.0)
    normalised = (labels == int(Activation.SOFTMAX)) | (labels == int(Activation.LOG_SOFTMAX))
    logs = _log_softmax(sums, normalised, layer, num_layers)
    result += tf.where(labels == int(Activation.SOFTMAX), tf.exp(logs), 0.0)
    result += tf.where(labels == int(Activation.LOG_SOFTMAX), logs, 0.0)
    return tf.clip_by_value(result, -LARGEST, LARGEST)


def _log_softmax(
    logits: tf.Tensor, there: tf.Tensor, layer: tf.Tensor, num_layers: int | tf.Tensor
) -> tf.Tensor:
    """Over the nodes of each layer that are `there` (bool [N, 1]); 0 for others."""
    own = tf.where(there[:, 0], layer, -1)  # what is nowhere is left out of segments
    logits = tf.where(there, logits, 0.0)
    largest = tf.math.unsorted_segment_max(tf.stop_gradient(logits), own, num_layers)
    shifted = logits - tf.where(there, tf.gather(largest, layer), 0.0)
    total = tf.math.unsorted_segment_sum(tf.exp(shifted), own, num_layers)
    return shifted - tf.math.log(tf.where(there, tf.gather(total, layer), 1.0))
