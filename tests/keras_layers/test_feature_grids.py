"""FeatureGrid and FeaturePlanes against numbers by hand and scipy's interpolation, and what they refuse."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from equivariant_layers import normal, randomize
from scipy.interpolate import RegularGridInterpolator

from gmn_tf.errors import LayerArgumentError
from gmn_tf.keras_layers import FeatureGrid, FeaturePlanes


def interpolated(grid, points):
    """The same by scipy, which clips nothing itself."""
    axes = [np.linspace(-1, 1, size) for size in grid.shape[:-1]]
    return RegularGridInterpolator(axes, grid)(np.clip(points, -1, 1))


def built(coordinates, cls, *args, **settings):
    layer = cls(*args, **settings)
    layer.build((None, coordinates))
    return layer, randomize(layer)


def test_a_line_by_hand():
    # Points -1, 0, 1 hold 10, 20, 40; half-way between the last two it is 30, beyond the ends the end.
    layer = FeatureGrid(1, 3)
    layer.build((None, 1))
    layer.set_weights([np.array([[10.0], [20.0], [40.0]])])
    points = np.array([[-1.0], [0.0], [0.5], [1.0], [-7.0], [7.0]])
    np.testing.assert_array_equal(layer(points)[:, 0], [10, 20, 30, 40, 10, 40])


def test_a_square_by_hand():
    # Corners 0, 1 / 2, 7 and their middle: the mean, 2.5.
    layer = FeatureGrid(1, 2)
    layer.build((None, 2))
    layer.set_weights([np.array([[[0.0], [1.0]], [[2.0], [7.0]]])])
    np.testing.assert_array_equal(layer(np.array([[0.0, 0.0], [-1.0, 1.0], [1.0, -1.0]]))[:, 0], [2.5, 1, 2])


@pytest.mark.parametrize("resolution", [[4], [4, 3], [4, 3, 2], [2, 3, 2, 3]])
def test_grids_as_scipy_has_them(resolution):
    layer, (grid,) = built(len(resolution), FeatureGrid, 5, resolution)
    assert grid.shape == (*resolution, 5)
    points = normal(40, len(resolution))
    np.testing.assert_allclose(layer(points), interpolated(grid, points), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("combination", ["sum", "multiply", "concatenate"])
@pytest.mark.parametrize("planes", [None, [[0, 1, 2], [3]], [[2, 0], [1]]])
def test_planes_as_scipy_has_them(planes, combination):
    coordinates = 4
    layer, grids = built(coordinates, FeaturePlanes, 5, [4, 3, 2, 5], planes=planes, combination=combination)
    axes = planes or [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    points = normal(6, 7, coordinates)
    read = [interpolated(grid, points[..., a]) for grid, a in zip(grids, axes, strict=True)]
    expected = {
        "sum": np.sum(read, axis=0),
        "multiply": np.prod(read, axis=0),
        "concatenate": np.concatenate(read, axis=-1),
    }[combination]
    np.testing.assert_allclose(layer(points), expected, rtol=1e-4, atol=1e-5)


def test_a_triplane_has_three_planes():
    layer, grids = built(3, FeaturePlanes, 8, [4, 5, 6])
    assert [g.shape for g in grids] == [(4, 5, 8), (4, 6, 8), (5, 6, 8)]
    assert [v.name for v in layer.weights] == ["plane_0_1", "plane_0_2", "plane_1_2"]


def test_every_weight_acts():
    layer, grids = built(3, FeaturePlanes, 2, 3)
    points = normal(500, 3)
    before = np.asarray(layer(points))
    for number in range(len(grids)):
        for place in np.ndindex(grids[number].shape):
            changed = [g.copy() for g in grids]
            changed[number][place] += 1.0
            layer.set_weights(changed)
            assert np.any(np.abs(layer(points) - before) > 1e-3), f"{number} {place}"


@pytest.mark.parametrize(
    "cls, arguments, sentence",
    [
        (FeatureGrid, {"features": 0}, "received features=0, expected an integer of 1 or more"),
        (FeatureGrid, {"resolution": 1}, "received resolution=1, expected an integer of 2 or more"),
        (FeatureGrid, {"resolution": [3, 1.5]}, "received resolution=1.5, expected an integer of 2"),
        (FeaturePlanes, {"combination": "max"}, "received combination='max', expected one of 'sum'"),
        (FeaturePlanes, {"planes": []}, r"received planes=\[\], expected lists of different coordinates"),
        (FeaturePlanes, {"planes": [[0, 0]]}, "expected lists of different coordinates"),
        (FeaturePlanes, {"planes": [[0.5, 1]]}, "expected lists of different coordinates"),
        (FeaturePlanes, {"planes": [0, 1]}, "expected lists of different coordinates"),
        (FeaturePlanes, {"planes": [[0, -1]]}, "expected lists of different coordinates"),
        (FeaturePlanes, {"planes": [[0, 1], [1, 0]]}, "two planes have the same coordinates"),
    ],
)
def test_arguments_that_do_not_fit(cls, arguments, sentence):
    with pytest.raises(LayerArgumentError, match=sentence):
        cls(**{"features": 2, "resolution": 3, **arguments})


@pytest.mark.parametrize(
    "layer, shape, sentence",
    [
        (FeatureGrid(2, [3, 3]), (3,), r"resolution=\[3, 3\] for 3 coordinates"),
        (FeatureGrid(2, 3, name="g"), (4, None), "layer 'g' .* last axis has no size"),
        (FeaturePlanes(2, 3, name="p"), (1,), "layer 'p' received points of 1 coordinate, .* FeatureGrid"),
        (FeaturePlanes(2, 3, planes=[[0, 3]]), (3,), r"points of 3 coordinates.* 0 .. 2; \[0, 3\] names"),
    ],
)
def test_inputs_that_do_not_fit(layer, shape, sentence):
    with pytest.raises(LayerArgumentError, match=sentence):
        layer(keras.Input(shape))
