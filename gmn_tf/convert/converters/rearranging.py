"""What only moves, drops or repeats entries: it acts on nodes and coordinates as on the tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.ops import core as core_ops
from keras.src.ops import image as image_ops
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.entries import Composed, Entries, Weights, index_along
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.convert.variables import entrywise, materialized


def moved(x: Entries, function: Callable[[Any], Any]) -> Any:
    """`x` after a Keras operation that only moves, drops or repeats entries.

    The operation itself runs, on the entries' numbers. Where an entry comes out more than once, a
    coordinate tells the copies apart. Returns the structure that `function` returns.
    """
    numbers = np.arange(int(np.prod(x.shape)), dtype=np.int64).reshape(x.shape)
    result = function(keras.ops.convert_to_tensor(numbers, dtype="int64"))
    return keras.tree.map_structure(
        lambda t: gathered(x, np.asarray(keras.ops.convert_to_numpy(t), np.int64)), result
    )


def gathered(x: Entries, numbers: np.ndarray) -> Entries:
    """The entries of `x` whose flat numbers are given, -1 not allowed; copies get a coordinate."""
    result = x.rearrange(lambda a: a.reshape(-1)[numbers])
    if isinstance(x, Weights):
        return result
    flat = numbers.reshape(-1)
    if np.unique(flat).size == flat.size:
        return result
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
    copy = np.empty(flat.size, np.int64)
    copy[order] = np.arange(flat.size) - np.repeat(starts, np.diff(np.append(starts, flat.size)))
    return result.with_coordinates(copy.reshape(numbers.shape), copies=True)


@register_converter(
    layers.Flatten, layers.Reshape, numpy_ops.Reshape, numpy_ops.Ravel, weights=True, choices=True
)
def reshape(pen: Pen, layer: Any, x: Entries) -> Entries:
    if getattr(layer, "data_format", None) == "channels_first" and x.ndim > 2:
        return moved(x, layer.call)
    shape = tuple(pen.call.outputs.shape)
    return x.rearrange(lambda a: a.reshape(shape))


@register_converter(layers.Permute)
def permute(pen: Pen, layer: layers.Permute, x: Entries) -> Entries:
    return x.rearrange(lambda a: a.transpose((0, *layer.dims)))


@register_converter(numpy_ops.Transpose, weights=True, composed=True, choices=True)
def transpose(pen: Pen, operation: Any, x: Entries) -> Entries:
    if isinstance(x, Composed):
        if x.ndim == 2 and (operation.axes is None or tuple(operation.axes) == (1, 0)):
            return x.transposed()
        x = entrywise(pen, x)
    return x.rearrange(lambda a: a.transpose(operation.axes))


@register_converter(
    layers.Cropping1D, layers.Cropping2D, layers.Cropping3D,
    numpy_ops.ExpandDims, numpy_ops.Squeeze, numpy_ops.Swapaxes, numpy_ops.Moveaxis, numpy_ops.Flip,
    numpy_ops.Roll, numpy_ops.Repeat, numpy_ops.Tile, numpy_ops.Diagonal, numpy_ops.BroadcastTo,
    numpy_ops.Split, numpy_ops.ArraySplit, numpy_ops.Rot90, core_ops.Unstack, core_ops.Slice,
    nn_ops.DepthToSpace, nn_ops.SpaceToDepth,
    weights=True, choices=True,
)  # fmt: skip
def move(pen: Pen, operation: Any, x: Entries, *args: Any, **kwargs: Any) -> Any:
    return moved(x, lambda t: operation.call(t, *args, **kwargs))


@register_converter(image_ops.ExtractPatches)
def patches(pen: Pen, operation: Any, x: Entries) -> Entries:
    """Keras cuts patches with a convolution, exact on numbers below 2^53."""
    if operation.padding != "valid":
        raise pen.refuse(f"cuts patches with padding {operation.padding!r}; use 'valid', or pad before")
    return moved(x, lambda t: keras.ops.cast(operation.call(keras.ops.cast(t, "float64")), "int64"))


@register_converter(numpy_ops.GetItem, weights=True, choices=True)
def get_item(pen: Pen, operation: Any, x: Entries, key: Any) -> Entries:
    if any(isinstance(k, Entries) for k in keras.tree.flatten(key)):
        raise pen.refuse("is indexed by a tensor that the network computes")
    return moved(x, lambda t: operation.call(t, key))


@register_converter(layers.RepeatVector)
def repeat_vector(pen: Pen, layer: layers.RepeatVector, x: Entries) -> Entries:
    repeated = x.rearrange(lambda a: np.repeat(a[:, None], layer.n, axis=1))
    return repeated.with_coordinates(index_along(repeated.shape, 1))


def _existing(*names: str) -> list[type]:
    return [getattr(layers, name) for name in names if hasattr(layers, name)]


@register_converter(
    *_existing(
        "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout",
        "GaussianDropout", "GaussianNoise", "ActivityRegularization", "Identity", "Masking", "InputLayer",
    ),
    core_ops.ConvertToTensor, core_ops.Cast, core_ops.StopGradient, numpy_ops.Copy,
    weights=True, composed=True, choices=True,
)  # fmt: skip
def identity(pen: Pen, layer: Any, x: Entries, **settings: Any) -> Entries:
    """Nothing at inference (Masking changes what later layers skip, alike for every feature)."""
    return x


@register_converter(layers.Concatenate)
def concatenate_layer(pen: Pen, layer: layers.Concatenate, inputs: Sequence[Entries]) -> Entries:
    return concatenated(inputs, layer.axis)


@register_converter(numpy_ops.Concatenate, weights=True)
def concatenate(pen: Pen, operation: Any, xs: Sequence[Any]) -> Entries:
    return concatenated(_all_entries(pen, xs), operation.axis)


@register_converter(numpy_ops.Stack, weights=True)
def stack(pen: Pen, operation: Any, x: Sequence[Any]) -> Entries:
    axis = operation.axis
    expanded = [e.rearrange(lambda a: np.expand_dims(a, axis)) for e in _all_entries(pen, x)]
    return concatenated(expanded, axis)


def _all_entries(pen: Pen, xs: Sequence[Any]) -> list[Entries]:
    """Operands as entries; variables stay variables only among themselves."""
    if all(isinstance(x, Weights) for x in xs):
        return list(xs)
    return [
        materialized(pen, x) if isinstance(x, Entries) else pen.constant(keras.ops.convert_to_numpy(x))
        for x in xs
    ]


def concatenated(inputs: Sequence[Entries], axis: int) -> Entries:
    """One tensor after another; where an entry might stand twice, the operand's number is appended."""
    if isinstance(inputs[0], Weights):
        return Weights(
            np.concatenate([x.node for x in inputs], axis=axis),
            via=np.concatenate([x.via for x in inputs], axis=axis),
        )
    width = max(len(x.coordinates) for x in inputs)
    padded = [
        (*x.coordinates, *[np.broadcast_to(np.int64(0), x.shape)] * (width - len(x.coordinates)))
        for x in inputs
    ]
    result = Entries(
        np.concatenate([x.node for x in inputs], axis=axis),
        tuple(np.concatenate(parts, axis=axis) for parts in zip(*padded, strict=True)),
        via=np.concatenate([x.via for x in inputs], axis=axis),
    )
    seen: set[int] = set()
    for x in inputs:
        here = set(np.unique(x.node).tolist()) - {-1}
        if seen & here:
            number = [np.broadcast_to(np.int64(i), x.shape) for i, x in enumerate(inputs)]
            return result.with_coordinates(np.concatenate(number, axis=axis))
        seen |= here
    return result
