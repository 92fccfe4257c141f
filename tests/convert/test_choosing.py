"""Choices, indices that the network computes, and Fourier transforms: what they pin and what they do not."""

from __future__ import annotations

from math import factorial as f

import keras
import numpy as np
import pytest
from golden import Cases, dense_head, vector
from keras import layers, ops
from soundness import assert_sound

case = Cases()

TIME = 5


def sequence():
    return keras.Input((TIME, 4))


# ---- along positions: every channel stays itself ---------------------------------------------------


@case(f(6))
def largest_positions():
    a = sequence()
    values, _ = ops.top_k(ops.transpose(layers.Dense(6)(a), (0, 2, 1)), k=3)
    return dense_head(a, ops.sum(values, axis=-1))


@case(f(6))
def sorted_positions():
    a = sequence()
    return dense_head(a, ops.sort(layers.Dense(6)(a), axis=1)[:, 1])


# The score of one unit says which position is read: 6 channels, and the scorer's 3 hidden units.
@case(f(6) * f(3))
def read_where_the_score_is_largest():
    a = sequence()
    score = layers.Dense(1)(layers.Dense(3, activation="tanh")(a))
    at = ops.argmax(score, axis=1)[..., None]
    return dense_head(a, ops.take_along_axis(layers.Dense(6)(a), at, axis=1)[:, 0])


@case(f(6))
def take_at_tokens():
    a, at = sequence(), keras.Input((2,), dtype="int32")
    return dense_head([a, at], ops.sum(ops.take(layers.Dense(6)(a), at[0], axis=1), axis=1))


@case(f(6))
def rows_written_at_tokens():
    a, at = keras.Input((TIME, 4), batch_size=1), keras.Input((2, 1), dtype="int32", batch_size=1)
    x, y = layers.Dense(6)(a)[0], layers.Dense(6)(a)[0]
    written = ops.scatter_update(x, at[0], y[0:2, :] + x[0:2, :])
    return keras.Model([a, at], layers.Dense(2)(ops.expand_dims(written, 0)))


@case(f(6))
def block_written_over():
    a = keras.Input((TIME, 4), batch_size=1)
    x = layers.Dense(6)(a)
    return dense_head(a, ops.slice_update(x, [0, 1, 0], 2.0 * x[:, :2]))


@case(f(6))
def transformed_along_time():
    a = sequence()
    real, imaginary = ops.rfft(ops.transpose(layers.Dense(6)(a), (0, 2, 1)))
    return dense_head(a, ops.sum(ops.abs(real) + 2.0 * ops.abs(imaginary), axis=-1))


# ---- over free nodes -------------------------------------------------------------------------------


# The two largest of 6 units: a symmetric function of them.
@case(f(6))
def largest_units():
    a = vector()
    return dense_head(a, ops.top_k(layers.Dense(6)(a), k=2)[0])


# Which of them it is: their order matters, also to an embedding of the choice.
@case(1)
def index_as_a_number():
    a = vector()
    at = ops.argmax(layers.Dense(6)(a), axis=-1, keepdims=True)
    return dense_head(a, ops.cast(at, "float32"))


@case(1)
def index_looked_up():
    a = vector()
    return keras.Model(a, layers.Embedding(6, 2)(ops.argmax(layers.Dense(6)(a), axis=-1)))


@case(1)
def index_as_output():
    a = vector()
    y = layers.Dense(6)(a)
    return keras.Model(a, [ops.max(y, axis=-1), ops.argmax(y, axis=-1)])


# One-hot along another axis than the last, and of more categories than units: pinned.
@case(1)
def one_hot_of_more_categories():
    a = vector()
    return dense_head(a, ops.one_hot(ops.argmax(layers.Dense(6)(a), axis=-1), 7))


# The chosen units multiply others one by one: these move together.
@case(f(6))
def gate_by_choice():
    a = vector()
    chosen = ops.one_hot(ops.argmax(layers.Dense(6)(a), axis=-1), 6)
    return dense_head(a, chosen * layers.Dense(6)(a))


# What one layer chooses is read from another: units pair up.
@case(f(6))
def read_from_another_layer():
    a = vector()
    chosen = ops.argsort(layers.Dense(6)(a), axis=-1)
    return dense_head(a, ops.take_along_axis(layers.Dense(6)(a), chosen, axis=-1))


@case(1)
def running_sum_over_units():
    a = vector()
    return dense_head(a, ops.cumsum(layers.Dense(4)(a), axis=-1))


# A real part over units with coefficients of its own for each; the hidden layer after it is free.
@case(f(3))
def transformed_over_units():
    a = sequence()
    x = layers.Dense(4)(a)
    mixed = ops.fft2((x, ops.zeros_like(x)))[0]
    return dense_head(a, layers.Dense(3, activation="tanh")(mixed))


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)


def test_one_choice_is_no_constant():
    """The control: the argmax above does change with the weights."""
    keras.utils.set_random_seed(0)
    a = vector()
    model = keras.Model(a, ops.argmax(layers.Dense(6)(a), axis=-1))
    assert np.unique(model(np.random.default_rng(0).normal(size=(50, 4)))).size > 2
