"""tf_keras (Keras 2) models: rebuilt from the same layers of Keras 3, so that one converter serves both."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import keras
from keras import tree

from gmn_tf.errors import ConversionError, UnsupportedLayerError

_RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}
_OPERATORS: dict[str, Any] = {
    "__operators__.add": keras.ops.add,
    "math.add": keras.ops.add,
    "__operators__.sub": keras.ops.subtract,
    "math.subtract": keras.ops.subtract,
    "math.multiply": keras.ops.multiply,
    "__operators__.truediv": keras.ops.divide,
    "math.divide": keras.ops.divide,
    "math.pow": keras.ops.power,
}
for _name in ("relu", "relu6", "elu", "selu", "gelu", "silu", "leaky_relu", "softplus", "softmax"):
    _OPERATORS[f"nn.{_name}"] = getattr(keras.ops, _name)
for _name in (
    "sigmoid",
    "tanh",
    "exp",
    "log",
    "sqrt",
    "square",
    "abs",
    "negative",
    "maximum",
    "minimum",
    "sin",
):
    _OPERATORS[f"math.{_name}"] = getattr(keras.ops, _name)
for _name in ("mean", "sum", "max", "min", "prod"):
    _OPERATORS[f"math.reduce_{_name}"] = getattr(keras.ops, _name)


def is_tf_keras_model(model: Any) -> bool:
    """Whether `model` is a tf_keras model; false when tf_keras was never imported."""
    tf_keras = sys.modules.get("tf_keras")
    return tf_keras is not None and isinstance(model, tf_keras.Model)


def translate(model: Any) -> tuple[keras.Model, list[keras.Variable]]:
    """A Keras 3 model of the same architecture, and its variables in the order of `model.get_weights()`.

    Only the architecture is carried over, not the weights' values.

    Raises:
        UnsupportedLayerError: a layer or operation has no counterpart in Keras 3.
        ConversionError: the model is not built.
    """
    if not model.built:
        raise ConversionError(f"model {model.name!r} is not built: call it on a batch before converting it")
    translator = _Translator()
    translated = translator.model(model)
    order = [translator.counterparts[id(v)] for v in model.weights]
    return translated, order


class _Translator:
    def __init__(self) -> None:
        self.counterparts: dict[int, keras.Variable] = {}
        self._layers: dict[int, Any] = {}

    def model(self, model: Any) -> keras.Model:
        if not hasattr(model, "_nodes_by_depth"):
            raise UnsupportedLayerError(
                f"tf_keras model {model.name!r} ({type(model).__name__}) is subclassed; functional and "
                "sequential tf_keras models can be converted, subclassed ones as Keras 3 models"
            )
        inputs = [keras.Input(batch_shape=tuple(t.shape), dtype=t.dtype.name) for t in model.inputs]
        known: dict[str, Any] = {}
        for theirs, ours in zip(model.inputs, inputs, strict=True):
            known[str(id(theirs))] = ours
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if not node.is_input:
                    self._call(node, known)
        outputs = [known[str(id(t))] for t in model.outputs]
        return keras.Model(
            tree.pack_sequence_as(_plain(model._nested_inputs), inputs),
            tree.pack_sequence_as(_plain(model._nested_outputs), outputs),
            name=model.name.replace("/", "_"),
        )

    def _call(self, node: Any, known: dict[str, Any]) -> None:
        if any(str(i) not in known for i in node.flat_input_ids):
            return  # belongs to another model that shares this layer
        args, kwargs = node.map_arguments({i: [t] * 1000 for i, t in known.items()})
        layer = self._layer(node.layer)
        kwargs = {k: v for k, v in kwargs.items() if k not in ("training", "name") and v is not None}
        try:
            outputs = layer(*args, **kwargs)
        except (TypeError, ValueError) as error:
            raise UnsupportedLayerError(
                f"tf_keras layer {node.layer.name!r} ({type(node.layer).__name__}) could not be called as "
                f"its Keras 3 counterpart: {str(error).splitlines()[0]}"
            ) from error
        for number, tensor in zip(node.flat_output_ids, tree.flatten(outputs), strict=True):
            known[str(number)] = tensor
        if hasattr(layer, "weights"):
            for theirs, ours in _paired(node.layer.weights, layer.weights):
                if tuple(theirs.shape) != tuple(ours.shape):
                    raise UnsupportedLayerError(
                        f"tf_keras layer {node.layer.name!r} keeps {theirs.name!r} as {tuple(theirs.shape)}, "
                        f"Keras 3 as {tuple(ours.shape)}"
                    )
                self.counterparts[id(theirs)] = ours

    def _layer(self, layer: Any) -> Any:
        if id(layer) not in self._layers:
            self._layers[id(layer)] = self._make(layer)
        return self._layers[id(layer)]

    def _make(self, layer: Any) -> Any:
        name = type(layer).__name__
        if hasattr(layer, "_nodes_by_depth"):
            return self.model(layer)
        if name == "TFOpLambda":
            function = _OPERATORS.get(layer.get_config()["function"])
            if function is not None:
                return function
        if name == "SlicingOpLambda":
            return lambda tensor, slice_spec: tensor[_key(slice_spec)]
        cls = getattr(keras.layers, name, None)
        if cls is None or name == "Lambda" or not type(layer).__module__.startswith("tf_keras."):
            raise UnsupportedLayerError(
                f"tf_keras layer {layer.name!r} ({name}) has no counterpart among the layers of Keras 3; "
                "build the model with Keras 3, where any layer can be taught to the converter"
            )
        config = layer.get_config()
        for old, new in _RENAMED.get(name, {}).items():
            config[new] = float(config.pop(old))
        if name == "BatchNormalization" and isinstance(config["axis"], (list, tuple)):
            (config["axis"],) = config["axis"]
        kept = _accepted(cls, config)
        kept["name"] = layer.name.replace("/", "_")
        try:
            return cls.from_config(kept)
        except (TypeError, ValueError) as error:
            raise UnsupportedLayerError(
                f"tf_keras layer {layer.name!r} ({name}) could not be rebuilt as its Keras 3 counterpart: "
                f"{str(error).splitlines()[0]}"
            ) from error


def _accepted(cls: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The settings that a layer of Keras 3 takes; also those of layers and cells inside."""
    accepted = inspect.signature(cls.__init__).parameters
    return {
        k: _inner(v)
        for k, v in config.items()
        if (k in accepted or k in ("name", "trainable"))
        and not k.endswith(("_initializer", "_regularizer", "_constraint"))
    }


def _inner(setting: Any) -> Any:
    if isinstance(setting, (list, tuple)):
        return [_inner(item) for item in setting]
    cls = getattr(keras.layers, str(setting.get("class_name")), None) if isinstance(setting, dict) else None
    if cls is None:
        return setting
    config = _accepted(cls, setting["config"])
    return {"module": "keras.layers", "class_name": setting["class_name"], "config": config}


def _paired(theirs: list[Any], ours: list[Any]) -> list[tuple[Any, Any]]:
    """Variables of both libraries in the same order, or, where that does not fit, those of one shape."""
    pairs = list(zip(theirs, ours, strict=True))
    shapes = {tuple(v.shape): v for v in ours}
    if any(tuple(a.shape) != tuple(b.shape) for a, b in pairs) and len(shapes) == len(ours):
        return [(a, shapes.get(tuple(a.shape), b)) for a, b in pairs]
    return pairs


def _key(spec: Any) -> Any:
    """An index as Python writes it; Keras 2 keeps slices as dictionaries."""
    if isinstance(spec, (list, tuple)):
        return tuple(_key(item) for item in spec)
    return slice(spec["start"], spec["stop"], spec["step"]) if isinstance(spec, dict) else spec


def _plain(structure: Any) -> Any:
    """Keras 2's wrapped lists and dicts as plain ones."""
    if isinstance(structure, dict):
        return {k: _plain(v) for k, v in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_plain(v) for v in structure]
    return structure
