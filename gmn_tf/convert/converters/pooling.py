"""Pooling, padding, resizing: nodes stay themselves, their positions change."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers
from keras.src.ops import image as image_ops
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.converters.rearranging import gathered
from gmn_tf.convert.entries import Entries, index_along, relabel
from gmn_tf.convert.groups import mix, reduce
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter

_POOLING_OPERATIONS = ("MaxPool", "AveragePool", "AdaptiveMaxPool", "AdaptiveAveragePool")


def _existing(*names: str) -> list[type]:
    return [getattr(layers, name) for name in names if hasattr(layers, name)]


@register_converter(
    *_existing(
        "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
        "AveragePooling1D", "AveragePooling2D", "AveragePooling3D",
        "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D",
        "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D",
    ),
    *(getattr(nn_ops, name) for name in _POOLING_OPERATIONS if hasattr(nn_ops, name)),
)  # fmt: skip
def pooling(pen: Pen, layer: Any, x: Entries) -> Entries:
    shape = tuple(pen.call.outputs.shape)
    axes = list(range(2, x.ndim)) if layer.data_format == "channels_first" else list(range(1, x.ndim - 1))
    if x.separates(axes):
        return relabel(x, axes, shape, pen.call.number)
    if not hasattr(layer, "pool_size"):
        raise pen.refuse("pools adaptively over positions that belong to different nodes")
    return mix(pen, x, shape, _windows(layer, x.shape, shape, axes))


def _windows(layer: Any, shape: tuple[int, ...], out: tuple[int, ...], axes: list[int]) -> np.ndarray:
    """Flat input indices of every output entry's window, -1 in the padding: int [outputs, window]."""
    sizes = np.broadcast_to(layer.pool_size, len(axes))
    strides = np.broadcast_to(sizes if layer.strides is None else layer.strides, len(axes))
    index = np.zeros((*out, *sizes), np.int64)
    valid = np.ones(index.shape, bool)
    for axis in range(len(shape)):
        here = index_along(index.shape, axis)
        if axis in axes:
            k = axes.index(axis)
            size, stride = sizes[k], strides[k]
            missing = max((out[axis] - 1) * stride + size - shape[axis], 0) if layer.padding == "same" else 0
            here = here * stride - missing // 2 + index_along(index.shape, len(out) + k)
            valid &= (here >= 0) & (here < shape[axis])
        index = index * shape[axis] + here
    return np.where(valid, index, -1).reshape(int(np.prod(out)), -1)


@register_converter(
    *_existing(
        "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
        "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
    )
)  # fmt: skip
def global_pooling(pen: Pen, layer: Any, x: Entries, mask: Any = None) -> Entries:
    first = layer.data_format == "channels_first"
    axes = list(range(2, x.ndim)) if first else list(range(1, x.ndim - 1))
    return reduce(pen, x, axes, keepdims=layer.keepdims)


@register_converter(*_existing("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"))
def zero_padding(pen: Pen, layer: Any, x: Entries) -> Entries:
    """Padded entries belong to the node of their line; that they are zero is the operation's label."""
    padding = np.asarray(layer.padding).reshape(-1, 2)
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    axes = list(range(2, x.ndim)) if first else list(range(1, x.ndim - 1))
    shape = tuple(pen.call.outputs.shape)
    if x.separates(axes):
        return relabel(x, axes, shape, pen.call.number)
    widths = [(0, 0)] * x.ndim
    for axis, width in zip(axes, padding, strict=True):
        widths[axis] = (int(width[0]), int(width[1]))
    return pad_with_constant(pen, x, widths)


@register_converter(numpy_ops.Pad)
def pad(pen: Pen, operation: Any, x: Entries, constant_values: Any = None) -> Entries:
    width = operation.pad_width
    pairs = [(width, width)] * x.ndim if isinstance(width, int) else [tuple(w) for w in width]
    pairs = pairs * x.ndim if len(pairs) == 1 else pairs
    axes = [a for a, (before, after) in enumerate(pairs) if before or after]
    if x.separates(axes):
        return relabel(x, axes, tuple(pen.call.outputs.shape), pen.call.number)
    if operation.mode == "constant":
        return pad_with_constant(pen, x, pairs)
    numbers = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    return gathered(x, np.pad(numbers, pairs, mode=operation.mode))


def pad_with_constant(pen: Pen, x: Entries, widths: list[tuple[int, int]]) -> Entries:
    """Entries without a node around those of `x`."""
    node = np.pad(x.node, widths, constant_values=-1)
    coordinates = tuple(np.pad(c, widths, constant_values=-1) for c in x.coordinates)
    return Entries(node, coordinates, via=np.pad(x.via, widths, constant_values=pen.call.number))


@register_converter(*_existing("UpSampling1D", "UpSampling2D", "UpSampling3D"))
def up_sampling(pen: Pen, layer: Any, x: Entries) -> Entries:
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    axes = list(range(2, x.ndim)) if first else list(range(1, x.ndim - 1))
    if x.separates(axes):
        return relabel(x, axes, tuple(pen.call.outputs.shape), pen.call.number)
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise pen.refuse("interpolates between positions that belong to different nodes")
    sizes = np.atleast_1d(layer.size)
    result = x
    for axis, size in zip(axes, sizes, strict=True):
        result = _repeated(result, int(size), axis)
    return result


@register_converter(image_ops.Resize)
def resize(pen: Pen, operation: image_ops.Resize, x: Entries) -> Entries:
    """Positions are interpolated, alike for every node."""
    first = operation.data_format == "channels_first"
    axes = [x.ndim - 2, x.ndim - 1] if first else [x.ndim - 3, x.ndim - 2]
    if tuple(pen.call.outputs.shape) == x.shape:
        return pen.local(x)
    if not x.separates(axes):
        raise pen.refuse("interpolates between positions that belong to different nodes")
    return relabel(x, axes, tuple(pen.call.outputs.shape), pen.call.number)


def _repeated(x: Entries, size: int, axis: int) -> Entries:
    result = x.rearrange(lambda a: np.repeat(a, size, axis))
    return result.with_coordinates(index_along(result.shape, axis) % size)
