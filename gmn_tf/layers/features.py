"""Smooth features of depths and counts, and buckets of positions: plain functions of tensors."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema

NUM_EDGE_TYPES = len(schema.EdgeType)
NUM_NODE_TYPES = len(schema.NodeType)
NUM_ACTIVATIONS = len(schema.Activation)

_COARSE = 3


def depth_features(depth: tf.Tensor, num_frequencies: int = 4) -> tf.Tensor:
    """Fourier features of a relative depth in [0, 1]: [n] to [n, 1 + 2 * num_frequencies].

    The depth itself, then cos and sin of pi * k * depth for k = 1 ... num_frequencies.
    """
    frequencies = math.pi * tf.range(1, num_frequencies + 1, dtype=depth.dtype)
    angles = depth[:, tf.newaxis] * frequencies
    return tf.concat([depth[:, tf.newaxis], tf.cos(angles), tf.sin(angles)], axis=-1)


def log_count(count: tf.Tensor) -> tf.Tensor:
    """`log(1 + count) / 4`, of order one for counts from 1 to millions; float32 [n] to [n, 1]."""
    return tf.math.log1p(tf.cast(count, tf.float32))[:, tf.newaxis] / 4.0


def position_bucket(position: tf.Tensor, num_buckets: int) -> tf.Tensor:
    """Buckets of a coordinate: 0 for none, one each for 0, 1, 2, ..., the last three ever coarser.

    With 12 buckets: -1 -> 0; 0 ... 7 -> 1 ... 8; 8 ... 15 -> 9; 16 ... 31 -> 10; from 32 on -> 11.
    """
    exact = num_buckets - 1 - _COARSE
    coarse = sum(tf.cast(position >= exact * 2**k, position.dtype) for k in range(1, _COARSE))
    return tf.where(position < exact, tf.maximum(position, schema.NO_POSITION) + 1, exact + 1 + coarse)


def num_components(graph: object) -> int | tf.Tensor:
    """How many components a scalar GraphTensor has: a static int where it is known."""
    sizes = graph.node_sets[schema.NODE_SET].sizes  # type: ignore[attr-defined]
    return sizes.shape[0] if sizes.shape[0] is not None else tf.shape(sizes)[0]


def edge_components(graph: tfgnn.GraphTensor) -> tf.Tensor:
    """The component of each edge of a scalar GraphTensor, int32 [E]."""
    numbers = tf.range(num_components(graph), dtype=tf.int32)
    return tfgnn.broadcast_context_to_edges(graph, schema.EDGE_SET, feature_value=numbers)
