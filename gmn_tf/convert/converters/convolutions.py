"""Convolutions: every tap of a kernel is one edge, labelled with its position in the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers
from keras.src.ops import nn as nn_ops

from gmn_tf.convert.converters.activations import apply_activation
from gmn_tf.convert.converters.dense import refuse_quantised
from gmn_tf.convert.elementwise import combine
from gmn_tf.convert.entries import Composed, Entries, Weights
from gmn_tf.convert.linear import Columns, bias, kernel_grid, linear
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph.schema import EdgeType, NodeType


def _convolve(
    pen: Pen,
    x: Entries,
    kernel: np.ndarray,
    source_of: np.ndarray,
    target_of: np.ndarray,
    *,
    channels_first: bool,
    edge_type: EdgeType,
    bias_slots: np.ndarray | None,
    key: str = "kernel",
    out_shape: Sequence[int] | None = None,
) -> Entries:
    """One convolution.

    Args:
        pen: draws.
        x: input entries, [batch, *spatial, channels] or channels first.
        kernel: slots, [*kernel_size, a, b].
        source_of: input channel of each kernel entry, broadcastable to [a, b].
        target_of: output channel of each kernel entry, broadcastable to [a, b].
        channels_first: where the channel axis is.
        edge_type: type of the kernel's edges.
        bias_slots: one per output channel, or None.
        key: tells the kernels of one layer apart.
        out_shape: the result's shape, where it is not the call's.
    """
    axis = 1 if channels_first else x.ndim - 1
    layer = pen.layer(key)
    spatial = kernel.ndim - 2

    def draw(columns: Columns, out: np.ndarray) -> None:
        position = columns.position
        pen.canvas.add_edges(
            columns.node[source_of],
            out[target_of],
            type=edge_type,
            layer=layer,
            kernel_position=kernel_grid(kernel.shape[:spatial], kernel.ndim) or None,
            entry_position=None if position is None else [p[source_of] for p in position],
            slot=kernel,
        )
        if bias_slots is not None:
            bias(pen, bias_slots, out, layer=layer)

    return linear(
        pen,
        x,
        draw,
        layer=layer,
        feature_axes=(axis,),
        out_shape=out_shape if out_shape is not None else pen.call.outputs.shape,
        out_axes=(axis,),
        node_type=NodeType.CHANNEL,
        key=key,
    )


def _is_channels_first(layer: Any) -> bool:
    return layer.data_format == "channels_first"


@register_converter(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def convolution(pen: Pen, layer: Any, x: Entries) -> Entries:
    """Kernel [*size, channels / groups, filters]; group g reads its own channels only."""
    refuse_quantised(pen, layer)
    kernel = pen.slots(layer._kernel)
    inputs, filters = kernel.shape[-2:]
    group = np.arange(filters) // (filters // layer.groups)
    y = _convolve(
        pen,
        x,
        kernel,
        group[None, :] * inputs + np.arange(inputs)[:, None]
        if layer.groups > 1
        else np.arange(inputs)[:, None],
        np.arange(filters)[None, :],
        channels_first=_is_channels_first(layer),
        edge_type=EdgeType.CONV,
        bias_slots=pen.slots(layer.bias) if layer.use_bias else None,
    )
    return apply_activation(pen, y, layer.activation)


@register_converter(nn_ops.Conv, weights=True, composed=True)
def convolution_operation(pen: Pen, operation: Any, x: Entries, kernel: Entries) -> Entries:
    """`keras.ops.conv` with variables as its kernel; groups follow from the channel counts."""
    if not isinstance(kernel, Composed):
        return _convolution_with(pen, operation, x, kernel)
    found = []
    for number, (first, *second) in enumerate(kernel.terms):
        y = _convolution_with(pen, operation, x, first, key=str(number))
        if second:  # over positions the second factor is a kernel of size 1
            if first.shape[-2] != x.shape[1 if operation.data_format == "channels_first" else -1]:
                raise pen.refuse("is a grouped convolution with a product of variables as its kernel")
            y = _convolution_with(pen, operation, y, _pointwise(second[0], first.ndim), key=f"{number}.1")
        found.append(y)
    if len(found) == 1:
        return found[0]
    return combine(pen, found, edge_type=EdgeType.RESIDUAL, commutative=True, residual=True)


def _pointwise(matrix: Weights, ndim: int) -> Entries:
    """A matrix as a kernel of size 1."""
    return matrix.rearrange(lambda a: a.reshape((1,) * (ndim - 2) + a.shape))


def _convolution_with(
    pen: Pen, operation: Any, x: Entries, kernel: Entries, *, key: str = "kernel"
) -> Entries:
    slots = _kernel_slots(pen, kernel)
    first = operation.data_format == "channels_first"
    inputs, filters = slots.shape[-2:]
    groups = x.shape[1 if first else -1] // inputs
    group = np.arange(filters) // (filters // groups)
    shape = list(pen.call.outputs.shape)
    shape[1 if first else -1] = filters
    return _convolve(
        pen,
        x,
        slots,
        group[None, :] * inputs + np.arange(inputs)[:, None],
        np.arange(filters)[None, :],
        channels_first=first,
        edge_type=EdgeType.CONV,
        bias_slots=None,
        key=key,
        out_shape=shape,
    )


@register_converter(nn_ops.DepthwiseConv, weights=True)
def depthwise_operation(pen: Pen, operation: Any, x: Entries, kernel: Entries) -> Entries:
    return _depthwise(pen, operation, x, _kernel_slots(pen, kernel), None)


@register_converter(nn_ops.ConvTranspose, weights=True)
def transposed_operation(pen: Pen, operation: Any, x: Entries, kernel: Entries) -> Entries:
    slots = _kernel_slots(pen, kernel)
    filters, inputs = slots.shape[-2:]
    return _convolve(
        pen,
        x,
        slots,
        np.arange(inputs)[None, :],
        np.arange(filters)[:, None],
        channels_first=operation.data_format == "channels_first",
        edge_type=EdgeType.CONV,
        bias_slots=None,
    )


def _kernel_slots(pen: Pen, kernel: Any) -> np.ndarray:
    if not isinstance(kernel, Weights) or np.unique(kernel.node).size != kernel.node.size:
        raise pen.refuse("convolves with a kernel that is not a variable of the model")
    return np.asarray(kernel.node)


@register_converter(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def transposed_convolution(pen: Pen, layer: Any, x: Entries) -> Entries:
    """Kernel [*size, filters, channels]."""
    kernel = pen.slots(layer.kernel)
    filters, inputs = kernel.shape[-2:]
    y = _convolve(
        pen,
        x,
        kernel,
        np.arange(inputs)[None, :],
        np.arange(filters)[:, None],
        channels_first=_is_channels_first(layer),
        edge_type=EdgeType.CONV,
        bias_slots=pen.slots(layer.bias) if layer.use_bias else None,
    )
    return apply_activation(pen, y, layer.activation)


@register_converter(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def depthwise_convolution(pen: Pen, layer: Any, x: Entries) -> Entries:
    """Kernel [*size, channels, multiplier]; channel c gives results c * multiplier .. + multiplier - 1."""
    y = _depthwise(pen, layer, x, pen.slots(layer.kernel), pen.slots(layer.bias) if layer.use_bias else None)
    return apply_activation(pen, y, layer.activation)


def _depthwise(
    pen: Pen,
    layer: Any,
    x: Entries,
    kernel: np.ndarray,
    bias_slots: np.ndarray | None,
    *,
    key: str = "kernel",
    out_shape: Sequence[int] | None = None,
) -> Entries:
    inputs, multiplier = kernel.shape[-2:]
    filters = inputs * multiplier
    return _convolve(
        pen,
        x,
        kernel,
        np.arange(inputs)[:, None],
        np.arange(filters).reshape(inputs, multiplier),
        channels_first=_is_channels_first(layer),
        edge_type=EdgeType.DEPTHWISE,
        bias_slots=bias_slots,
        key=key,
        out_shape=out_shape,
    )


@register_converter(layers.SeparableConv1D, layers.SeparableConv2D)
def separable_convolution(pen: Pen, layer: Any, x: Entries) -> Entries:
    """A depthwise kernel without bias, then a pointwise one."""
    depthwise = pen.slots(layer.depthwise_kernel)
    pointwise = pen.slots(layer.pointwise_kernel)
    shape = list(pen.call.outputs.shape)
    shape[1 if _is_channels_first(layer) else -1] = int(np.prod(depthwise.shape[-2:]))
    hidden = _depthwise(pen, layer, x, depthwise, None, key="depthwise", out_shape=shape)
    inputs, filters = pointwise.shape[-2:]
    y = _convolve(
        pen,
        hidden,
        pointwise,
        np.arange(inputs)[:, None],
        np.arange(filters)[None, :],
        channels_first=_is_channels_first(layer),
        edge_type=EdgeType.CONV,
        bias_slots=pen.slots(layer.bias) if layer.use_bias else None,
        key="pointwise",
    )
    return apply_activation(pen, y, layer.activation)
