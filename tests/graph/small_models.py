"""Models small enough to reason about, for the tests of this room."""

from __future__ import annotations

import keras
from keras import layers


def mlp(hidden=3, *, dtype="float32", name="mlp"):
    return keras.Sequential(
        [
            keras.Input((2,), dtype=dtype),
            layers.Dense(hidden, activation="relu", dtype=dtype),
            layers.Dense(2, dtype=dtype),
        ],
        name=name,
    )


def cnn():
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(3, 2, activation="relu"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )


def residual():
    a = keras.Input((2,))
    x = layers.Dense(3)(a)
    return keras.Model(a, layers.Dense(1)(layers.Add()([x, layers.Dense(3, activation="tanh")(x)])))


def shared():
    a, b = keras.Input((1,)), keras.Input((1,))
    d = layers.Dense(3)
    return keras.Model([a, b], layers.Dense(1)(layers.Subtract()([d(a), d(b)])))


def grouped():
    a = keras.Input((2, 1))
    x = layers.Conv1D(4, 1, groups=2, use_bias=False)(layers.Conv1D(4, 1, use_bias=False)(a))
    return keras.Model(a, layers.Dense(1)(layers.GlobalMaxPooling1D()(x)))


def attention():
    a = keras.Input((3, 1))
    return keras.Model(a, layers.MultiHeadAttention(2, 2, value_dim=1, use_bias=False)(a, a))
