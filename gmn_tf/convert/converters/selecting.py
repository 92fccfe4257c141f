"""Comparisons, masks, choices and encodings, and preprocessing that only chooses."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.elementwise import activate, combine, with_constant
from gmn_tf.convert.entries import Entries, relabel
from gmn_tf.convert.groups import along
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph.schema import Activation, EdgeType


@register_converter(
    numpy_ops.Equal, numpy_ops.NotEqual, numpy_ops.Greater, numpy_ops.GreaterEqual, numpy_ops.Less,
    numpy_ops.LessEqual, numpy_ops.LogicalAnd, numpy_ops.LogicalOr, numpy_ops.FloorDivide, numpy_ops.Mod,
    numpy_ops.Arctan2, numpy_ops.Logaddexp, numpy_ops.Hypot, numpy_ops.LogicalXor, numpy_ops.Heaviside,
    numpy_ops.Fmod,
)  # fmt: skip
def comparison(pen: Pen, operation: Any, x1: Any, x2: Any) -> Entries:
    return chosen(pen, [x1, x2])


@register_converter(numpy_ops.Where)
def where(pen: Pen, operation: Any, condition: Any, x1: Any = None, x2: Any = None) -> Entries:
    if x1 is None or x2 is None:
        raise pen.refuse("returns indices, whose number is not known before it runs")
    return chosen(pen, [condition, x1, x2])


def chosen(pen: Pen, operands: list[Any]) -> Entries:
    """Any function of several operands, entry by entry; constants among them are labels."""
    shape = tuple(pen.call.outputs.shape)
    tensors = [x for x in operands if isinstance(x, Entries)]
    result = (
        tensors[0]
        if len(tensors) == 1
        else combine(pen, tensors, edge_type=EdgeType.OPERAND, commutative=False, shape=shape)
    )
    for x in operands:
        if not isinstance(x, Entries):
            result = with_constant(pen, result, keras.ops.convert_to_numpy(x), shape)
    if result.shape != shape:
        result = with_constant(pen, result, np.zeros(()), shape)
    return result


@register_converter(numpy_ops.OnesLike, numpy_ops.ZerosLike, numpy_ops.FullLike)
def constant_like(pen: Pen, operation: Any, x: Entries, *args: Any, **kwargs: Any) -> Entries:
    return pen.constant(np.zeros(x.shape))


@register_converter(numpy_ops.Cumsum, numpy_ops.Cumprod, numpy_ops.Diff)
def in_sequence(pen: Pen, operation: Any, x: Entries, **settings: Any) -> Entries:
    """Results that depend on the order of the entries along an axis."""
    if operation.axis is None:
        x = x.rearrange(lambda a: a.reshape(-1))
    axis = 0 if operation.axis is None else operation.axis
    return along(pen, x, [axis], tuple(pen.call.outputs.shape), ordered=True)


@register_converter(numpy_ops.Tril, numpy_ops.Triu)
def triangle(pen: Pen, operation: Any, x: Entries) -> Entries:
    """A mask of zeros and ones."""
    cut = np.tril if isinstance(operation, numpy_ops.Tril) else np.triu
    return with_constant(pen, x, cut(np.ones(x.shape[-2:]), operation.k), x.shape)


@register_converter(nn_ops.Glu)
def gated_linear_unit(pen: Pen, operation: Any, x: Entries) -> Entries:
    """First half times the sigmoid of the second (Dauphin et al. 2017)."""
    first = x.rearrange(lambda a: np.split(a, 2, axis=operation.axis)[0])
    second = x.rearrange(lambda a: np.split(a, 2, axis=operation.axis)[1])
    gate = activate(pen, second, Activation.SIGMOID)
    return combine(pen, [first, gate], edge_type=EdgeType.MULTIPLY, commutative=True)


def _existing(*names: str) -> list[type]:
    return [getattr(layers, name) for name in names if hasattr(layers, name)]


@register_converter(
    *_existing(
        "RandomBrightness", "RandomContrast", "RandomCrop", "RandomFlip", "RandomHeight", "RandomRotation",
        "RandomTranslation", "RandomWidth", "RandomZoom", "RandomColorJitter", "RandomGrayscale", "RandomHue",
        "RandomSaturation", "RandomSharpness", "RandomErasing", "RandomGaussianBlur", "RandomInvert",
        "RandomPerspective", "RandomPosterization", "RandomShear", "AutoContrast", "Solarization",
        "Equalization", "Resizing", "CenterCrop", "MaxNumBoundingBoxes",
        "RandomColorDegeneration", "RandomElasticTransform", "RandAugment", "AugMix", "CutMix", "MixUp",
    ),
)  # fmt: skip
def image_preprocessing(pen: Pen, layer: Any, x: Entries) -> Entries:
    """Augmentation does nothing at inference; resizing and cropping move positions only."""
    shape = tuple(pen.call.outputs.shape)
    axes = [x.ndim - 3, x.ndim - 2]
    if shape == x.shape:
        return pen.local(x)
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        axes = [x.ndim - 2, x.ndim - 1]
    if not x.separates(axes):
        raise pen.refuse("resizes axes that hold different nodes")
    return relabel(x, axes, shape, pen.call.number)
