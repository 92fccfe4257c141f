"""Running a model on random weights and inputs without touching its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import tree

from gmn_tf.convert.shapes import table_lengths
from gmn_tf.errors import ConversionError
from gmn_tf.graph.layout import WeightLayout, numpy_dtype, set_weights

_FEW = 4
_SIZES = (7, 19, 37, 70, 131, 260)  # tried for axes of unknown size


def random_weights(
    layout: WeightLayout, like: list[np.ndarray], rng: np.random.Generator, *, gain: float = 1.0
) -> list[np.ndarray]:
    """Weights of generic position: no two equal, as those of a fresh model often are; variances positive.

    `gain` scales kernels, so that a deep model's signal neither dies away nor explodes.
    """
    result = []
    for spec, array in zip(layout.specs, like, strict=True):
        if spec.is_state:
            result.append(array)
            continue
        name = spec.path.rsplit("/", 1)[-1]
        if "variance" in name:
            drawn = rng.uniform(0.5, 1.5, spec.shape)
        elif "gamma" in name or name == "scale":
            drawn = rng.uniform(0.5, 1.5, spec.shape) * rng.choice([-1.0, 1.0, 1.0], spec.shape)
        elif len(spec.shape) < 2:
            drawn = rng.normal(0.3, 0.5, spec.shape)
        else:
            inputs = spec.shape[:-2] if "depthwise" in name else spec.shape[:-1]
            drawn = rng.normal(0.0, gain, spec.shape) * math.sqrt(1.5 / max(1, math.prod(inputs)))
        result.append(np.asarray(drawn).astype(array.dtype))
    return result


def rounded_weights(
    model: Any, layout: WeightLayout, weights: list[np.ndarray], rng: np.random.Generator
) -> list[np.ndarray]:
    """Every weight moved up or down, at random, by one rounding step of what the model computes in."""
    names = {spec.dtype for spec in layout.specs if not spec.is_state}
    for layer in model._flatten_layers():  # a container says a precision, too, but computes nothing
        if type(layer).__name__ != "InputLayer" and not list(layer._flatten_layers(include_self=False)):
            names.add(layer.compute_dtype)
    step = max(_rounding_step(name) for name in names if "float" in str(name))
    result = []
    for spec, array in zip(layout.specs, weights, strict=True):
        if spec.is_state:
            result.append(array)
            continue
        factor = 1.0 + step * rng.choice([-1.0, 1.0], spec.shape)
        result.append((array.astype(np.float64) * factor).astype(array.dtype))
    return result


def _rounding_step(dtype: str) -> float:
    import ml_dtypes

    return float(ml_dtypes.finfo(numpy_dtype(dtype)).eps)


def fitting_runner(
    model: Any, weights: list[np.ndarray], *, seed: int
) -> tuple[Callable[[list[np.ndarray]], np.ndarray], np.ndarray]:
    """A runner whose inputs' unknown sizes suit the model, and its outputs for `weights`."""
    free = any(d is None for spec in model.inputs for d in spec.shape[1:])
    failure: Exception | None = None
    # A sequence that must fill a table of positions exactly has the table's length.
    sizes = [*_SIZES, *table_lengths(model)]
    # Integers are tokens; where they are indices into something smaller, few of them fit.
    for below, size in itertools.product((None, _FEW), sizes if free else _SIZES[:1]):
        run = _runner(model, np.random.default_rng(seed), size, below)
        try:
            return run, run(weights)
        except Exception as error:  # too small for its strides, or beyond its position table
            failure = failure or error
    raise ConversionError(
        f"model {model.name!r} ran on no random input tried: {str(failure).splitlines()[0]}"
    ) from failure


def _runner(
    model: Any, rng: np.random.Generator, size: int, below: int | None
) -> Callable[[list[np.ndarray]], np.ndarray]:
    """A function from a list of weights to the outputs on fixed random inputs, as one flat array."""
    structure = getattr(model, "_inputs_struct", None)
    inputs = [_random_input(model, spec, rng, size, below) for spec in model.inputs]
    if structure is not None:
        batch = tree.pack_sequence_as(structure, inputs)
    else:
        batch = inputs[0] if len(inputs) == 1 else inputs

    def flat(outputs: Any) -> np.ndarray:
        return np.concatenate([np.asarray(o, np.float64).reshape(-1) for o in tree.flatten(outputs)])

    derived = any(hasattr(layer, "adapt_mean") for layer in model._flatten_layers())
    stateful = [layer for layer in model._flatten_layers() if getattr(layer, "stateful", False)]
    if isinstance(model, keras.Model) and not derived and not stateful:
        number = {id(v): i for i, v in enumerate(model.weights)}
        trainable = [number[id(v)] for v in model.trainable_variables]
        rest = [number.get(id(v)) for v in model.non_trainable_variables]
        kept = [v.value for v in model.non_trainable_variables]

        def run(weights: list[np.ndarray]) -> np.ndarray:
            others = [weights[n] if n is not None else k for n, k in zip(rest, kept, strict=True)]
            outputs, _ = model.stateless_call([weights[n] for n in trainable], others, batch, training=False)
            return flat([keras.ops.convert_to_numpy(o) for o in tree.flatten(outputs)])

        return run

    def run_in_place(weights: list[np.ndarray]) -> np.ndarray:
        own = model.get_weights()
        states = [
            v for layer in stateful for v in tree.flatten(getattr(layer, "states", None)) if v is not None
        ]
        kept = [np.array(v) for v in states]
        try:
            set_weights(model, weights)
            for state in states:
                state.assign(np.zeros(state.shape))
            return flat([np.asarray(o) for o in tree.flatten(model(batch, training=False))])
        finally:
            set_weights(model, own)
            for state, value in zip(states, kept, strict=True):
                state.assign(value)

    return run_in_place


def _random_input(
    model: Any, spec: Any, rng: np.random.Generator, size: int, below: int | None
) -> np.ndarray:
    vocabulary = min(
        (layer.input_dim for layer in model._flatten_layers() if type(layer).__name__ == "Embedding"),
        default=None,
    )
    shape = tuple(3 if d is None and i == 0 else size if d is None else d for i, d in enumerate(spec.shape))
    if spec.dtype == "string":
        return rng.choice(["a", "b", "a b", "c"], shape)
    dtype = np.dtype(getattr(spec.dtype, "name", spec.dtype))
    if vocabulary is not None and below is None and (dtype.kind in "iu" or len(shape) == 2):
        return rng.integers(0, vocabulary, shape).astype(dtype)
    if dtype.kind in "iu":
        return rng.integers(0, below or _FEW, shape).astype(dtype)
    return rng.normal(0.0, 1.0, shape).astype(dtype)
