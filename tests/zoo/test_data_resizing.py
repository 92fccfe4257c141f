"""Averaging areas: by hand, and means that stay what they were."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.zoo.resizing import enlarge, shrink


def test_three_pixels_onto_two_by_hand():
    # The new pixels cover [0, 1.5] and [1.5, 3]: weights (1, .5) and (.5, 1) out of 1.5.
    row = np.array([3.0, 6.0, 12.0])
    image = np.tile(row, (3, 1))[np.newaxis, :, :, np.newaxis]
    np.testing.assert_allclose(shrink(image, 2)[0, :, :, 0], [[4.0, 10.0], [4.0, 10.0]], rtol=1e-6)


@pytest.mark.parametrize(("height", "width", "size"), [(28, 28, 14), (28, 28, 9), (12, 30, 6), (7, 11, 7)])
def test_the_mean_is_kept_and_axes_are_not_mixed(height, width, size):
    rng = np.random.default_rng(0)
    images = rng.random((3, height, width, 2))
    small = shrink(images, size)
    assert small.shape == (3, size, size, 2) and small.dtype == np.float32
    np.testing.assert_allclose(small.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1e-6)
    turned = shrink(images.transpose(0, 2, 1, 3), size)
    np.testing.assert_allclose(turned, small.transpose(0, 2, 1, 3), atol=1e-6)


def test_both_ways_agree_where_the_size_divides():
    from gmn_tf.zoo.resizing import _overlaps

    images = np.random.default_rng(1).random((2, 8, 12, 1))
    general = np.einsum("ah,nhwc,bw->nabc", _overlaps(8, 4), images, _overlaps(12, 4))
    np.testing.assert_allclose(shrink(images, 4), general, atol=1e-6)


@pytest.mark.parametrize("size", [0, 5])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(ZooError, match=f"Received @{size} for x, whose images are 4 x 6: expected 1 to 4"):
        shrink(np.zeros((1, 4, 6, 1)), size, where="x")


def test_enlarging_keeps_constants_slopes_and_axes():
    flat = np.full((1, 8, 8, 2), 0.3)
    np.testing.assert_allclose(enlarge(flat, 28), np.full((1, 28, 28, 2), 0.3), atol=1e-6)
    # Pixel i of 8 covers [i, i + 1]; pixel j of 24 is at (j + 0.5) / 3 of those, so a slope stays a slope.
    ramp = np.tile((np.arange(8.0) + 0.5) / 8.0, (8, 1))[np.newaxis, :, :, np.newaxis]
    large = enlarge(ramp, 24)[0, :, :, 0]
    np.testing.assert_allclose(large[5, 6:-6], (np.arange(24.0)[6:-6] + 0.5) / 24.0, atol=5e-3)
    np.testing.assert_allclose(enlarge(ramp.transpose(0, 2, 1, 3), 24)[0, :, :, 0], large.T, atol=1e-6)
