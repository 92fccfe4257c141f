"""Pictures of Keras INRs, of any size, as arrays and as files."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from matplotlib.image import imread

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.coordinates import grid
from gmn_tf.inr.pictures import shown, write_png
from gmn_tf.inr.rendering import render_image


@pytest.fixture
def model() -> keras.Model:
    architecture = InrArchitecture(hidden=(6,), num_outputs=3)
    model = architecture.keras_model()
    model.set_weights(architecture.weight_list(architecture.initial(1, seed=0)[0]))
    return model


def test_a_picture_is_what_keras_says_at_its_points(model, tmp_path):
    image = render_image(model, 5, 7)
    np.testing.assert_allclose(image.reshape(35, 3), model.predict_on_batch(grid(5, 7)), atol=1e-6)
    large = render_image(model, 9, 13)  # every second point is one of the small picture
    np.testing.assert_allclose(large[::2, ::2], image, atol=1e-5)
    model.save(tmp_path / "inr.keras")
    np.testing.assert_allclose(render_image(tmp_path / "inr.keras", 5, 7), image, atol=1e-6)


def test_a_model_that_is_no_inr_of_pictures_is_refused(model):
    one = InrArchitecture(num_inputs=1).keras_model()
    with pytest.raises(InrError, match=r"takes \(None, 1\) and gives \(None, 1\): expected an INR"):
        render_image(one, 4, 4)
    with pytest.raises(InrError, match="expected 1 to 8192 a side"):
        render_image(model, 0, 4)


def test_a_png_holds_the_picture(tmp_path):
    image = np.array([[[0.0], [1.0]], [[0.5], [2.0]]])
    write_png(tmp_path / "a.png", image)
    read = imread(tmp_path / "a.png")
    np.testing.assert_allclose(read[..., :3], np.repeat(np.clip(image, 0, 1), 3, 2), atol=0.003)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert shown(np.zeros((2, 3))).shape == (2, 3, 3)
    with pytest.raises(InrError, match=r"shape \(2, 2, 4\), expected"):
        write_png(tmp_path / "b.png", np.zeros((2, 2, 4)))
