"""Activations, as layers, as operations and as the `activation` argument of other layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers
from keras.src.activations import activations
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from gmn_tf.convert.elementwise import Parameter, activate, apply_parameters
from gmn_tf.convert.entries import Entries, Weights
from gmn_tf.convert.groups import softmax
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph import schema
from gmn_tf.graph.canvas import Stage
from gmn_tf.graph.schema import Activation

# Functions that act entry by entry and have no label of their own.
_WITHOUT_LABEL = [
    "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "bitwise_invert",
    "bitwise_not", "cbrt", "ceil", "conj", "conjugate", "cosh", "deg2rad", "erfinv", "exp2", "fix",
    "floor", "i0", "imag", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "log10", "log2",
    "logical_not", "nan_to_num", "rad2deg", "real", "round", "signbit", "sinc", "sinh", "tan",
    "trunc",
]  # fmt: skip

# Names of functions in keras.activations and keras.ops that act entry by entry, without parameters.
_BY_NAME = {
    "linear": Activation.LINEAR,
    "relu": Activation.RELU,
    "relu6": Activation.RELU6,
    "leaky_relu": Activation.LEAKY_RELU,
    "elu": Activation.ELU,
    "selu": Activation.SELU,
    "celu": Activation.CELU,
    "gelu": Activation.GELU,
    "silu": Activation.SILU,
    "swish": Activation.SILU,
    "sigmoid": Activation.SIGMOID,
    "hard_sigmoid": Activation.HARD_SIGMOID,
    "hard_silu": Activation.HARD_SILU,
    "hard_swish": Activation.HARD_SILU,
    "tanh": Activation.TANH,
    "hard_tanh": Activation.HARD_TANH,
    "softplus": Activation.SOFTPLUS,
    "softsign": Activation.SOFTSIGN,
    "exponential": Activation.EXPONENTIAL,
    "exp": Activation.EXPONENTIAL,
    "mish": Activation.MISH,
    "sin": Activation.SINE,
    "cos": Activation.COSINE,
    "abs": Activation.ABSOLUTE,
    "absolute": Activation.ABSOLUTE,
    "square": Activation.SQUARE,
    "sqrt": Activation.SQUARE_ROOT,
    "threshold": Activation.THRESHOLD,
    "hard_shrink": Activation.OTHER,
    "soft_shrink": Activation.OTHER,
    "tanh_shrink": Activation.OTHER,
    "squareplus": Activation.OTHER,
    "log_sigmoid": Activation.OTHER,
    "sparse_plus": Activation.OTHER,
    "sparse_sigmoid": Activation.OTHER,
    "sign": Activation.OTHER,
    "log": Activation.OTHER,
    "log1p": Activation.OTHER,
    "expm1": Activation.OTHER,
    "reciprocal": Activation.OTHER,
    "rsqrt": Activation.OTHER,
    "negative": Activation.OTHER,
    "erf": Activation.OTHER,
    **dict.fromkeys(_WITHOUT_LABEL, Activation.OTHER),
}
_OVER_AXES = {
    "softmax": Activation.SOFTMAX,
    "log_softmax": Activation.LOG_SOFTMAX,
    "sparsemax": Activation.OTHER,
}


def is_known(function: Any) -> bool:
    """Whether an `activation` argument is one that `apply_activation` draws."""
    if function is None:
        return True
    home = getattr(function, "__module__", "") or ""
    name = getattr(function, "__name__", type(function).__name__)
    return home.startswith("keras.") and (name in _BY_NAME or name in _OVER_AXES)


def apply_activation(pen: Pen, x: Entries, function: Callable[..., Any] | None) -> Entries:
    """The `activation` argument of a layer, applied to its result.

    Raises:
        UnsupportedLayerError: the function is not one of Keras' own, so it might mix entries.
    """
    if function is None:
        return x
    if not is_known(function):
        raise pen.refuse(f"has the activation {function!r}, which is none of Keras' own functions")
    name = getattr(function, "__name__", type(function).__name__)
    if name in _OVER_AXES:
        return softmax(pen, x, (x.ndim - 1,), activation=_OVER_AXES[name])
    return activate(pen, x, _BY_NAME[name])


def relu_label(settings: Any) -> Activation:
    """The label of a ReLU with the attributes `negative_slope`, `max_value` and `threshold`, if it has them.

    A bound makes it RELU6, whatever its height, as a slope makes it LEAKY_RELU, whatever its steepness.
    """
    if getattr(settings, "threshold", 0.0):
        return Activation.THRESHOLD
    if getattr(settings, "max_value", None) is not None:
        return Activation.RELU6
    return Activation.LEAKY_RELU if getattr(settings, "negative_slope", 0.0) else Activation.RELU


@register_converter(layers.Activation)
def activation_layer(pen: Pen, layer: layers.Activation, x: Entries) -> Entries:
    return apply_activation(pen, x, layer.activation)


def _register_layer(name: str, activation: Activation) -> None:
    cls = getattr(layers, name, None)
    if cls is not None:
        register_converter(cls)(lambda pen, layer, x, **_: activate(pen, x, activation))


_register_layer("LeakyReLU", Activation.LEAKY_RELU)
_register_layer("ELU", Activation.ELU)


@register_converter(layers.ReLU)
def relu_layer(pen: Pen, layer: layers.ReLU, x: Entries) -> Entries:
    return activate(pen, x, relu_label(layer))


@register_converter(layers.Softmax)
def softmax_layer(pen: Pen, layer: layers.Softmax, x: Entries, mask: Any = None) -> Entries:
    axes = layer.axis if isinstance(layer.axis, (tuple, list)) else (layer.axis,)
    return softmax(pen, x, [a % x.ndim for a in axes])


@register_converter(layers.PReLU)
def prelu(pen: Pen, layer: layers.PReLU, x: Entries) -> Entries:
    """Slopes alpha, of the input's shape without the batch, 1 along shared axes."""
    alpha = Parameter(pen.slots(layer.alpha)[None], schema.EdgeType.SCALE, schema.NodeType.SCALE, "alpha")
    return apply_parameters(
        pen, x, [alpha], layer=pen.layer(), stage=Stage.ACTIVATION, activation=Activation.PRELU
    )


def _register_operations() -> None:
    for home in (nn_ops, numpy_ops, keras.src.ops.math, activations):
        for name, cls in vars(home).items():
            if not (isinstance(cls, type) and issubclass(cls, keras.Operation)):
                continue
            snake = "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))
            snake = {"re_l_u": "relu", "relu6": "relu6"}.get(snake, snake)
            if snake in _BY_NAME:
                register_converter(cls, weights=True)(_unary_operation(_BY_NAME[snake]))
            elif snake in _OVER_AXES:
                register_converter(cls)(_softmax_operation(_OVER_AXES[snake]))


def _unary_operation(activation: Activation) -> Callable[..., Entries]:
    def convert(pen: Pen, operation: Any, x: Entries) -> Entries:
        if isinstance(x, Weights):  # a function of the variable alone, such as softplus(s)
            return x.applied(pen.call.number)
        return activate(pen, x, relu_label(operation) if activation == Activation.RELU else activation)

    return convert


def _softmax_operation(activation: Activation) -> Callable[..., Entries]:
    def convert(pen: Pen, operation: Any, x: Entries) -> Entries:
        axes = operation.axis if operation.axis is not None else range(x.ndim)
        axes = axes if isinstance(axes, (tuple, list, range)) else (axes,)
        return softmax(pen, x, [a % x.ndim for a in axes], activation=activation)

    return convert


_register_operations()
