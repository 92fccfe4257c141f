"""Layers whose own code calls TensorFlow: traced where Keras has the same function, refused elsewhere."""

from __future__ import annotations

from math import factorial as f

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden import Cases, dense_head
from keras import layers, ops
from soundness import assert_sound

from gmn_tf import ParameterGraph, UnsupportedLayerError

case = Cases()


class Calls(layers.Layer):
    """A hidden layer of 6 and a function of the caller's."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(6)
        self.function = function

    def build(self, shape):
        self.hidden.build(shape)

    def call(self, x):
        return self.function(self.hidden(x))


def model(function):
    a = keras.Input((4, 4, 3))
    return dense_head(a, layers.GlobalAveragePooling2D()(Calls(function, name="own")(a)))


@case(f(6))
def gathered_positions():
    return model(lambda x: tf.gather(x, [2, 0], axis=1))


# As DeBERTa reads scores by relative position: constant indices along the last axis, one for each row.
@case(f(6))
def gathered_by_row():
    index = np.tile(np.array([3, 1, 0, 2]), (1, 4, 6, 1))

    def read(x):
        turned = ops.transpose(x, (0, 1, 3, 2))
        at = ops.broadcast_to(index, (turned.shape[0] or 1, *index.shape[1:]))
        return ops.transpose(tf.gather(turned, at, batch_dims=3), (0, 1, 3, 2))

    a = keras.Input((4, 4, 3), batch_size=1)
    return dense_head(a, layers.GlobalAveragePooling2D()(Calls(read)(a)))


@case(f(6))
def compared_with_a_constant():
    limit = ops.convert_to_tensor(np.float32(0.5))
    return model(lambda x: x * ops.cast(limit < x, "float32"))


# Halves of the units play different roles, in pairs.
@case(f(3))
def split_in_halves():
    def gate(x):
        first, second = tf.split(x, 2, axis=-1)
        return first * ops.sigmoid(second)

    return model(gate)


@case(f(6))
def resized():
    return model(lambda x: tf.compat.v1.image.resize(x, (7, 7), align_corners=True))


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)


def test_a_function_that_keras_lacks_is_refused():
    with pytest.raises(UnsupportedLayerError, match=r"layer '.*own' \(Calls\).*functions of the backend"):
        ParameterGraph.from_keras(model(lambda x: tf.nn.local_response_normalization(x)))


def test_outside_of_tracing_tensorflow_refuses_symbolic_tensors_as_ever():
    ParameterGraph.from_keras(model(lambda x: tf.gather(x, [0], axis=1)))
    with pytest.raises(ValueError, match="KerasTensor cannot be used"):
        tf.gather(keras.KerasTensor((3, 4)), [0], axis=1)
