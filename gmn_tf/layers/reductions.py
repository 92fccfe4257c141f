"""How a node reduces the messages that reach it, written as sums over edges.

Sums can be taken over one chunk of edges after the other and over devices, in any order; so every
reduction here is a function of sums: a mean is a sum over the degree, attention is a weighted sum over
the sum of the weights. A maximum is found beforehand; its gradient is that of the mean of the messages
that attain it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from gmn_tf.errors import SchemaError

REDUCE_TYPES = ("mean", "sum", "fan_in", "max", "attention")

_LARGEST_LOGIT = 5.0
"""Attention logits are bounded to +-5, as GRIT (Ma et al. 2023) bounds them: no exponential overflows,
so that no maximum has to be known before the first sum."""

_TIE = 1e-5
"""Messages this close to the maximum, relative to it, share its gradient: passes may round differently."""


def reduce_types(reduce_type: str) -> list[str]:
    """The names in `reduce_type`, which is one of `REDUCE_TYPES` or several joined by "|".

    Raises:
        SchemaError: another name is among them.
    """
    names = reduce_type.split("|")
    if not all(name in REDUCE_TYPES for name in names):
        raise SchemaError(
            f"received reduce_type={reduce_type!r}, expected one of {', '.join(REDUCE_TYPES)} "
            "or several joined by '|'"
        )
    return names


def empty_sums(
    names: list[str], num_nodes: int | tf.Tensor, dim: int, num_heads: int
) -> dict[str, tf.Tensor]:
    """Zeros of the sums that `edge_sums` gives, float32 [num_nodes, .] by name."""
    widths = {}
    if {"mean", "sum", "fan_in"} & set(names):
        widths["sum"] = dim
    if "max" in names:
        widths |= {"attaining": dim, "attained": dim}
    if "attention" in names:
        widths |= {"weighted": dim, "weight": num_heads}
    return {name: tf.zeros([num_nodes, width]) for name, width in widths.items()}


def edge_sums(
    names: list[str],
    messages: tf.Tensor,
    total: Callable[[tf.Tensor], tf.Tensor],
    *,
    logits: tf.Tensor | None = None,
    maximum: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Sums over edges, by name.

    Args:
        names: as of `reduce_types`.
        messages: float [K, dim].
        total: sums [K, .] over the edges at each node, [N, .].
        logits: float [K, heads], for "attention".
        maximum: float32 [K, dim], for "max": the largest message at the node that an edge sends to.
    """
    messages = tf.cast(messages, tf.float32)
    sums = {}
    if {"mean", "sum", "fan_in"} & set(names):
        sums["sum"] = total(messages)
    if "max" in names:
        assert maximum is not None
        attains = tf.cast(messages >= maximum - _TIE * tf.abs(maximum), messages.dtype)
        sums |= {"attaining": total(messages * attains), "attained": total(attains)}
    if "attention" in names:
        assert logits is not None
        weight = tf.exp(_LARGEST_LOGIT * tf.tanh(tf.cast(logits, tf.float32) / _LARGEST_LOGIT))
        sums |= {"weighted": total(by_head(messages, weight)), "weight": total(weight)}
    return sums


def reduce(
    names: list[str],
    sums: Mapping[str, tf.Tensor],
    degree: tf.Tensor,
    *,
    maximum: tf.Tensor | None = None,
) -> tf.Tensor:
    """From sums over all edges to the reductions, [N, dim * len(names)]; 0 where no edge ends.

    Args:
        degree: float32 [N, 1], edges at each node.
        maximum: float32 [N, dim], for "max".
    """
    at_least_one = tf.maximum(degree, 1.0)
    reduced = []
    for name in names:
        if name == "max":
            assert maximum is not None
            attained = sums["attaining"] / tf.maximum(sums["attained"], 1.0)
            reduced.append(maximum + attained - tf.stop_gradient(attained))
        elif name == "attention":
            inverse = tf.math.reciprocal_no_nan(sums["weight"])
            reduced.append(by_head(sums["weighted"], inverse))
        elif name == "mean":
            reduced.append(sums["sum"] / at_least_one)
        elif name == "fan_in":
            reduced.append(sums["sum"] * tf.math.rsqrt(at_least_one))
        else:
            reduced.append(sums["sum"])
    return reduced[0] if len(reduced) == 1 else tf.concat(reduced, axis=-1)


def by_head(values: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """[n, dim] times [n, heads]: each head's share of the columns by its own factor."""
    heads = factor.shape[-1]
    if heads == 1:
        return values * factor
    split = tf.reshape(values, [-1, heads, values.shape[-1] // heads]) * factor[:, :, tf.newaxis]
    return tf.reshape(split, [-1, values.shape[-1]])
