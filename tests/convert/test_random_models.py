"""The symmetry theorem as a test: random models of every kind are sound and carry their weights exactly.

The long run, 500 models from a seed that it prints (give the same seed to see the same models):

    GMN_TF_TEST_SEED=1234 .venv/bin/python -m pytest -m slow -s tests/convert/test_random_models.py
"""

from __future__ import annotations

import os
import secrets
from math import factorial, prod

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from keras import layers
from random_models import Builder, random_model
from soundness import assert_round_trip, assert_sound

from gmn_tf import ParameterGraph, check_symmetry
from gmn_tf.convert.check import CANNOT_TELL, NOT_SOUND

relaxed = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
sizes = st.integers(1, 5)


def check(model, steps):
    assert_sound(model, samples=4)


def test_random_models_are_sound():
    drawn: set[str] = set()

    @settings(relaxed, max_examples=60)
    @given(st.integers(0, 2**32 - 1))
    def run(number):
        model, steps = random_model(number)
        drawn.update(steps)
        note(f"steps: {', '.join(steps)}")
        check(model, steps)

    run()
    assert len(set(Builder.STEPS) - drawn) <= 6, "the generator has lost kinds of layers"


@pytest.mark.slow
def test_five_hundred_random_models_are_sound():
    seed = int(os.environ.get("GMN_TF_TEST_SEED") or secrets.randbits(32))
    print(f"\nGMN_TF_TEST_SEED={seed}")
    numbers = np.random.default_rng(seed).integers(0, 2**32, 500)
    untold = 0
    for count, number in enumerate(numbers):
        model, steps = random_model(int(number))
        try:
            verdict = check_symmetry(model, num_samples=4).verdict
            assert verdict != NOT_SOUND
            assert_round_trip(model, ParameterGraph.from_keras(model))
        except Exception as error:
            raise AssertionError(f"model {count} of seed {seed}, random_model({number}), {steps}") from error
        untold += verdict == CANNOT_TELL
    assert untold <= 10, "a few, drawn at random, compute a constant (groups of one entry): no more"


# ---- completeness: the order of the group is known for whole families ---------------------------------


@settings(relaxed, max_examples=8)
@given(st.lists(sizes, min_size=1, max_size=4), st.sampled_from(["relu", "tanh", "gelu"]), st.booleans())
def test_mlps_keep_every_permutation_of_hidden_neurons(widths, activation, normalize):
    stack = [keras.Input((3,))]
    for width in widths:
        stack += [layers.Dense(width, activation=activation)]
        stack += [layers.BatchNormalization()] if normalize else []
    assert_sound(keras.Sequential([*stack, layers.Dense(2)]), order=prod(map(factorial, widths)), samples=2)


@settings(relaxed, max_examples=6)
@given(st.lists(sizes, min_size=1, max_size=3), st.booleans())
def test_cnns_keep_every_permutation_of_hidden_channels(widths, flatten):
    stack = [keras.Input((6, 6, 2))]
    stack += [layers.Conv2D(width, 3, padding="same", activation="relu") for width in widths]
    stack += [layers.Flatten() if flatten else layers.GlobalAveragePooling2D(), layers.Dense(2)]
    assert_sound(keras.Sequential(stack), order=prod(map(factorial, widths)), samples=2)


@settings(relaxed, max_examples=6)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
def test_attention_keeps_heads_and_their_dimensions(heads, key_dim, value_dim, features):
    """Heads as wholes; in each its query-key and its value dimensions; then the features of the result."""
    a = keras.Input((4, features))
    y = layers.MultiHeadAttention(heads, key_dim, value_dim=value_dim)(a, a)
    free = factorial(heads) * (factorial(key_dim) * factorial(value_dim)) ** heads * factorial(features)
    assert_sound(keras.Model(a, layers.Dense(2)(y)), order=free, samples=2)


@settings(relaxed, max_examples=5)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3))
def test_grouped_queries_keep_groups_and_their_heads(groups, per_group, head_dim):
    """Groups as wholes; in each its query heads, and the dimensions of its key and of its value.

    7 steps, more than heads: Keras 3.15 on TensorFlow adds a bias of shape [n, 1] along the wrong axis of a
    tensor [batch, n, n, 1].
    """
    a = keras.Input((7, 2))
    y = layers.GroupQueryAttention(head_dim, groups * per_group, groups)(a, a)
    inside = factorial(per_group) * factorial(head_dim) ** 2
    free = factorial(groups) * inside**groups * factorial(2)
    assert_sound(keras.Model(a, layers.Dense(2)(y)), order=free, samples=2)


@settings(relaxed, max_examples=5)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_grouped_convolutions_keep_groups_and_both_their_sides(groups, inputs, filters):
    """Groups as wholes; in each its input channels and its filters."""
    a = keras.Input((4, 2))
    x = layers.Conv1D(groups * inputs, 1)(a)
    x = layers.GlobalAveragePooling1D()(layers.Conv1D(groups * filters, 2, groups=groups)(x))
    free = factorial(groups) * (factorial(inputs) * factorial(filters)) ** groups
    assert_sound(keras.Model(a, layers.Dense(2)(x)), order=free, samples=2)


@settings(relaxed, max_examples=5)
@given(st.integers(1, 3), st.integers(2, 4))
def test_group_normalization_keeps_groups(groups, size):
    a = keras.Input((4, 2))
    x = layers.GroupNormalization(groups)(layers.Conv1D(groups * size, 1)(a))
    free = factorial(groups) * factorial(size) ** groups
    model = keras.Model(a, layers.Dense(2)(layers.GlobalAveragePooling1D()(layers.ReLU()(x))))
    assert_sound(model, order=free, samples=2)


@settings(relaxed, max_examples=5)
@given(sizes, sizes, sizes)
def test_residual_streams_move_once(width, first, second):
    """Two blocks on one stream: its width once, and the hidden width of each block."""
    a = keras.Input((3,))
    x = layers.Dense(width)(a)
    for hidden in (first, second):
        x = layers.Add()([x, layers.Dense(width)(layers.Dense(hidden, activation="tanh")(x))])
    free = factorial(width) * factorial(first) * factorial(second)
    assert_sound(keras.Model(a, layers.Dense(2)(x)), order=free, samples=2)
