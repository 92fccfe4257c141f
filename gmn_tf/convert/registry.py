"""Which converter draws which Keras layer or operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from keras import Operation

_Function = TypeVar("_Function", bound=Callable[..., Any])
_CONVERTERS: dict[type, Callable[..., Any]] = {}
_TAKE_WEIGHTS: set[Callable[..., Any]] = set()
_TAKE_COMPOSED: set[Callable[..., Any]] = set()
_TAKE_CHOICES: set[Callable[..., Any]] = set()


def register_converter(
    *classes: type, weights: bool = False, composed: bool = False, choices: bool = False
) -> Callable[[_Function], _Function]:
    """Teaches a layer or operation class to the converter; use as a decorator.

    The function is called as `fn(pen, layer, *args, **kwargs)` with the arguments of the layer's call,
    in which `gmn_tf.convert.entries.Entries` stand in place of tensors, and returns the result's
    `Entries` (or a structure of them). What it draws with is in `gmn_tf.convert.linear`,
    `.elementwise`, `.groups` and `.attention`; `pen.slots(variable)` says where a weight lies, and
    every float weight of the layer must be drawn.

    Example:
        ```python
        @gmn_tf.register_converter(LayerScale)
        def layer_scale(pen, layer, x):
            gamma = Parameter(pen.slots(layer.gamma), EdgeType.SCALE, NodeType.SCALE, "gamma")
            return apply_parameters(pen, x, [gamma], layer=pen.layer())
        ```

    With `weights=True` the function also gets variables that the model's own code computes with, as
    `gmn_tf.convert.entries.Weights`; otherwise these arrive as entries with nodes of their own. With
    `composed=True` it also gets sums and products of variables, as `gmn_tf.convert.entries.Composed`. With
    `choices=True` it gets indices among free nodes as `gmn_tf.convert.entries.Choices`; otherwise these
    arrive as entries that pin the nodes.

    A subclass is drawn by its parent's converter as long as it inherits the parent's `call`.
    """

    def register(function: _Function) -> _Function:
        for cls in classes:
            _CONVERTERS[cls] = function
        if weights:
            _TAKE_WEIGHTS.add(function)
        if composed:
            _TAKE_COMPOSED.add(function)
        if choices:
            _TAKE_CHOICES.add(function)
        return function

    return register


def find_converter(operation: Operation) -> Callable[..., Any] | None:
    """The converter of the operation's class, or of the parent whose `call` it inherits."""
    kind: Any = type(operation)
    for parent in kind.__mro__:
        if parent in _CONVERTERS:
            inherited: Any = parent
            return _CONVERTERS[parent] if kind.call is inherited.call else None
    return None


def takes_weights(converter: Callable[..., Any]) -> bool:
    return converter in _TAKE_WEIGHTS


def takes_composed(converter: Callable[..., Any]) -> bool:
    return converter in _TAKE_COMPOSED


def takes_choices(converter: Callable[..., Any]) -> bool:
    return converter in _TAKE_CHOICES


def registered() -> tuple[type, ...]:
    """All classes that have a converter."""
    return tuple(_CONVERTERS)


def way_out(operation: Any) -> str:
    """How a user teaches this operation."""
    name = type(operation).__name__
    return (
        f"teach it with a converter, @gmn_tf.register_converter({name}), or build it from layers that "
        "gmn_tf.supported_layers() lists"
    )
