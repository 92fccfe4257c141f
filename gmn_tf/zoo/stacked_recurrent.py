"""Recurrent layers of N networks of one architecture at once, their steps unrolled, for TensorFlow graphs.

Sequences are [N, time, B, features] here: the inputs of all steps are projected by one batched matrix
product, and each step reads one slice. Gates, biases and their order are those of Keras' layers.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.zoo.stacked import ACTIVATIONS
from gmn_tf.zoo.stacked_sequences import Weights, dense


def recurrent_layer(
    x: Any, weights: Weights, *, cell: str, activation: str, both_ways: bool, sequences: bool
) -> Any:
    """A recurrent layer, or `keras.layers.Bidirectional` of it (concatenated).

    Args:
        x: [N, time, B, features].
        weights: kernel, recurrent kernel and bias of the layer; twice if `both_ways`.
        cell: "simple" (SimpleRNN), "gru" (GRU with `reset_after`) or "lstm" (LSTM).
        activation: of a simple cell; the others have their own.
        both_ways: a second layer of its own weights reads the sequence from its end.
        sequences: all states are returned, not the last one alone.

    Returns:
        [N, time, B, units], or [N, B, units] without `sequences`; twice the units if `both_ways`.
    """
    directions = [[weights.next() for _ in range(3)] for _ in range(1 + both_ways)]
    # Both directions are networks of one group, one after the other along N.
    kernel, recurrent_kernel, bias = (tf.concat(parts, axis=0) for parts in zip(*directions, strict=True))
    if both_ways:
        x = tf.concat([x, tf.reverse(x, [1])], axis=0)
    states = _STEPS[cell](x, kernel, recurrent_kernel, bias, activation)
    y = tf.stack(states, axis=1) if sequences else states[-1]
    if not both_ways:
        return y
    forward, backward = tf.split(y, 2, axis=0)
    return tf.concat([forward, tf.reverse(backward, [1]) if sequences else backward], axis=-1)


def _simple(x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, activation: str) -> list[Any]:
    """h' = activation(x K + b + h R)."""
    function = ACTIVATIONS[activation]
    states: list[Any] = []
    for step in tf.unstack(dense(x, kernel, bias), axis=1):  # each [N, B, units]
        states.append(function(step + tf.matmul(states[-1], recurrent_kernel) if states else step))
    return states


def _gru(x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, activation: str) -> list[Any]:
    """Gates update and reset, candidate; bias [N, 2, 3 units], of the input and of the state."""
    units = recurrent_kernel.shape[1]
    state = tf.zeros([tf.shape(x)[0], tf.shape(x)[2], units])
    states = []
    for step in tf.unstack(dense(x, kernel, bias[:, 0]), axis=1):  # each [N, B, 3 units]
        inner = tf.matmul(state, recurrent_kernel) + bias[:, 1, tf.newaxis]
        update, reset = tf.split(tf.sigmoid(step[..., : 2 * units] + inner[..., : 2 * units]), 2, axis=-1)
        candidate = tf.tanh(step[..., 2 * units :] + reset * inner[..., 2 * units :])
        state = update * state + (1.0 - update) * candidate
        states.append(state)
    return states


def _lstm(x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, activation: str) -> list[Any]:
    """Gates input and forget, candidate, gate output."""
    units = recurrent_kernel.shape[1]
    state = carry = tf.zeros([tf.shape(x)[0], tf.shape(x)[2], units])
    states = []
    for step in tf.unstack(dense(x, kernel, bias), axis=1):  # each [N, B, 4 units]
        parts = tf.split(step + tf.matmul(state, recurrent_kernel), 4, axis=-1)
        into, forget, out = (tf.sigmoid(parts[i]) for i in (0, 1, 3))
        carry = forget * carry + into * tf.tanh(parts[2])
        state = out * tf.tanh(carry)
        states.append(state)
    return states


_STEPS = {"simple": _simple, "gru": _gru, "lstm": _lstm}
