"""A chain of convolution blocks over images or sequences: its variables, its Keras layers, its function.

`dims` is 2 for images and 1 for sequences, which are images of height 1 here.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from gmn_tf.zoo import stacked
from gmn_tf.zoo.families.architecture import NORM_EPSILON, NORM_MOMENTUM, Dropout, Variable


@dataclasses.dataclass(frozen=True)
class Block:
    """Convolution ("same"), then, each optional: normalisation, activation, pooling by 2, dropout."""

    filters: int
    stride: int = 1
    norm: str = "none"  # "none", "batch", "group"
    groups: int = 1  # of a GroupNorm
    activation: str = "relu"
    pool: str = "none"  # "none", "max", "average"
    dropout: bool = False
    kernel: int = 3


def sizes(blocks: tuple[Block, ...], size: tuple[int, int], *, dims: int) -> list[tuple[int, int]]:
    """(height, width) after each block."""
    found = []
    for block in blocks:
        stride, pool = _pair(block.stride, dims), _pair(1 if block.pool == "none" else 2, dims)
        size = (-(-size[0] // stride[0]) // pool[0], -(-size[1] // stride[1]) // pool[1])
        found.append(size)
    return found


def variables(blocks: tuple[Block, ...], channels: int, *, dims: int) -> list[Variable]:
    """All weights of the chain."""
    found: list[Variable] = []
    for block in blocks:
        found.append(Variable("kernel", (*[block.kernel] * dims, channels, block.filters)))
        found.append(Variable("bias", (block.filters,)))
        channels = block.filters
        found += norm_variables(block.norm, channels)
    return found


def norm_variables(norm: str, channels: int) -> list[Variable]:
    """Weights of a normalisation: "none", "batch" or "group"."""
    roles = {"none": [], "batch": ["scale", "shift", "mean", "variance"], "group": ["scale", "shift"]}[norm]
    return [Variable(role, (channels,)) for role in roles]


def apply(
    blocks: tuple[Block, ...],
    x: Any,
    pieces: stacked.Pieces,
    channels: int,
    *,
    dims: int,
    dropout: Dropout | None,
) -> Any:
    """[B, H, W, N * channels] -> [B, H', W', N, channels of the last block]; dropouts numbered from 0."""
    dropped = 0
    for index, block in enumerate(blocks):
        x = stacked.convolution(
            x,
            pieces,
            channels=channels,
            filters=block.filters,
            kernel=_pair(block.kernel, dims),
            stride=_pair(block.stride, dims),
        )
        channels = block.filters
        x = apply_norm(block.norm, x, pieces, channels=channels, groups=block.groups)
        x = stacked.ACTIVATIONS[block.activation](x)
        if block.pool != "none":
            window = _pair(2, dims)
            x = (tf.nn.max_pool2d if block.pool == "max" else tf.nn.avg_pool2d)(x, window, window, "VALID")
        x = stacked.apart(x, channels=channels, count=pieces.count)
        if block.dropout:
            x = dropout(x, dropped, axis=3) if dropout is not None else x
            dropped += 1
        if index < len(blocks) - 1:
            x = tf.reshape(x, [-1, x.shape[1], x.shape[2], pieces.count * channels])
    return x


def apply_norm(norm: str, x: Any, pieces: stacked.Pieces, *, channels: int, groups: int) -> Any:
    """Normalisation of [B, H, W, N * channels]."""
    if norm == "batch":
        return stacked.batch_norm(x, pieces, channels=channels)
    if norm == "group":
        return stacked.group_norm(x, pieces, channels=channels, groups=groups)
    return x


def keras_layers(blocks: tuple[Block, ...], x: Any, *, dims: int) -> Any:
    """The chain on a symbolic Keras tensor."""
    layers = keras.layers
    convolution = layers.Conv2D if dims == 2 else layers.Conv1D
    for number, block in enumerate(blocks):
        fused = block.norm == "none"
        x = convolution(
            block.filters,
            block.kernel,
            strides=block.stride,
            padding="same",
            activation=block.activation if fused else None,
            name=f"conv_{number}",
        )(x)
        if not fused:
            x = keras_norm(block.norm, block.groups, name=f"norm_{number}")(x)
            x = layers.Activation(block.activation, name=f"activation_{number}")(x)
        if block.pool != "none":
            x = _pooling(block.pool, dims)(2, name=f"pool_{number}")(x)
        if block.dropout:
            x = layers.Dropout(0.0, name=f"dropout_{number}")(x)
    return x


def keras_norm(norm: str, groups: int, *, name: str) -> keras.layers.Layer:
    """A BatchNormalization or GroupNormalization layer."""
    if norm == "batch":
        return keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, name=name)
    return keras.layers.GroupNormalization(groups, epsilon=NORM_EPSILON, name=name)


def keras_classifier(x: Any, *, head: str, dropout: bool, num_classes: int, dims: int) -> Any:
    """Global average pooling or Flatten, optional dropout, Dense."""
    layers = keras.layers
    average = layers.GlobalAveragePooling2D if dims == 2 else layers.GlobalAveragePooling1D
    x = (average if head == "average" else layers.Flatten)(name="head")(x)
    if dropout:
        x = layers.Dropout(0.0, name="dropout")(x)
    return layers.Dense(num_classes, name="classifier")(x)


def _pooling(pool: str, dims: int) -> type[keras.layers.Layer]:
    layers = keras.layers
    if dims == 2:
        return layers.MaxPooling2D if pool == "max" else layers.AveragePooling2D
    return layers.MaxPooling1D if pool == "max" else layers.AveragePooling1D


def _pair(value: int, dims: int) -> tuple[int, int]:
    return (value, value) if dims == 2 else (1, value)
