"""Shapes: concrete sizes for a model's inputs, and shapes of results where Keras infers none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import KerasTensor, Layer, Operation, tree
from keras.src.layers.input_spec import assert_input_compatibility

from gmn_tf.errors import ConversionError, UnsupportedLayerError

# An unknown axis gets a size of its own, so that two of them are never taken for one another; small
# models are cheap to trace, downsampling ones need room, so the sizes grow until every layer fits.
_SIZES = (5, 17, 33, 65, 129, 257)
_MOST_TABLES = 8

# What an operation says of a tensor's shape alone: known while tracing, so nothing is recorded.
FROM_SHAPE: dict[str, Callable[[KerasTensor], int]] = {
    "Ndim": lambda x: len(x.shape),
    "Size": lambda x: math.prod(x.shape),
}


def concrete_inputs(model: keras.Model) -> Iterator[list[KerasTensor]]:
    """Inputs of concrete shape to try in turn.

    Sizes of their own first; inputs that must agree (tokens and their mask) then get the same ones; a
    sequence that must fill a table of positions exactly gets the table's length at last.
    """
    specs = _input_specs(model)
    if not any(None in s.shape[1:] for s in specs):
        yield _concrete(specs, 0, 0)
        return
    for size, step in itertools.product(_SIZES, (2, 0)):
        yield _concrete(specs, size, step)
    for size in table_lengths(model):
        yield _concrete(specs, size, 0)


def table_lengths(model: Any) -> list[int]:
    """Lengths of the model's tables (variables of two axes), each once, shortest first."""
    tables = {int(v.shape[0]) for v in model.weights if len(v.shape) == 2 and v.shape[0] > 1}
    return sorted(tables)[:_MOST_TABLES]


def _input_specs(model: keras.Model) -> list[KerasTensor]:
    if not getattr(model, "built", False):
        raise ConversionError(
            f"model {model.name!r} is not built, so its weights do not exist yet: "
            "call it on a batch, or give it an Input, before converting it"
        )
    try:
        specs = model.inputs
    except (AttributeError, ValueError):
        specs = None
    if not specs:
        raise UnsupportedLayerError(
            f"model {model.name!r} ({type(model).__name__}) does not say what its inputs are: wrap it as "
            "keras.Model(inputs, model(inputs)) with inputs = keras.Input(shape)"
        )
    return list(tree.flatten(specs))


def _concrete(specs: list[KerasTensor], first: int, step: int) -> list[KerasTensor]:
    """Inputs of concrete shape: batch 1, every other unknown axis `step` larger than the one before."""
    inputs, size = [], first
    for spec in specs:
        shape: list[int] = []
        for axis, dimension in enumerate(spec.shape):
            if dimension is None and axis > 0:
                dimension, size = size, size + step
            shape.append(1 if dimension is None else dimension)
        inputs.append(KerasTensor(tuple(shape), dtype=spec.dtype, name=spec.name))
    return inputs


def output_spec(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The results of an operation as symbolic tensors; it runs on zeros where Keras infers no shape.

    Raises:
        ValueError, TypeError: the operation does not take these shapes.
    """
    if isinstance(operation, Layer) and operation.input_spec is not None and args:
        assert_input_compatibility(operation.input_spec, args[0], operation.name)
    try:
        outputs = operation.compute_output_spec(*args, **kwargs)
    except (ValueError, TypeError) as error:
        try:
            return _run_on_zeros(operation, args, kwargs)
        except Exception:
            raise error from None
    known = all(d is not None for t in tree.flatten(outputs) if isinstance(t, KerasTensor) for d in t.shape)
    return outputs if known else _run_on_zeros(operation, args, kwargs)


def _run_on_zeros(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def zeros(item: Any) -> Any:
        return keras.ops.zeros(item.shape, item.dtype) if isinstance(item, KerasTensor) else item

    args, kwargs = tree.map_structure(zeros, (args, kwargs))
    return tree.map_structure(
        lambda t: KerasTensor(tuple(t.shape), dtype=keras.backend.standardize_dtype(t.dtype)),
        operation.call(*args, **kwargs),
    )
