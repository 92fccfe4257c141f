"""Normalisations: gamma, beta and running statistics are edges into the node they act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers
from keras.src.ops import nn as nn_ops

from gmn_tf.convert.elementwise import Parameter, activate, apply_parameters, with_constant
from gmn_tf.convert.entries import Entries, Weights, index_along
from gmn_tf.convert.groups import statistics
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.convert.variables import entrywise
from gmn_tf.graph.schema import Activation, EdgeType, NodeType

_SCALE = (EdgeType.NORM_SCALE, NodeType.NORM_SCALE, "gamma")
_SHIFT = (EdgeType.NORM_SHIFT, NodeType.NORM_SHIFT, "beta")
_MEAN = (EdgeType.NORM_MEAN, NodeType.NORM_MEAN, "mean")
_VARIANCE = (EdgeType.NORM_VARIANCE, NodeType.NORM_VARIANCE, "variance")


def _along(slots: np.ndarray, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Slots of a variable over `axes` of a tensor of that shape, broadcastable to it.

    The variable is reshaped, not transposed: Keras sorts axes before it resolves negative ones, so under
    (1, -1) its shape is that of axes (-1, 1), and it is read in that order.
    """
    return slots.reshape([size if axis in axes else 1 for axis, size in enumerate(shape)])


def normalize(
    pen: Pen,
    x: Entries,
    parameters: Sequence[Parameter],
    *,
    statistics_over: Sequence[int] = (),
    feature_group: np.ndarray | None = None,
) -> Entries:
    """A normalisation with the given parameters and statistics taken from the tensor itself.

    Without parameters it leaves a mark of its own and never folds invisibly.
    """
    x = pen.with_nodes(x)
    layer = pen.layer() if parameters else pen.canvas.new_layer()
    if len(statistics_over):
        statistics(pen, x, statistics_over, layer=layer, feature_group=feature_group)
    if not parameters:
        return activate(pen, x, Activation.NORMALIZE, layer=layer)
    return apply_parameters(pen, x, parameters, layer=layer)


@register_converter(layers.BatchNormalization)
def batch_normalization(pen: Pen, layer: layers.BatchNormalization, x: Entries, mask: Any = None) -> Entries:
    axis = layer.axis % x.ndim
    found = []
    if layer.scale:
        found.append(Parameter(_along(pen.slots(layer.gamma), [axis], x.shape), *_SCALE))
    if layer.center:
        found.append(Parameter(_along(pen.slots(layer.beta), [axis], x.shape), *_SHIFT))
    for variable, kind in ((layer.moving_mean, _MEAN), (layer.moving_variance, _VARIANCE)):
        slots = pen.statistic(variable)
        if slots is not None:
            found.append(Parameter(_along(slots, [axis], x.shape), *kind))
    return normalize(pen, x, found)


@register_converter(layers.LayerNormalization)
def layer_normalization(pen: Pen, layer: layers.LayerNormalization, x: Entries) -> Entries:
    axes = [a % x.ndim for a in (layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis])]
    found = []
    if layer.gamma is not None:
        found.append(Parameter(_along(pen.slots(layer.gamma), axes, x.shape), *_SCALE))
    if layer.beta is not None:
        found.append(Parameter(_along(pen.slots(layer.beta), axes, x.shape), *_SHIFT))
    return normalize(pen, x, found, statistics_over=axes)


@register_converter(layers.GroupNormalization)
def group_normalization(pen: Pen, layer: layers.GroupNormalization, x: Entries) -> Entries:
    """Statistics over each group of channels and all positions."""
    axis = layer.axis % x.ndim
    size = x.shape[axis] // (layer.groups if layer.groups != -1 else x.shape[axis])
    found = []
    if layer.scale:
        found.append(Parameter(_along(pen.slots(layer.gamma), [axis], x.shape), *_SCALE))
    if layer.center:
        found.append(Parameter(_along(pen.slots(layer.beta), [axis], x.shape), *_SHIFT))
    return normalize(
        pen,
        x,
        found,
        statistics_over=range(1, x.ndim),
        feature_group=index_along(x.shape, axis) // size,
    )


@register_converter(layers.RMSNormalization)
def rms_normalization(pen: Pen, layer: Any, x: Entries) -> Entries:
    axes = [a % x.ndim for a in (layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis])]
    # Keras multiplies by the scale as it is: broadcast from the last axis, whichever `axis` says.
    scale = Parameter(pen.slots(layer.scale), *_SCALE)
    return normalize(pen, x, [scale], statistics_over=axes)


@register_converter(layers.UnitNormalization)
def unit_normalization(pen: Pen, layer: layers.UnitNormalization, x: Entries) -> Entries:
    axes = [a % x.ndim for a in (layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis])]
    return normalize(pen, x, [], statistics_over=axes)


@register_converter(layers.Normalization)
def normalization(pen: Pen, layer: layers.Normalization, x: Entries) -> Entries:
    """Mean and variance, adapted (weights) or given (constants)."""
    if layer.input_mean is not None:
        constants = np.stack(np.broadcast_arrays(np.asarray(layer.mean), np.asarray(layer.variance)), axis=-1)
        flat = np.unique(constants.reshape(-1, 2), axis=0, return_inverse=True)[1]
        return with_constant(pen, x, flat.reshape(constants.shape[:-1]).astype(float), x.shape)
    shape = layer._broadcast_shape
    found = [
        Parameter(slots.reshape(shape), *kind)
        for variable, kind in ((layer.adapt_mean, _MEAN), (layer.adapt_variance, _VARIANCE))
        if (slots := pen.statistic(variable)) is not None
    ]
    return normalize(pen, x, found)


@register_converter(layers.Rescaling)
def rescaling(pen: Pen, layer: layers.Rescaling, x: Entries) -> Entries:
    scale, offset = np.broadcast_arrays(np.asarray(layer.scale, float), np.asarray(layer.offset, float))
    flat = np.unique(np.stack([scale, offset], -1).reshape(-1, 2), axis=0, return_inverse=True)[1]
    return with_constant(pen, x, flat.reshape(scale.shape).astype(float), x.shape)


@register_converter(nn_ops.LayerNorm, nn_ops.RMSNorm, weights=True)
def normalization_operation(
    pen: Pen, operation: Any, x: Entries, gamma: Any = None, beta: Any = None, scale: Any = None
) -> Entries:
    """`keras.ops.layer_normalization` and `rms_normalization`, with variables as gamma, beta, scale."""
    gamma = scale if gamma is None else gamma
    x = entrywise(pen, x)
    axes = [
        a % x.ndim
        for a in (operation.axis if isinstance(operation.axis, (list, tuple)) else [operation.axis])
    ]
    found = []
    for given, kind in ((gamma, _SCALE), (beta, _SHIFT)):
        if given is None:
            continue
        if not isinstance(given, Weights):
            raise pen.refuse("is scaled by something that is not a variable of the model")
        slots = np.asarray(given.node)
        along = slots.ndim == len(axes) and isinstance(operation, nn_ops.LayerNorm)
        found.append(Parameter(_along(slots, axes, x.shape) if along else slots, *kind))
    return normalize(pen, x, found, statistics_over=axes)


@register_converter(nn_ops.Normalize)
def normalize_operation(pen: Pen, operation: Any, x: Entries) -> Entries:
    axes = operation.axis if isinstance(operation.axis, (list, tuple)) else [operation.axis]
    return normalize(pen, x, [], statistics_over=[a % x.ndim for a in axes])
