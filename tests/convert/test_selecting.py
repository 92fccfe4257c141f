"""Operations that sort, choose and accumulate, and constants as kernels; orders worked out by hand.

Four neurons of Dense(4) are read by the operation, and its results by Dense(2).
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.convert.soundness import assert_sound


def both(results):
    return ops.concatenate([results[0], ops.cast(results[1], "float32")], -1)


BLOCKS = np.array([[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 3]], "float32")
CASES = {
    # symmetric functions of the neurons leave them free
    "sort": (lambda x: ops.sort(x, axis=-1), 24),
    "median": (lambda x: x - ops.median(x, axis=-1, keepdims=True), 24),
    "norm": (lambda x: x / ops.norm(x, axis=-1, keepdims=True), 24),
    "moments": (lambda x: x - ops.moments(x, [1], keepdims=True)[0], 24),
    "sorted pairs": (lambda x: ops.reshape(ops.sort(ops.reshape(x, (-1, 2, 2)), axis=-1), (-1, 4)), 8),
    # those that depend on their order pin them
    "largest and where": (lambda x: both(ops.top_k(x, 2)), 1),
    "the largest two, in any order": (lambda x: ops.top_k(x, 2, sorted=False)[0], 1),
    "differences": (lambda x: ops.diff(x, axis=-1), 1),
    # constants as kernels: what they treat alike stays free
    "all ones": (lambda x: ops.matmul(x, np.ones((4, 1), "float32")), 24),
    "identity": (lambda x: ops.matmul(x, np.eye(4, dtype="float32")), 24),
    "blocks": (lambda x: ops.matmul(x, BLOCKS), 2),
    "a cycle": (lambda x: x + ops.matmul(x, np.roll(np.eye(4, dtype="float32"), 1, 0)), 4),
    "three operands": (lambda x: ops.einsum("bi,bi,bi->bi", x, ops.tanh(x), x), 24),
    "implicit output": (lambda x: ops.einsum("bi,ij", x, np.eye(4, dtype="float32")), 24),
}


@pytest.mark.parametrize("name", CASES)
def test_four_neurons(name):
    call, order = CASES[name]
    a = keras.Input((3,))
    assert_sound(keras.Model(a, layers.Dense(2)(call(layers.Dense(4)(a)))), order=order, samples=3)


def test_what_is_computed_from_inputs_alone_is_another_input():
    a = keras.Input((3, 3))
    x = layers.Dense(4)(layers.Flatten()(ops.concatenate(ops.qr(a), -1)))
    assert_sound(keras.Model(a, layers.Dense(2)(x)), order=24)


@pytest.mark.parametrize("name", ["relu", "mish", "sparsemax", "gelu"])
def test_an_activation_held_by_a_layer_of_the_users_own(name):
    class Held(layers.Layer):
        def __init__(self):
            super().__init__()
            self.function = keras.activations.get(name)

        def call(self, x):
            return self.function(x)

    a = keras.Input((3,))
    assert_sound(keras.Model(a, layers.Dense(2)(Held()(layers.Dense(4)(a)))), order=24, samples=3)
