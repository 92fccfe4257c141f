"""How a model's weights lie in one flat vector, in the order of `model.get_weights()`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gmn_tf.errors import ConversionError


@dataclasses.dataclass(frozen=True)
class WeightSpec:
    """One array of `model.get_weights()`.

    Attributes:
        path: the variable's path in the model.
        shape: its shape.
        dtype: its dtype's name.
        trainable: whether training changes it.
        offset: where it starts in the flat vector; -1 for integer state, which is no parameter.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    offset: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_state(self) -> bool:
        """Counters and seeds: kept aside, never on an edge."""
        return self.offset < 0


@dataclasses.dataclass(frozen=True)
class WeightLayout:
    """All arrays of `model.get_weights()`, in its order."""

    specs: tuple[WeightSpec, ...]

    @property
    def size(self) -> int:
        """Length of the flat vector: all float weights."""
        return sum(spec.size for spec in self.specs if not spec.is_state)

    @property
    def dtype(self) -> np.dtype:
        """float32, or float64 where a weight needs it for the exact inverse."""
        wide = any(spec.dtype == "float64" for spec in self.specs if not spec.is_state)
        return np.dtype(np.float64 if wide else np.float32)

    def flatten(self, weights: Sequence[np.ndarray]) -> np.ndarray:
        """The flat vector of a list shaped like `model.get_weights()`."""
        self.check(weights)
        flat = np.empty(self.size, self.dtype)
        for spec, array in zip(self.specs, weights, strict=True):
            if not spec.is_state:
                flat[spec.offset : spec.offset + spec.size] = np.asarray(array).reshape(-1)
        return flat

    def unflatten(self, flat: np.ndarray, state: Sequence[np.ndarray] | None) -> list[np.ndarray]:
        """Exact inverse of `flatten`; integer state is taken from the list `state`."""
        weights = []
        for i, spec in enumerate(self.specs):
            if spec.is_state:
                if state is None:
                    raise ConversionError(
                        f"the model keeps integer state in {spec.path!r}, which is on no edge: pass the "
                        "model's current weights as `base`, they supply it"
                    )
                weights.append(np.array(state[i]))
            else:
                part = flat[spec.offset : spec.offset + spec.size].reshape(spec.shape)
                weights.append(part.astype(numpy_dtype(spec.dtype)))
        return weights

    def check(self, weights: Sequence[np.ndarray]) -> None:
        """Raises `ConversionError` unless `weights` fits: number of arrays and every shape."""
        if len(weights) != len(self.specs):
            raise ConversionError(
                f"received {len(weights)} weight arrays, but this architecture has {len(self.specs)}: "
                "fill the graph with weights of the architecture it was made from"
            )
        for spec, array in zip(self.specs, weights, strict=True):
            if tuple(np.shape(array)) != spec.shape:
                raise ConversionError(
                    f"weight {spec.path!r} has shape {tuple(np.shape(array))}, but this architecture has "
                    f"{spec.shape}: fill the graph with weights of the architecture it was made from"
                )


def make_layout(weights: Sequence[tuple[str, tuple[int, ...], str, bool]]) -> WeightLayout:
    """A layout from (path, shape, dtype name, trainable) in the order of `model.get_weights()`."""
    specs, offset = [], 0
    for path, shape, dtype, trainable in weights:
        if dtype.startswith(("float", "bfloat")) and "float8" not in dtype:
            specs.append(WeightSpec(path, tuple(shape), dtype, trainable, offset))
            offset += specs[-1].size
        elif trainable or "kernel" in path.rsplit("/", 1)[-1] or "float8" in dtype:
            raise ConversionError(
                f"weight {path!r} is quantised ({dtype}); only float weights have an exact graph: "
                "convert the model before it is quantised"
            )
        else:
            specs.append(WeightSpec(path, tuple(shape), dtype, trainable, -1))
    return WeightLayout(tuple(specs))


def numpy_dtype(name: str) -> Any:
    """The numpy dtype of a Keras dtype name, bfloat16 included."""
    if name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return np.dtype(name)


def set_weights(model: Any, weights: Sequence[np.ndarray]) -> None:
    """`model.set_weights`, and what Keras derives from weights once (Normalization's mean) derived anew."""
    model.set_weights(list(weights))
    for layer in model._flatten_layers():
        if hasattr(layer, "adapt_mean") and getattr(layer, "built", False):
            layer.finalize_state()
