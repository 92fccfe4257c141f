"""What an optimiser remembers of each weight (moments, accumulators), in the order of the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from gmn_tf.errors import ConversionError


def optimizer_slots(model: Any, optimizer: Any = None) -> dict[str, list[np.ndarray | None]]:
    """An optimiser's slot variables, as further channels for `ParameterGraph.values`.

    ```python
    moments = gmn_tf.optimizer_slots(model)             # after training with Adam: momentum, velocity
    values = graph.values(model, extra=list(moments.values()))
    ```

    Args:
        model: a Keras 3 or tf_keras model.
        optimizer: the Keras optimiser that trained it; the one it was compiled with by default.

    Returns:
        For each kind of slot, by the optimiser's own name for it ("momentum" and "velocity" of Keras 3's
        Adam, "m" and "v" of tf_keras'), a list shaped like `model.trainable_weights`: an array of the
        weight's shape, or None where the optimiser keeps none. Numbers that are not shaped like their
        weight (Adafactor's factors), or are no weight's (iteration), are left out. Empty for plain SGD.

    Raises:
        ConversionError: the model has no optimiser, or one that has not seen its weights yet.
    """
    optimizer = optimizer if optimizer is not None else getattr(model, "optimizer", None)
    if optimizer is None:
        raise ConversionError(
            f"model {model.name!r} has no optimiser: compile it, or pass the one that trained it"
        )
    if not isinstance(optimizer.variables, (list, tuple)):  # a method, in the legacy ones
        raise ConversionError(
            f"{type(optimizer).__name__} is a legacy optimiser, whose slots are not read: use "
            "tf_keras.optimizers or keras.optimizers"
        )
    if not getattr(optimizer, "built", getattr(optimizer, "_built", False)):
        raise ConversionError(
            f"the optimiser {optimizer.name!r} has no slots yet: train a step, or call optimizer.build("
            "model.trainable_variables)"
        )
    weights = model.trainable_weights
    slots: dict[str, list[np.ndarray | None]] = {}
    for variable in optimizer.variables:
        # The longest name that fits: "a_b_momentum" is a slot of "a_b" before it is one of "a".
        found = [(len(_name(w)), -i, slot) for i, w in enumerate(weights) if (slot := _slot(variable, w))]
        for _, place, slot in sorted(found, reverse=True):
            arrays = slots.setdefault(slot, [None] * len(weights))
            if arrays[-place] is None:  # weights of one name have their slots in the order of the weights
                arrays[-place] = np.asarray(ops.convert_to_numpy(variable))
                break
    return slots


def _slot(variable: Any, weight: Any) -> str | None:
    """Which slot of `weight` the optimiser's `variable` is, if it is one.

    Optimisers name their slots after the weight: `{path, _ for /}_{slot}` in Keras 3, `Adam/{slot}/{name}`
    in tf_keras.
    """
    if tuple(variable.shape) != tuple(weight.shape):
        return None
    name, base = variable.name.partition(":")[0], _name(weight)
    if hasattr(weight, "path"):
        return name.removeprefix(f"{base}_") if name.startswith(f"{base}_") else None
    owner = name.removesuffix(f"/{base}")
    return owner.rpartition("/")[2] if owner != name else None


def _name(weight: Any) -> str:
    return weight.path.replace("/", "_") if hasattr(weight, "path") else weight.name.partition(":")[0]
