"""A learnt grid of features over one, two, three or more coordinates."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from gmn_tf.keras_layers.arguments import PACKAGE
from gmn_tf.keras_layers.grids import GridLayer, interpolate, resolutions


@keras.saving.register_keras_serializable(package=PACKAGE)
class FeatureGrid(GridLayer):
    """Features at a point, interpolated between the points of one learnt grid over all coordinates.

    Linear interpolation for one coordinate, bilinear for two, trilinear for three (Sun et al., "Direct
    Voxel Grid Optimization", CVPR 2022); -1 is the first grid point, 1 the last, and a point beyond
    takes the value at the edge.

    Args:
        features: numbers at each point, 1 or more.
        resolution: grid points along each coordinate, one number or one for each; 2 or more.
        grid_initializer, grid_regularizer, grid_constraint: of `grid` [*resolution, features].

    Call arguments:
        inputs: [batch, ..., coordinates], in [-1, 1].

    Returns:
        [batch, ..., features].

    Raises:
        gmn_tf.errors.LayerArgumentError: an argument that is not as above, or as many resolutions as there
            are no coordinates.

    Example:
        ```python
        pixels = keras.Input((2,))
        x = FeatureGrid(8, resolution=16)(pixels)
        image = keras.Model(pixels, keras.layers.Dense(3)(keras.layers.Dense(16, activation="relu")(x)))
        ```
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        sizes = resolutions(self.resolution, self._coordinates(input_shape))
        self.grid = self._add_grid("grid", sizes)

    def call(self, inputs: Any) -> Any:
        return ops.cast(interpolate(self.grid, self._points(inputs)), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.features)
