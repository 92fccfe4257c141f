"""The linear layer that is equivariant to permutations of a set (DeepSets)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from gmn_tf.keras_layers.arguments import PACKAGE, one_of
from gmn_tf.keras_layers.equivariant_dense import EquivariantDense

POOLINGS = ("mean", "sum", "max")


@keras.saving.register_keras_serializable(package=PACKAGE)
class SetEquivariantDense(EquivariantDense):
    """`y_i = activation(x_i K[0] + pool_j(x_j) K[1] + b)` for the elements i of a set.

    Permuting the elements permutes the result alike. With `pooling` "sum" (or "mean", the same maps
    scaled) these are all linear maps that do so: Zaheer et al., "Deep Sets" (NeurIPS 2017), section 3.1.

    Args:
        units: features of each element of the result, 1 or more.
        pooling: what is taken over the elements of a set, feature by feature: "mean" (independent of the
            set's size), "sum" or "max".
        activation: as in `keras.layers.Dense`; so are the arguments for kernel and bias below.
        use_bias: whether b is there, one number per unit.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
        bias_constraint: of `kernel` [2, features, units] (0: the element itself, 1: what is pooled) and
            `bias` [units].

    Call arguments:
        inputs: [batch, ..., elements, features]; the number of elements need not be known. Axes between
            batch and elements hold sets of their own.
        mask: bool [batch, ..., elements], elements that are there; those that are not are left out of
            the pooling. Masks of earlier layers (`Masking`, `Embedding(mask_zero=True)`) arrive here too.

    Returns:
        [batch, ..., elements, units].

    Raises:
        gmn_tf.errors.LayerArgumentError: an argument that is not as above.

    Example:
        ```python
        points = keras.Input((None, 3))  # a set of points
        x = SetEquivariantDense(32, activation="relu")(points)
        x = SetEquivariantDense(32, activation="relu")(x)
        model = keras.Model(points, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling1D()(x)))
        ```
    """

    def __init__(self, units: int, *, pooling: str = "mean", **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.pooling = one_of(pooling, "pooling", POOLINGS)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._add_weights(2, input_shape[-1], (self.units,))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        pooled = self._pool(inputs, mask)  # [batch, ..., 1, features]
        result = ops.matmul(inputs, self.kernel[0]) + ops.matmul(pooled, self.kernel[1])
        if self.bias is not None:
            result = result + self.bias
        return self.activation(result)

    def _pool(self, x: Any, mask: Any) -> Any:
        pool = {"mean": ops.mean, "sum": ops.sum, "max": ops.max}[self.pooling]
        if mask is None:
            return pool(x, axis=-2, keepdims=True)
        there = ops.expand_dims(ops.cast(mask, "bool"), -1)
        if self.pooling == "max":
            any_there = ops.any(there, axis=-2, keepdims=True)
            lowest = ops.max(ops.where(there, x, float("-inf")), axis=-2, keepdims=True)
            return ops.where(any_there, lowest, ops.zeros_like(lowest))  # an empty set pools to 0
        weight = ops.cast(there, x.dtype)
        total = ops.sum(ops.where(there, x, ops.zeros_like(x)), axis=-2, keepdims=True)
        if self.pooling == "sum":
            return total
        return total / ops.maximum(ops.sum(weight, axis=-2, keepdims=True), 1.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pooling": self.pooling}
