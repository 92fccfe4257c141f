"""SetEquivariantDense against numpy, its equivariance, masks, and what it refuses."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from equivariant_layers import normal, randomize

from gmn_tf.errors import LayerArgumentError
from gmn_tf.keras_layers import SetEquivariantDense

POOL = {"mean": np.mean, "sum": np.sum, "max": np.max}


def built(shape, *args, **settings):
    layer = SetEquivariantDense(*args, **settings)
    layer.build(shape)
    return layer, randomize(layer)


def test_by_hand():
    # One feature. K[0] = 2, K[1] = 10, b = 1; the set {1, 2, 6} has the mean 3: y = 2 x + 30 + 1.
    layer = SetEquivariantDense(1)
    layer.build((None, None, 1))
    layer.set_weights([np.array([[[2.0]], [[10.0]]]), np.array([1.0])])
    np.testing.assert_array_equal(layer(np.array([[[1.0], [2.0], [6.0]]]))[0, :, 0], [33.0, 35.0, 43.0])


@pytest.mark.parametrize("pooling", POOL)
@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 4, 5, 3)])
def test_as_numpy_has_it(pooling, shape):
    layer, (kernel, bias) = built(shape, 4, pooling=pooling)
    x = normal(*shape)
    pooled = POOL[pooling](x, axis=-2, keepdims=True)
    np.testing.assert_allclose(layer(x), x @ kernel[0] + pooled @ kernel[1] + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", POOL)
def test_permuting_the_set_permutes_the_result(pooling):
    layer, _ = built((None, 6, 3), 4, pooling=pooling, activation="gelu")
    x, order = normal(2, 6, 3), np.array([3, 0, 5, 1, 4, 2])
    np.testing.assert_allclose(layer(x[:, order]), np.asarray(layer(x))[:, order], rtol=1e-5, atol=1e-6)
    assert not np.allclose(layer(x), np.asarray(layer(x))[:, order], atol=0.1)


def test_features_are_not_exchangeable():
    layer, _ = built((None, 6, 3), 4)
    x = normal(2, 6, 3)
    assert not np.allclose(layer(x[..., [1, 0, 2]]), layer(x), atol=0.1)


@pytest.mark.parametrize("pooling", POOL)
def test_elements_that_are_masked_are_not_pooled(pooling):
    layer, _ = built((None, None, 3), 4, pooling=pooling)
    x = normal(2, 6, 3)
    mask = np.array([[True, False, True, True, False, True]] * 2)
    masked = np.asarray(layer(x, mask=mask))
    np.testing.assert_allclose(masked[mask], np.asarray(layer(x[:, mask[0]])).reshape(-1, 4), rtol=1e-5)
    assert np.all(np.isfinite(layer(x, mask=np.zeros((2, 6), bool))))


def test_masks_of_earlier_layers_arrive_and_go_on():
    tokens = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(5, 3, mask_zero=True)(tokens)
    x = SetEquivariantDense(4, pooling="sum")(x)
    model = keras.Model(tokens, keras.layers.GlobalAveragePooling1D()(x))
    randomize(model)
    np.testing.assert_allclose(
        model(np.array([[2, 3, 0, 0, 0]])), model(np.array([[2, 3]])), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"units": 0}, "received units=0, expected an integer of 1 or more"),
        ({"units": 2.5}, "received units=2.5, expected an integer"),
        (
            {"units": 2, "pooling": "median"},
            "received pooling='median', expected one of 'mean', 'sum', 'max'",
        ),
    ],
)
def test_arguments_that_do_not_fit(arguments, sentence):
    with pytest.raises(LayerArgumentError, match=sentence):
        SetEquivariantDense(**arguments)


def test_inputs_that_do_not_fit():
    with pytest.raises(LayerArgumentError, match=r"layer 's' .* last axis has no size"):
        SetEquivariantDense(2, name="s")(keras.Input((3, None)))
    with pytest.raises(ValueError, match="min_ndim=3"):
        SetEquivariantDense(2)(keras.Input((3,)))
