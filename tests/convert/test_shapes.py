"""What tracing needs of shapes: sizes that fit, results Keras infers no shape for, and ways to be called."""

from __future__ import annotations

from math import factorial as f

import keras
import pytest
from golden import Cases, dense_head
from keras import layers, ops
from soundness import assert_sound

from gmn_tf import ParameterGraph
from gmn_tf.convert.shapes import concrete_inputs
from gmn_tf.errors import ConversionError

case = Cases()


def own(function, **parts):
    """A layer of the given sublayers, and a function of it and its input."""

    class Own(layers.Layer):
        def __init__(self):
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def call(self, x):
            return function(self, x)

    return Own()


class Unbuilt(layers.Layer):
    """Builds its kernel itself and states its shape, so that its padding is never called."""

    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(6, 3)
        self.pad = layers.ZeroPadding2D(1)
        self.double = layers.Add()

    def build(self, shape):
        self.conv.build(shape)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 6)

    def call(self, x):
        x = self.conv(self.pad(x))
        return self.double([x, x])


@case(f(6))
def never_called_layers_without_weights():
    a = keras.Input((4, 4, 3))
    model = dense_head(a, layers.GlobalAveragePooling2D()(Unbuilt()(a)))
    assert not model.layers[1].pad.built and not model.layers[1].double.built
    return model


@case(f(6))
def input_by_its_name():
    a = keras.Input((4,))
    return dense_head(a, own(lambda self, x: self.dense(inputs=x), dense=layers.Dense(6))(a))


@case(f(6))
def einsum_in_capitals():
    a = keras.Input((5, 4))

    def norm(self, x):
        y = self.dense(x)
        return ops.einsum("BTC,BTC->BC", y, y)

    return dense_head(a, own(norm, dense=layers.Dense(6))(a))


@case(f(6))
def activation_function_with_settings():
    a = keras.Input((4,))

    def act(self, x):
        return keras.activations.relu(self.dense(x), negative_slope=0.1, max_value=3.0)

    return dense_head(a, own(act, dense=layers.Dense(6))(a))


@case(f(6))
def shape_as_a_number():
    a = keras.Input((4,))
    return dense_head(a, own(lambda self, x: self.dense(x) * float(ops.ndim(x)), dense=layers.Dense(6))(a))


@case(f(6))
def mapped_over_the_batch():
    a = keras.Input((5, 4))

    def middle(self, x):
        return ops.map(lambda y: y[1] + y[2], self.dense(x))

    return dense_head(a, own(middle, dense=layers.Dense(6))(a))


class Clipped(layers.Layer):
    def build(self, shape):
        self.dense = layers.Dense(6)
        self.dense.build(shape)
        self.low = self.add_weight(shape=(), name="low")
        self.high = self.add_weight(shape=(6,), name="high")

    def call(self, x):
        return ops.clip(self.dense(x), self.low, self.high)


# Each unit has its own upper bound and moves with it.
@case(f(6))
def bounds_that_are_weights():
    a = keras.Input((4,))
    return dense_head(a, Clipped()(a))


class WholeTable(layers.Layer):
    """Positions that must be as many as the sequence is long."""

    def build(self, shape):
        self.table = self.add_weight(shape=(11, shape[-1]), name="table")

    def call(self, x):
        return x + self.table


@case(f(6))
def sequence_as_long_as_its_table():
    tokens = keras.Input((None,), dtype="int32")
    return dense_head(tokens, WholeTable()(layers.Embedding(7, 6)(tokens)))


# A kernel over two axes, shared by 4 rows that exchange: the 2 * 3 features of all rows move together,
# and so do the 6 results.
@case(f(4) * f(6) * f(6))
def two_feature_axes_over_free_rows():
    a = keras.Input((4,))
    x = layers.EinsumDense("ab,bcde->acde", (4, 2, 3))(a)
    return dense_head(a, ops.sum(layers.EinsumDense("acde,def->acf", (4, 6))(x), axis=1))


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)


def test_the_sizes_tried_end_with_those_of_the_tables():
    tokens = keras.Input((None,), dtype="int32")
    model = keras.Model(tokens, layers.Embedding(7, 6)(tokens))
    assert [inputs[0].shape[1] for inputs in concrete_inputs(model)][-1] == 7


def test_a_layer_that_would_get_weights_is_still_refused():
    class Late(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)
            self.built = True

        def compute_output_shape(self, shape):
            return (*shape[:-1], 3)

        def call(self, x):
            return self.dense(x)

    a = keras.Input((4,))
    model = keras.Model(a, Late()(a))
    with pytest.raises(ConversionError, match=r"dense.*\(Dense\) is not built"):
        ParameterGraph.from_keras(model)
    assert not model.layers[1].dense.built
