"""Learnt grids over some of the coordinates each, triplanes above all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from gmn_tf.errors import LayerArgumentError
from gmn_tf.keras_layers.arguments import PACKAGE, one_of
from gmn_tf.keras_layers.grids import GridLayer, interpolate, resolutions

COMBINATIONS = ("sum", "multiply", "concatenate")


@keras.saving.register_keras_serializable(package=PACKAGE)
class FeaturePlanes(GridLayer):
    """Features at a point, read from several planes and combined; for three coordinates a triplane.

    A plane is a learnt grid over some of the coordinates, read by (multi)linear interpolation: -1 is
    the first grid point, 1 the last, and a point beyond takes the value at the edge. Three coordinates
    give the triplane of Chan et al., "Efficient Geometry-aware 3D Generative Adversarial Networks" (CVPR
    2022), section 3, whose planes are summed; products of planes are those of K-planes
    (Fridovich-Keil et al., CVPR 2023), section 3.

    Args:
        features: numbers at each point of a plane, 1 or more.
        resolution: grid points along each coordinate, one number or one for each; 2 or more.
        planes: the coordinates of each plane, such as `[[0, 1], [0, 2], [1, 2]]`; one coordinate makes a
            line, three a volume. None: every pair of coordinates, in this order.
        combination: "sum" and "multiply" combine the planes' features one by one, "concatenate" puts
            them after one another.
        grid_initializer, grid_regularizer, grid_constraint: of each of the grids, `plane_0_1`
            [*resolution of its coordinates, features] and so on.

    Call arguments:
        inputs: [batch, ..., coordinates], in [-1, 1].

    Returns:
        [batch, ..., features], or [batch, ..., number of planes * features] where they are concatenated.

    Raises:
        gmn_tf.errors.LayerArgumentError: an argument that is not as above, a plane that names a coordinate
            twice or one that the input lacks, or two planes over the same coordinates.

    Example:
        ```python
        points = keras.Input((3,))
        x = FeaturePlanes(16, resolution=32)(points)
        occupancy = keras.Model(points, keras.layers.Dense(1)(keras.layers.Dense(32, activation="relu")(x)))
        ```
    """

    def __init__(
        self,
        features: int,
        resolution: int | Sequence[int],
        *,
        planes: Sequence[Sequence[int]] | None = None,
        combination: str = "sum",
        **kwargs: Any,
    ) -> None:
        super().__init__(features, resolution, **kwargs)
        self.planes = None if planes is None else _checked(planes)
        self.combination = one_of(combination, "combination", COMBINATIONS)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        coordinates = self._coordinates(input_shape)
        sizes = resolutions(self.resolution, coordinates)
        self.axes = self._axes(coordinates)
        self.grids = [
            self._add_grid("_".join(["plane", *map(str, axes)]), [sizes[a] for a in axes])
            for axes in self.axes
        ]

    def call(self, inputs: Any) -> Any:
        points = self._points(inputs)
        read = [
            interpolate(grid, ops.stack([points[..., a] for a in axes], axis=-1))
            for grid, axes in zip(self.grids, self.axes, strict=True)
        ]
        if self.combination == "concatenate":
            result = ops.concatenate(read, axis=-1)
        else:
            result = read[0]
            for other in read[1:]:
                result = result + other if self.combination == "sum" else result * other
        return ops.cast(result, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        together = self.combination == "concatenate"
        count = len(self._axes(self._coordinates(input_shape))) if together else 1
        return (*input_shape[:-1], count * self.features)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "planes": self.planes, "combination": self.combination}

    def _axes(self, coordinates: int) -> list[list[int]]:
        """The coordinates of each plane for inputs of so many."""
        if self.planes is None:
            if coordinates < 2:
                raise LayerArgumentError(
                    f"layer {self.name!r} received points of {coordinates} coordinate, expected 2 or more, "
                    "of which planes are the pairs; use FeatureGrid, or give planes"
                )
            return [list(pair) for pair in itertools.combinations(range(coordinates), 2)]
        beyond = [axes for axes in self.planes if max(axes) >= coordinates]
        if beyond:
            raise LayerArgumentError(
                f"layer {self.name!r} received points of {coordinates} coordinates, expected those of its "
                f"planes, 0 .. {coordinates - 1}; {beyond[0]} names another"
            )
        return self.planes


def _checked(planes: Any) -> list[list[int]]:
    expected = "expected lists of different coordinates such as [[0, 1], [0, 2], [1, 2]]"
    if not isinstance(planes, (list, tuple)) or not all(isinstance(axes, (list, tuple)) for axes in planes):
        raise LayerArgumentError(f"received planes={planes!r}, {expected}")
    numbers = [a for axes in planes for a in axes]
    if not planes or not all(planes) or not all(type(a) is int and a >= 0 for a in numbers):
        raise LayerArgumentError(f"received planes={planes!r}, {expected}")
    result = [list(axes) for axes in planes]
    if any(len({*axes}) != len(axes) for axes in result):
        raise LayerArgumentError(f"received planes={planes!r}, {expected}")
    if len({frozenset(axes) for axes in result}) != len(result):
        raise LayerArgumentError(
            f"received planes={planes!r}, in which two planes have the same coordinates, expected each set "
            "of coordinates once; raise features in place of a second plane"
        )
    return result
