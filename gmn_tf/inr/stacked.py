"""Many INRs of one architecture evaluated at once, in TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from gmn_tf.inr.architecture import InrArchitecture


def evaluate(architecture: InrArchitecture, flat: Any, coordinates: Any) -> Any:
    """See `InrArchitecture.render`."""
    flat = tf.convert_to_tensor(flat, tf.float32)
    coordinates = tf.convert_to_tensor(coordinates, tf.float32)
    variables = architecture.variables()
    pieces = tf.split(flat, [variable.size for variable in variables], axis=1)
    weights = [
        tf.reshape(piece, [-1, *variable.shape]) for piece, variable in zip(pieces, variables, strict=True)
    ]
    if coordinates.shape.rank == 2:
        coordinates = coordinates[tf.newaxis]  # [1, M, D]
    x = _encoded(architecture, weights, coordinates)
    for _ in architecture.hidden:
        x = _dense(x, *weights[:2])
        del weights[:2]
        x = tf.sin(architecture.frequency * x) if architecture.kind == "siren" else tf.nn.relu(x)
    return architecture.output_scale * _dense(x, *weights) + architecture.output_shift


def _dense(x: Any, kernel: Any, bias: Any) -> Any:
    """[N or 1, M, features], [N, features, units], [N, units] -> [N, M, units]."""
    return tf.matmul(x, kernel) + bias[:, tf.newaxis]


def _encoded(architecture: InrArchitecture, weights: list[Any], coordinates: Any) -> Any:
    """The coordinates as the first hidden layer reads them; takes the encoding's weights from the list."""
    if architecture.kind == "fourier":
        angles = tf.matmul(coordinates, weights.pop(0))
        return tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)
    if architecture.kind == "triplane":
        planes = [_plane(architecture, weights.pop(0), coordinates, axes) for axes in architecture.planes]
        return tf.add_n(planes)
    return coordinates


def _plane(architecture: InrArchitecture, grid: Any, coordinates: Any, axes: list[int]) -> Any:
    """Multilinear interpolation of grids [N, *sizes, F] at [N or 1, M, D] -> [N, M, F].

    A product with the weight of every grid point: hats of width 1 around each, most of them 0. Grids are
    small, and a gather's gradient is slower than the zeros.
    """
    size = architecture.resolution
    shares = tf.ones([1, 1, 1])
    for axis in axes:
        place = (tf.clip_by_value(coordinates[..., axis : axis + 1], -1.0, 1.0) + 1.0) * (0.5 * (size - 1))
        hats = tf.nn.relu(1.0 - tf.abs(place - tf.range(size, dtype=tf.float32)))  # [N or 1, M, size]
        shares = shares[..., tf.newaxis] * hats[..., tf.newaxis, :]
        shares = tf.reshape(shares, [tf.shape(hats)[0], tf.shape(hats)[1], -1])
    points = size ** len(axes)
    return tf.matmul(
        tf.ensure_shape(shares, [None, None, points]),
        tf.reshape(grid, [-1, points, architecture.num_features]),
    )
