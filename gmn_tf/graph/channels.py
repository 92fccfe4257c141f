"""Numbers beside the weights (gradients, moments, masks), in the order of the flat vector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gmn_tf.errors import ConversionError
from gmn_tf.graph.layout import WeightLayout, WeightSpec


def flatten_partly(layout: WeightLayout, group: Any) -> np.ndarray:
    """The flat vector of numbers that only some weights have; 0 for the others.

    Args:
        layout: of the architecture.
        group: a model, a list shaped like `model.get_weights()` or like `model.trainable_weights` (items
            may be None), a mapping from variables' paths to arrays, or flat vectors [..., layout.size].

    Raises:
        ConversionError: an array has another shape than its weight, or there are too many or too few.
    """
    if isinstance(group, np.ndarray):
        return group
    if hasattr(group, "get_weights"):
        group = group.get_weights()
    flat = np.zeros(layout.size, layout.dtype)
    for spec, array in _pairs(layout, group):
        if array is None or spec.is_state:
            continue
        array = _numpy(array)
        if array.shape != spec.shape:
            raise ConversionError(
                f"received numbers of shape {array.shape} for the weight {spec.path!r} of shape "
                f"{spec.shape}: a channel is a list shaped like model.get_weights() or .trainable_weights"
            )
        flat[spec.offset : spec.offset + spec.size] = array.reshape(-1)
    return flat


def _pairs(layout: WeightLayout, group: Any) -> Iterable[tuple[WeightSpec, Any]]:
    if isinstance(group, Mapping):
        specs = {spec.path: spec for spec in layout.specs}
        for path in group:
            if path not in specs:
                raise ConversionError(
                    f"received numbers for {path!r}, which is no weight here; there are "
                    f"{', '.join(list(specs)[:5])} ..."
                )
        return [(specs[path], array) for path, array in group.items()]
    arrays = list(group)
    trainable = [spec for spec in layout.specs if spec.trainable]
    for candidates in (layout.specs, trainable):
        if len(arrays) == len(candidates):
            return zip(candidates, arrays, strict=True)
    raise ConversionError(
        f"received a channel of {len(arrays)} arrays, expected {len(layout.specs)}, as model.get_weights(), "
        f"or {len(trainable)}, as model.trainable_weights of the model that the graph was made from"
    )


def _numpy(array: Any) -> np.ndarray:
    """Tensors of any backend, Keras variables, sparse gradients (of embeddings) as numpy arrays."""
    if isinstance(array, np.ndarray):
        return array
    import keras

    return np.asarray(keras.ops.convert_to_numpy(array))
