"""Which inputs are tokens: decided by use. What feeds an embedding has token nodes, whatever its dtype."""

from __future__ import annotations

import keras
from keras import KerasTensor, tree

from gmn_tf.convert.trace import Call, Trace

_PASSES_THROUGH = frozenset(
    {
        "Cast",
        "ConvertToTensor",
        "Reshape",
        "GetItem",
        "ExpandDims",
        "Squeeze",
        "Flatten",
        "Identity",
        "Dropout",
    }
)


def token_inputs(traced: Trace) -> set[int]:
    """ids of the input tensors that an embedding reads, directly or after a mere rearrangement."""
    makers: dict[int, Call] = {
        id(t): call for call in traced.calls for t in tree.flatten(call.outputs) if isinstance(t, KerasTensor)
    }
    inputs = {id(t) for t in traced.inputs}
    tokens: set[int] = set()
    for call in traced.calls:
        if isinstance(call.operation, keras.layers.Embedding):
            tensor = call.args[0] if call.args else call.kwargs["inputs"]
            while id(tensor) in makers and type(makers[id(tensor)].operation).__name__ in _PASSES_THROUGH:
                tensor = makers[id(tensor)].args[0]
            if id(tensor) in inputs:
                tokens.add(id(tensor))
    return tokens
