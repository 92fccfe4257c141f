"""Values between the points of a regular grid, and the settings that layers of grids share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from gmn_tf.errors import LayerArgumentError
from gmn_tf.keras_layers.arguments import positive_integer


def interpolate(grid: Any, points: Any) -> Any:
    """Multilinear interpolation: [..., features] at points [..., k] of a grid [R_1, ..., R_k, features].

    Coordinate -1 is the first point of its axis, 1 the last; what lies beyond takes the value at the edge.
    """
    *sizes, features = grid.shape
    table = ops.reshape(grid, (-1, features))
    corners = []  # for each axis: (row, weight) of the point below and of the one above
    for axis, size in enumerate(sizes):
        place = (ops.clip(points[..., axis], -1.0, 1.0) + 1.0) * (0.5 * (size - 1))
        below = ops.clip(ops.floor(place), 0.0, float(size - 2))
        row = ops.cast(below, "int32")
        corners.append(((row, 1.0 - (place - below)), (row + 1, place - below)))
    total: Any = 0.0
    for chosen in itertools.product(*corners):
        row, weight = chosen[0]
        for size, (next_row, next_weight) in zip(sizes[1:], chosen[1:], strict=True):
            row, weight = row * size + next_row, weight * next_weight
        total = total + ops.expand_dims(weight, -1) * ops.take(table, row, axis=0)
    return total


def resolutions(resolution: int | list[int], coordinates: int) -> list[int]:
    """Points along each coordinate's axis, from one number for all or one for each."""
    if isinstance(resolution, int):
        return [resolution] * coordinates
    if len(resolution) != coordinates:
        raise LayerArgumentError(
            f"received resolution={resolution} for {coordinates} coordinates, expected one number, or one "
            "for each coordinate"
        )
    return resolution


class GridLayer(keras.layers.Layer):
    """A layer that reads learnt grids at points [batch, ..., coordinates] in [-1, 1].

    Coordinates keep float32 under lower precision policies, where a grid's points would run together.
    """

    def __init__(
        self,
        features: int,
        resolution: int | Sequence[int],
        *,
        grid_initializer: Any = "random_normal",
        grid_regularizer: Any = None,
        grid_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.features = positive_integer(features, "features")
        self.resolution: int | list[int] = (
            [positive_integer(r, "resolution", smallest=2) for r in resolution]
            if isinstance(resolution, (list, tuple))
            else positive_integer(resolution, "resolution", smallest=2)
        )
        self.grid_initializer = keras.initializers.get(grid_initializer)
        self.grid_regularizer = keras.regularizers.get(grid_regularizer)
        self.grid_constraint = keras.constraints.get(grid_constraint)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        count = self._coordinates(input_shape)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: count})

    def _add_grid(self, name: str, sizes: Sequence[int]) -> Any:
        return self.add_weight(
            name=name,
            shape=(*sizes, self.features),
            initializer=self.grid_initializer,
            regularizer=self.grid_regularizer,
            constraint=self.grid_constraint,
            autocast=False,
        )

    def _points(self, inputs: Any) -> Any:
        return ops.cast(inputs, "float64" if self.variable_dtype == "float64" else "float32")

    def _coordinates(self, input_shape: tuple[int | None, ...]) -> int:
        count = input_shape[-1]
        if count is None:
            raise LayerArgumentError(
                f"layer {self.name!r} received an input whose last axis has no size, expected the number of "
                "coordinates there; give it in keras.Input"
            )
        return count

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "features": self.features,
            "resolution": self.resolution,
            "grid_initializer": keras.initializers.serialize(self.grid_initializer),
            "grid_regularizer": keras.regularizers.serialize(self.grid_regularizer),
            "grid_constraint": keras.constraints.serialize(self.grid_constraint),
        }
