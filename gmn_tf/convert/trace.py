"""Tracing: a Keras model becomes a flat list of calls on symbolic tensors, before anything is drawn.

A call of a layer or operation that has a converter is recorded; every other layer is opened: its own
`call` runs on symbolic tensors, and what it calls inside is recorded or opened in turn. The layer call
itself is intercepted, so nested layers do not vanish into shape inference, and the model's own graph of
nodes is left untouched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras import KerasTensor, Layer, Operation, tree

from gmn_tf.convert.openers import find_opener
from gmn_tf.convert.shapes import FROM_SHAPE, concrete_inputs, output_spec
from gmn_tf.convert.symbols import Symbols, holds_symbol
from gmn_tf.convert.tensorflow_functions import answered_by_keras
from gmn_tf.errors import ConversionError, GmnError, UnsupportedLayerError

_LOCK = threading.RLock()


@dataclasses.dataclass(frozen=True)
class Call:
    """One recorded call.

    Attributes:
        operation: the Keras layer or operation.
        path: where it stands, such as `model/encoder/dense_1`.
        args, kwargs: as passed; symbolic tensors are `KerasTensor`s.
        outputs: structure of `KerasTensor`s.
        number: place in the list, from 1.
        refusal: for one that can be neither recorded nor opened, the error to raise should it read
            anything that depends on weights.
    """

    operation: Operation
    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Any
    number: int
    refusal: UnsupportedLayerError | None = None


@dataclasses.dataclass(frozen=True)
class Trace:
    """A model as a flat list of calls; `inputs` and `outputs` are flat lists of `KerasTensor`s.

    `variables` are the symbolic tensors that stood for variables while layers were opened, `constants`
    those that stand for constants fed to layers with weights; `sequences` are the ids of the inputs
    whose last axis has no fixed size, so that no weight can belong to an index along it.
    """

    inputs: list[KerasTensor]
    outputs: list[KerasTensor]
    calls: list[Call]
    variables: list[tuple[KerasTensor, keras.Variable]]
    constants: list[tuple[KerasTensor, np.ndarray]]
    sequences: frozenset[int]


def trace(model: keras.Model, is_leaf: Callable[[Operation], bool], way_out: Callable[[Any], str]) -> Trace:
    """Traces a built Keras 3 model.

    Args:
        model: functional, sequential, or subclassed and built.
        is_leaf: whether an operation is recorded as it is (it has a converter).
        way_out: the sentence that tells the user how to teach an operation that cannot be opened.

    Raises:
        UnsupportedLayerError: a layer can be neither recorded nor opened.
        ConversionError: the model is not built.
    """
    failure: Exception | None = None
    for inputs in concrete_inputs(model):
        try:
            recorder = _Recorder(model, is_leaf, way_out)
            outputs = recorder.run(model, inputs)
        except GmnError:
            raise
        except Exception as error:  # a kernel that does not fit this size
            failure = failure or error
            continue
        layers = [call for call in recorder.calls if isinstance(call.operation, Layer)]
        if all(d > 0 for call in layers for t in _tensors(call.outputs) for d in t.shape):
            return Trace(
                inputs=inputs,
                outputs=_tensors(outputs),
                calls=recorder.calls,
                variables=list(recorder.symbols.known.values()),
                constants=recorder.constants,
                sequences=frozenset(
                    id(t)
                    for t, spec in zip(inputs, tree.flatten(model.inputs), strict=True)
                    if len(spec.shape) > 1 and spec.shape[-1] is None
                ),
            )
    raise UnsupportedLayerError(
        f"model {model.name!r} could not be traced on symbolic inputs: {_first_line(failure)}; if it needs "
        "inputs of certain sizes, wrap it as keras.Model(inputs, model(inputs)) with inputs of these sizes"
    ) from failure


def _tensors(structure: Any) -> list[KerasTensor]:
    return [t for t in tree.flatten(structure) if isinstance(t, KerasTensor)]


class _Recorder:
    def __init__(
        self, model: keras.Model, is_leaf: Callable[[Operation], bool], way_out: Callable[[Any], str]
    ) -> None:
        self.calls: list[Call] = []
        self.symbols = Symbols(model.weights)
        self._is_leaf = is_leaf
        self._way_out = way_out
        self._path: list[str] = []
        self._opened: list[Layer] = []
        self.constants: list[tuple[KerasTensor, np.ndarray]] = []

    def run(self, model: keras.Model, inputs: list[KerasTensor]) -> Any:
        with _LOCK, self._intercepting():
            structure = getattr(model, "_inputs_struct", None)
            if structure is not None:
                return self._open(model, (tree.pack_sequence_as(structure, inputs),), {})
            return self._open(model, (inputs[0] if len(inputs) == 1 else inputs,), {})

    @contextlib.contextmanager
    def _intercepting(self) -> Iterator[None]:
        recorder = self

        def layer_call(layer: Layer, *args: Any, **kwargs: Any) -> Any:
            return recorder._call(layer, args, kwargs)

        def symbolic_call(operation: Operation, *args: Any, **kwargs: Any) -> Any:
            return recorder._call(operation, args, kwargs)

        with (
            _plain_errors(),
            answered_by_keras(),
            mock.patch.object(Layer, "__call__", layer_call),
            mock.patch.object(Operation, "symbolic_call", symbolic_call),
            # A layer that is called inside a Functional model goes through the same door.
            mock.patch.object(Layer, "symbolic_call", symbolic_call),
            # Recurrent cells draw their masks before they ask whether these are wanted.
            mock.patch.object(keras.src.backend.random, "dropout", _no_dropout),
        ):
            yield

    def _call(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if type(operation).__name__ == "GetItem" and not isinstance(args[1], (int, tuple, list)):
            args = (args[0], (args[1],))  # Keras infers no shape for a bare slice
        if isinstance(operation, Layer):  # a graph is that of the network at inference
            args, kwargs = _first_by_position(operation, args, kwargs)
            kwargs = {k: v for k, v in kwargs.items() if k != "training" and v is not None}
        if not any(isinstance(t, KerasTensor) for t in tree.flatten((args, kwargs))):
            if not (isinstance(operation, Layer) and operation.weights):
                return operation.call(*args, **kwargs)  # constants only: computed, not drawn
            args = tree.map_structure(self._lifted, args)
        if type(operation).__name__ in FROM_SHAPE:
            return FROM_SHAPE[type(operation).__name__](args[0])
        # A setting that is a tensor (the bounds of a clip) would be lost on the leaf's converter.
        inside = not isinstance(operation, Layer) and any(holds_symbol(v) for v in vars(operation).values())
        if self._is_leaf(operation) and not inside:
            return self._record(operation, args, kwargs)
        if isinstance(operation, Layer):
            return self._open(operation, args, kwargs)
        opener = find_opener(operation)
        if opener is not None:
            return opener(operation, *args, **kwargs)
        refusal = UnsupportedLayerError(
            f"{self._where(operation)} has no converter; {self._way_out(operation)}"
        )
        if inside:
            raise refusal
        return self._record(operation, args, kwargs, refusal)

    def _lifted(self, item: Any) -> Any:
        """A constant that a layer with weights reads, as a symbolic tensor, so the weights are drawn."""
        if not hasattr(item, "shape"):
            return item
        value = keras.ops.convert_to_numpy(item)
        symbol = KerasTensor(value.shape, dtype=keras.backend.standardize_dtype(value.dtype))
        self.constants.append((symbol, value))
        return symbol

    def _where(self, operation: Operation) -> str:
        path = "/".join([*self._path, operation.name])
        if isinstance(operation, Layer):
            return f"layer {path!r} ({type(operation).__name__})"
        inside = self._opened[-1]
        owner = "" if isinstance(inside, keras.Model) else f", called by {type(inside).__name__},"
        return f"operation {path!r} ({type(operation).__name__}){owner}"

    def _record(
        self,
        operation: Operation,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        refusal: UnsupportedLayerError | None = None,
    ) -> Any:
        path = "/".join([*self._path, operation.name])
        with (
            mock.patch.object(Operation, "symbolic_call", _plain_symbolic_call),
            mock.patch.object(Layer, "symbolic_call", _plain_symbolic_call),
            mock.patch.object(Layer, "__call__", _ORIGINAL_LAYER_CALL),
            self.symbols.real(operation),
        ):
            try:
                if isinstance(operation, Layer) and not operation.built:
                    self._refuse_unbuilt(operation, args, kwargs)
                outputs = output_spec(operation, args, kwargs)
            except GmnError:
                raise
            except Exception as error:
                if refusal is not None:
                    raise refusal from error
                if not isinstance(error, (ValueError, TypeError)):
                    raise
                raise _ShapeFailure(f"{self._where(operation)}: {_first_line(error)}") from error
        outputs = tree.map_structure(
            lambda t: KerasTensor(t.shape, dtype=t.dtype) if isinstance(t, KerasTensor) else t, outputs
        )
        self.calls.append(Call(operation, path, args, kwargs, outputs, len(self.calls) + 1, refusal))
        return outputs

    def _refuse_unbuilt(self, layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A layer that was never called may be recorded only if building it would give it no weights."""
        twin = type(layer).from_config(layer.get_config())
        twin(*args, **kwargs)
        if twin.weights:
            raise ConversionError(f"{self._where(layer)} is not built: call the model on a batch first")

    def _open(self, layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        parameters = inspect.signature(layer.call).parameters
        open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        kwargs = {k: v for k, v in kwargs.items() if open_ended or k in parameters}
        if "training" in parameters:
            kwargs["training"] = False
        opener = find_opener(layer)
        calls = len(self.calls)
        given = args, kwargs
        self._path.append(layer.name)
        self._opened.append(layer)
        try:
            with self.symbols.standing_in(layer):
                return opener(layer, *args, **kwargs) if opener else layer.call(*args, **kwargs)
        except (GmnError, _ShapeFailure):
            raise
        except Exception as error:
            self._path.pop()
            where = self._where(layer)
            self._path.append(layer.name)
            refusal = UnsupportedLayerError(
                f"{where} has no converter and could not be opened, {_reason(error)}; {self._way_out(layer)}"
            )
            refusal.__cause__ = error
            if layer.weights:
                raise refusal from error
            del self.calls[calls:]
        finally:
            self._path.pop()
            self._opened.pop()
            for reset in ("reset_dropout_mask", "reset_recurrent_dropout_mask"):
                getattr(layer, reset, lambda: None)()  # a recurrent cell keeps symbolic masks otherwise
        return self._record(layer, *given, refusal)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Keras does not rewrite errors into several coloured lines meanwhile."""
    enabled = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if enabled:
            keras.config.enable_traceback_filtering()


class _ShapeFailure(Exception):
    """A symbolic call did not fit the concrete sizes tried; larger ones may."""


_ORIGINAL_LAYER_CALL = Layer.__call__


def _first_by_position(
    layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call's first argument by position, however the caller passed it (`layer(inputs=x)`)."""
    first = next(iter(inspect.signature(layer.call).parameters), None)
    if args or first not in kwargs:
        return args, kwargs
    return (kwargs[first],), {k: v for k, v in kwargs.items() if k != first}


def _no_dropout(inputs: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(inputs, KerasTensor):
        return inputs
    return _ORIGINAL_DROPOUT(inputs, *args, **kwargs)


_ORIGINAL_DROPOUT = keras.src.backend.random.dropout


def _plain_symbolic_call(operation: Operation, *args: Any, **kwargs: Any) -> Any:
    return operation.compute_output_spec(*args, **kwargs)


def _reason(error: Exception) -> str:
    """Why a layer's call does not run on symbolic tensors, in words."""
    if "KerasTensor" in str(error):
        return (
            "its call uses functions of the backend or of NumPy, which take no symbolic tensors "
            "(those of keras.ops do)"
        )
    return f"its call raised {type(error).__name__}: {_first_line(error)}"


def _first_line(error: Exception | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
