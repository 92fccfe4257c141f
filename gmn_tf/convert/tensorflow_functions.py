"""TensorFlow functions that a layer's own code calls, answered by Keras operations on symbolic tensors.

A layer may branch on the backend and call `tf.gather`, or compare a constant with a tensor (`indices < n`,
which is TensorFlow's operator). TensorFlow asks its registered dispatchers before it gives up on an
argument that is no tensor; ours answers while a model is traced, for the functions that Keras has too.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import KerasTensor, ops, tree

_active = 0
_registered = False


def _gather(params: Any, indices: Any, axis: Any = None, batch_dims: int = 0, **_: Any) -> Any:
    rank = len(params.shape)
    axis = batch_dims if axis is None else axis % rank
    if batch_dims == 0:
        return ops.take(params, indices, axis=axis)
    if batch_dims == axis == rank - 1 == len(indices.shape) - 1:
        return ops.take_along_axis(params, indices, axis=axis)
    return NotImplemented


def _split(value: Any, num_or_size_splits: Any, axis: int = 0, **_: Any) -> Any:
    if not isinstance(num_or_size_splits, int):
        return NotImplemented
    return ops.split(value, num_or_size_splits, axis=axis)


def _resize(images: Any, size: Any, method: Any = "bilinear", **_: Any) -> Any:
    """Which neighbours an interpolation weighs is no part of the graph: positions only."""
    return ops.image.resize(images, size, data_format="channels_last")


# By the name of the TensorFlow function; arguments as TensorFlow names them.
_ANSWERS: dict[str, Callable[..., Any]] = {
    "cast": lambda x, dtype, **_: ops.cast(x, keras.backend.standardize_dtype(dtype)),
    "less": lambda x, y, **_: ops.less(x, y),
    "less_equal": lambda x, y, **_: ops.less_equal(x, y),
    "greater": lambda x, y, **_: ops.greater(x, y),
    "greater_equal": lambda x, y, **_: ops.greater_equal(x, y),
    "equal": lambda x, y, **_: ops.equal(x, y),
    "not_equal": lambda x, y, **_: ops.not_equal(x, y),
    "gather": _gather,
    "gather_v2": _gather,
    "split": _split,
    "concat": lambda values, axis, **_: ops.concatenate(values, axis=axis),
    "stack": lambda values, axis=0, **_: ops.stack(values, axis=axis),
    "resize_images_v1": _resize,
    "resize_images": _resize,
}


@contextlib.contextmanager
def answered_by_keras() -> Iterator[None]:
    """Within it, the functions above take symbolic tensors; nothing changes on other backends."""
    global _active
    if keras.backend.backend() != "tensorflow":
        yield
        return
    _register()
    _active += 1
    try:
        yield
    finally:
        _active -= 1


def _register() -> None:
    global _registered
    if _registered:
        return
    import tensorflow as tf

    base: Any = tf.__internal__.dispatch.GlobalOpDispatcher

    class Dispatcher(base):  # type: ignore[misc]
        def handle(self, op: Any, args: Any, kwargs: Any) -> Any:
            answer = _ANSWERS.get(getattr(op, "__name__", ""))
            symbolic = any(isinstance(t, KerasTensor) for t in tree.flatten((args, kwargs)))
            if not _active or answer is None or not symbolic:
                return self.NOT_SUPPORTED
            given = inspect.signature(op).bind(*args, **kwargs).arguments
            result = answer(**given)
            return self.NOT_SUPPORTED if result is NotImplemented else result

    Dispatcher().register()
    _registered = True
