"""Layers whose Keras call cannot simply run on symbolic tensors, and what runs in its place.

An opener calls the layers and operations inside on symbolic tensors, like the layer's own call would;
the few steps that no Keras operation expresses (a state that feeds itself) are operations of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import KerasTensor, Operation, layers, ops
from keras.src.ops import core as core_ops
from keras.src.ops import numpy as numpy_ops


class TakeStep(Operation):
    """One step of a sequence: [batch, time, ...] -> [batch, ...]."""

    def compute_output_spec(self, x: KerasTensor) -> KerasTensor:
        return KerasTensor((x.shape[0], *x.shape[2:]), dtype=x.dtype)


class NewState(Operation):
    """A state of a recurrent cell, fed by `initial` where given: its nodes, before they are read."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        super().__init__()
        self.shape, self.dtype = shape, dtype

    def compute_output_spec(self, anchor: KerasTensor, initial: KerasTensor | None = None) -> KerasTensor:
        return KerasTensor(self.shape, dtype=self.dtype)


class CloseState(Operation):
    """The cell's outgoing state becomes its next incoming one; returns `x` as it is."""

    def compute_output_spec(self, x: KerasTensor, state: KerasTensor, following: KerasTensor) -> KerasTensor:
        return KerasTensor(x.shape, dtype=x.dtype)


class OverTime(Operation):
    """What a cell gives at every step: [batch, ...] -> [batch, time, ...]."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def compute_output_spec(self, x: KerasTensor) -> KerasTensor:
        return KerasTensor((x.shape[0], self.steps, *x.shape[1:]), dtype=x.dtype)


class Attach(Operation):
    """A weight that has no effect at inference, kept on edges into the result it belongs to."""

    def compute_output_spec(self, x: KerasTensor, weight: KerasTensor) -> KerasTensor:
        return KerasTensor(x.shape, dtype=x.dtype)


def open_recurrent(
    layer: Any, sequence: Any, initial_state: Any = None, mask: Any = None, **settings: Any
) -> Any:
    """An RNN over any cell: the cell is called once, on a step and on states that feed themselves.

    A stateful layer is drawn as it acts after `reset_state()`: what it has seen since is no weight.
    """
    if isinstance(sequence, (list, tuple)):
        sequence, *initial_state = sequence
    step = TakeStep()(sequence)
    zeros = keras.tree.flatten(layer.get_initial_state(batch_size=sequence.shape[0]))
    given = [None] * len(zeros) if initial_state is None else keras.tree.flatten(initial_state)
    states = []
    for zero, initial in zip(zeros, given, strict=True):
        state = NewState(tuple(zero.shape), step.dtype)
        states.append(state(step) if initial is None else state(step, initial))
    structure = layer.cell.state_size
    nested = keras.tree.pack_sequence_as(structure, states) if keras.tree.is_nested(structure) else states
    nested = list(nested) if isinstance(nested, (list, tuple)) else nested
    output, following = layer.cell(step, nested)
    following = keras.tree.flatten(following)
    for state, after in zip(states, following, strict=True):
        output = CloseState()(output, state, after)
    result = OverTime(sequence.shape[1])(output) if layer.return_sequences else output
    return [result, *following] if layer.return_state else result


def open_bidirectional(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """As Keras does without its fused kernels."""
    refused = {"_can_attempt_fused_lstm": _never, "_can_attempt_fused_gru": _never}
    before = {name: vars(layer).get(name) for name in refused}
    vars(layer).update(refused)
    try:
        return layer.call(*args, **kwargs)
    finally:
        for name, value in before.items():
            if value is None:
                del vars(layer)[name]
            else:
                vars(layer)[name] = value


def _never(*args: Any, **kwargs: Any) -> bool:
    return False


def open_time_distributed(layer: Any, inputs: KerasTensor, **settings: Any) -> Any:
    """The inner layer on all steps at once, the time axis merged with the batch."""
    merged = ops.reshape(inputs, (inputs.shape[0] * inputs.shape[1], *inputs.shape[2:]))
    return keras.tree.map_structure(
        lambda t: ops.reshape(t, (inputs.shape[0], inputs.shape[1], *t.shape[1:])), layer.layer(merged)
    )


def open_spectral_normalization(layer: Any, inputs: KerasTensor, **settings: Any) -> Any:
    """The wrapped layer; its kernel is normalised in training only, the vector u is kept on edges.

    u has an entry per index of the kernel's last axis: results, or inputs of a transposed convolution.
    """
    size = layer.vector_u.shape[-1]
    if _is_transposed(layer.layer):
        return layer.layer(Attach()(inputs, layer.vector_u))
    result = layer.layer(inputs)
    return Attach()(result, layer.vector_u) if result.shape[-1] == size else result


def _is_transposed(layer: Any) -> bool:
    return isinstance(layer, (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose))


def open_map(operation: Operation, function: Callable[[Any], Any], xs: Any) -> Any:
    """A function of each element of the leading axis, one call an element, as `keras.ops.map` defines it."""
    count = keras.tree.flatten(xs)[0].shape[0]
    results = [function(keras.tree.map_structure(lambda t, i=i: t[i], xs)) for i in range(count)]
    return keras.tree.map_structure(lambda *parts: ops.stack(parts, axis=0), *results)


def open_vectorized_map(operation: Any, elements: Any) -> Any:
    return open_map(operation, operation.function, elements)


def open_clip(operation: Any, x: Any) -> Any:
    """Bounds that are tensors, as trained ones are, in operations that draw them."""
    return ops.minimum(ops.maximum(x, operation.x_min), operation.x_max)


_OPENERS: dict[type, Callable[..., Any]] = {
    numpy_ops.Clip: open_clip,
    core_ops.Map: open_map,
    core_ops.VectorizedMap: open_vectorized_map,
    layers.RNN: open_recurrent,
    layers.Bidirectional: open_bidirectional,
    layers.TimeDistributed: open_time_distributed,
    layers.SpectralNormalization: open_spectral_normalization,
}


def find_opener(operation: Operation) -> Callable[..., Any] | None:
    """The opener of the class or of a parent, None for layers whose own call is run."""
    for parent in type(operation).__mro__:
        if parent in _OPENERS:
            return _OPENERS[parent]
    return None
