"""Image operations by hand, and what a user's function must keep."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import InrError
from gmn_tf.inr.contrast import equalize, raise_contrast
from gmn_tf.inr.operations import apply, dilate, erode, operation, rotate


def image(rows) -> np.ndarray:
    return np.array(rows, np.float32)[np.newaxis, ..., np.newaxis]


POINT = image([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0.5, 0, 0, 0]])


def test_dilation_by_hand():
    grown = image([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0.5, 0.5, 0, 0]])
    np.testing.assert_array_equal(dilate(POINT), grown)
    assert operation("dilate:5")(POINT)[0, :, :, 0].tolist() == [[1.0] * 4] * 4
    two = np.concatenate([POINT, np.zeros_like(POINT)])
    np.testing.assert_array_equal(dilate(two)[1], 0)  # no picture sees another
    colours = np.concatenate([POINT, np.zeros_like(POINT)], axis=-1)
    np.testing.assert_array_equal(dilate(colours)[..., 1], 0)  # nor a channel


def test_erosion_is_dilation_of_the_negative():
    np.testing.assert_array_equal(erode(1 - POINT), 1 - dilate(POINT))
    np.testing.assert_array_equal(operation("erode:1")(POINT), POINT)


def test_rotation_by_hand():
    corner = image([[1, 2], [3, 4]])
    np.testing.assert_array_equal(rotate(corner), image([[2, 4], [1, 3]]))  # anticlockwise
    np.testing.assert_array_equal(operation("rotate:-90")(rotate(corner)), corner)
    blob = np.zeros((1, 15, 15, 1), np.float32)
    blob[0, 2:5, 6:9] = 1  # above the middle
    turned = operation("rotate:45")(blob)[0, :, :, 0]
    rows, columns = np.indices(turned.shape)
    assert (turned * rows).sum() / turned.sum() < 6 and (turned * columns).sum() / turned.sum() < 6


def test_equalisation_of_one_tile_by_hand():
    """A tile of four levels, counts not above the limit of 4: the map is the running sum."""
    levels = np.repeat([10, 20, 30, 40], 4).reshape(4, 4) / 255.0
    found = equalize(levels, clip_limit=64.0, tiles=1)
    np.testing.assert_allclose(found * 255, np.round(np.repeat([4, 8, 12, 16], 4) * 255 / 16).reshape(4, 4))


def test_what_is_cut_off_is_dealt_out_evenly():
    """One level of 16 pixels, limit 1: 15 to deal out, every 17th level gets one."""
    found = equalize(np.full((4, 4), 100 / 255.0), clip_limit=1.0, tiles=1)
    sum_to_100 = 1 + len(range(0, 101, 17))  # its own one, and those dealt out up to it
    np.testing.assert_allclose(found * 255, np.full((4, 4), round(sum_to_100 * 255 / 16)))


def test_contrast_rises_and_hue_stays():
    rng = np.random.default_rng(0)
    dull = 0.4 + 0.1 * rng.random((2, 32, 32, 3))
    raised = raise_contrast(dull)
    assert raised.shape == dull.shape and raised.min() >= 0 and raised.max() <= 1
    assert (raised.std(axis=(1, 2)) > 1.5 * dull.std(axis=(1, 2))).all()
    grey = np.repeat(dull[..., :1], 3, axis=-1)
    np.testing.assert_allclose(np.ptp(raise_contrast(grey), axis=-1), 0, atol=2e-3)
    assert raise_contrast(dull[..., :1]).shape == (2, 32, 32, 1)
    with pytest.raises(InrError, match="Received images of 2 channels, expected 1 or 3"):
        raise_contrast(dull[..., :2])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blur", "Unknown operation 'blur': expected one of dilate, erode, contrast, rotate"),
        ("dilate:4", "expected an odd number of pixels"),
        ("dilate:x", "expected a number such as dilate:3"),
        ("contrast:2", "'contrast' takes no number"),
        ("rotate:inf", "expected an angle"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, message):
    with pytest.raises(InrError, match=message):
        operation(name)


def test_a_users_function_gets_a_copy_and_must_keep_the_shape():
    before = POINT.copy()

    def spoil(images):
        images[:] = 7
        return images

    np.testing.assert_array_equal(apply(spoil, POINT), np.full_like(POINT, 7))
    np.testing.assert_array_equal(POINT, before)
    with pytest.raises(
        InrError, match=r"shape \(1, 2, 4, 1\) from the half, expected the shape \(1, 4, 4, 1\)"
    ):
        apply(lambda images: images[:, :2], POINT, name="half")
    with pytest.raises(InrError, match="NaN or infinite"):
        apply(lambda images: images + np.nan, POINT)
