"""Symbolic tensors that stand for a model's variables while its layers are opened."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import keras
from keras import KerasTensor, Layer, Operation


class Symbols:
    """The symbolic tensor of each variable, made when a layer that holds it is opened.

    Attributes:
        known: by the variable's id, its tensor and the variable.
    """

    def __init__(self, weights: list[keras.Variable]) -> None:
        self.known: dict[int, tuple[KerasTensor, keras.Variable]] = {}
        self._weights = {id(v) for v in weights}

    @contextlib.contextmanager
    def standing_in(self, layer: Layer) -> Iterator[None]:
        """While it is open, the float variables of `layer` and of those inside it are symbolic tensors.

        Otherwise operations on variables alone would run at once, and their weights arrive as
        anonymous constants.
        """
        with contextlib.ExitStack() as stack:
            for inner in layer._flatten_layers():
                changed = {
                    name: _mapped(value, self._symbol_of)
                    for name, value in vars(inner).items()
                    if not name.startswith(_BOOKKEEPING) and _holds_variable(value)
                }
                if changed:
                    stack.enter_context(mock.patch.dict(vars(inner), changed))
            yield

    @contextlib.contextmanager
    def real(self, layer: Operation) -> Iterator[None]:
        """Undoes `standing_in` for a layer that is recorded as it is."""
        with contextlib.ExitStack() as stack:
            for inner in layer._flatten_layers() if isinstance(layer, Layer) else ():
                changed = {
                    name: _mapped(value, self._variable_of)
                    for name, value in vars(inner).items()
                    if not name.startswith(_BOOKKEEPING) and holds_symbol(value)
                }
                if changed:
                    stack.enter_context(mock.patch.dict(vars(inner), changed))
            yield

    def _symbol_of(self, item: Any) -> Any:
        if callable(item):
            return _SYMBOLIC_ACTIVATIONS.get(item, item) if inspect.isfunction(item) else item
        if not _is_float_variable(item) or id(item) not in self._weights:
            return item  # what the model does not count as a weight is a constant of it
        if id(item) not in self.known:
            self.known[id(item)] = (KerasTensor(item.shape, dtype=item.dtype, name=item.name), item)
        return self.known[id(item)][0]

    def _variable_of(self, item: Any) -> Any:
        for symbol, variable in self.known.values():
            if symbol is item:
                return variable
        return item


# Keras' own lists of a layer's variables and sublayers: not what its call reads.
_BOOKKEEPING = (
    "_trainable_variables",
    "_non_trainable_variables",
    "_layers",
    "_tracker",
    "_metrics",
    "_seed",
)


def _is_float_variable(item: Any) -> bool:
    return isinstance(item, keras.Variable) and str(item.dtype).startswith(("float", "bfloat"))


def _holds_variable(value: Any) -> bool:
    return _any_in(
        value,
        lambda item: _is_float_variable(item) or (inspect.isfunction(item) and item in _SYMBOLIC_ACTIVATIONS),
    )


# Keras' activations that compute in the backend at once, which symbolic tensors cannot follow.
_SYMBOLIC_ACTIVATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    keras.activations.mish: lambda x: x * keras.ops.tanh(keras.ops.softplus(x)),
    keras.activations.sparsemax: keras.ops.sparsemax,
}


def holds_symbol(value: Any) -> bool:
    return _any_in(value, lambda item: isinstance(item, KerasTensor))


def _any_in(value: Any, test: Callable[[Any], bool]) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_any_in(v, test) for v in value)
    if isinstance(value, dict):
        return any(_any_in(v, test) for v in value.values())
    return test(value)


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return (
            type(value)(_mapped(v, function) for v in value)
            if type(value) in (list, tuple)
            else [_mapped(v, function) for v in value]
        )
    if isinstance(value, dict):
        return {k: _mapped(v, function) for k, v in value.items()}
    return function(value)
