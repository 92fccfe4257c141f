"""Layer normalisation against its formula: values, and the gradient by hand against the automatic one."""

from __future__ import annotations

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

tf = pytest.importorskip("tensorflow")

from gmn_tf.layers.normalization import EPSILON, layer_normalize, moments, standardize  # noqa: E402

X = tf.random.stateless_normal([5, 8], [1, 2]) * 3 + 4
UPSTREAM = tf.random.stateless_normal([5, 8], [3, 4])  # its rows do not sum to zero


def formula(x):
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    return centred / tf.sqrt(variance + EPSILON)


def test_by_hand():
    # Mean 2, variance (1 + 0 + 1) / 3.
    rows = standardize(row := tf.constant([[1.0, 2.0, 3.0]]), *moments(row))
    np.testing.assert_allclose(rows, [np.array([-1.0, 0.0, 1.0]) / np.sqrt(2 / 3 + 1e-3)], rtol=1e-6)
    gained = layer_normalize(row, tf.constant([2.0, 3.0, 4.0]), tf.constant([0.5, 0.5, 0.5]))
    np.testing.assert_allclose(gained, rows * [2.0, 3.0, 4.0] + 0.5, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_is_that_of_the_formula(jit_compile):
    def gradient(function):
        @tf.function(jit_compile=jit_compile)
        def of(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                rows = function(x)
            return rows, tape.gradient(rows, x, UPSTREAM)

        return of(X)

    found = gradient(lambda x: standardize(x, *moments(x)))
    for expected, got in zip(gradient(formula), found, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_narrow_types_have_wide_moments():
    mean, inverse = moments(tf.cast(X, tf.bfloat16))
    assert (mean.dtype, inverse.dtype) == (tf.float32, tf.float32)
    assert standardize(tf.cast(X, tf.bfloat16), mean, inverse).dtype == tf.bfloat16
