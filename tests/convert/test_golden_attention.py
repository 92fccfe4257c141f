"""Attention in its many forms, each with the order of its graph's group worked out by hand.

As in `test_golden_models`: n exchangeable nodes give n!, written f(n); inputs and outputs are pinned.
"""

from __future__ import annotations

from math import factorial as f

import keras
import numpy as np
import pytest
from golden import Cases, dense_head
from keras import layers, ops
from soundness import assert_sound

case = Cases()


# ---- layers -----------------------------------------------------------------------------------------


# 2 heads; in each 3 query-key dimensions and 4 value dimensions; then the 4 features of the result.
@case(f(2) * f(3) ** 2 * f(4) ** 2 * f(4))
def cross_attention():
    a, b = keras.Input((5, 4)), keras.Input((6, 3))
    return dense_head([a, b], layers.MultiHeadAttention(2, 3, value_dim=4)(a, b))


# 2 key-value heads, each read by 2 query heads, which exchange among themselves; the 3 query-key
# dimensions are those of the key-value head (its 2 query heads move with it), and so are its 3 value
# dimensions. Then the 4 features of the result.
@case(f(2) * f(2) ** 2 * f(3) ** 2 * f(3) ** 2 * f(4))
def grouped_queries():
    a = keras.Input((5, 4))
    return dense_head(a, layers.GroupQueryAttention(3, 4, 2)(a, a))


# Two layers that share nothing, causal or not, and a residual: the stream of 4 moves once.
@case(f(4) * (f(2) * f(2) ** 4) ** 2)
def two_attention_layers_on_a_residual_stream():
    a = keras.Input((5, 3))
    x = layers.Dense(4)(a)
    x = x + layers.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True)
    x = x + layers.MultiHeadAttention(2, 2)(x, x)
    return dense_head(a, layers.GlobalAveragePooling1D()(x))


# A block as in a vision transformer: the stream of 4 features, one head of 2, a hidden layer of 3.
@case(f(4) * f(2) * f(2) * f(3))
def transformer_block():
    a = keras.Input((5, 3))
    x = layers.Dense(4)(a)
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(1, 2)(y, y)])
    y = layers.Dense(3, activation="gelu")(layers.LayerNormalization()(x))
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(4)(y)]))
    return dense_head(a, layers.GlobalAveragePooling1D()(x))


# 2 heads of 2 query-key and 2 value dimensions, over positions of two axes at once; 3 features after.
@case(f(2) * f(2) ** 4 * f(3))
def two_attention_axes():
    a = keras.Input((3, 4, 3))
    return dense_head(a, layers.MultiHeadAttention(2, 2, attention_axes=(1, 2))(a, a))


# A gate's dimensions are those of the value it multiplies, so nothing is added to the group.
@case(f(2) * f(2) ** 4 * f(3))
def gated_attention():
    a = keras.Input((5, 3))
    return dense_head(a, layers.MultiHeadAttention(2, 2, use_gate=True)(a, a))


@case(f(2) * f(2) ** 2 * f(2) ** 2 * f(2) ** 2 * f(3))
def gated_grouped_queries():
    a = keras.Input((5, 3))
    return dense_head(a, layers.GroupQueryAttention(2, 4, 2, use_gate=True)(a, a))


# Scores are an output with the heads in order: heads are pinned, their dimensions are free.
@case(f(2) ** 2 * f(2) ** 2)
def attention_scores_as_an_output():
    a = keras.Input((5, 3))
    return keras.Model(a, layers.MultiHeadAttention(2, 2)(a, a, return_attention_scores=True))


@case(f(2) ** 2 * f(2) ** 2)
def scores_over_two_axes_as_an_output():
    a = keras.Input((3, 4, 3))
    attention = layers.MultiHeadAttention(2, 2, attention_axes=(1, 2))
    return keras.Model(a, attention(a, a, return_attention_scores=True))


# ---- written out, with constants in it ------------------------------------------------------------------

TIME, HEADS, DIM = 5, 2, 4


def written_out(*, rotate=lambda x: x, bias=None):
    """Self-attention of 2 heads of 4 dimensions from reshapes and einsums; heads into the classifier."""
    a = keras.Input((TIME, 6), batch_size=1)
    q, k, v = (ops.reshape(layers.Dense(HEADS * DIM)(a), (1, TIME, HEADS, DIM)) for _ in range(3))
    scores = ops.einsum("bthd,bshd->bhts", rotate(q), rotate(k))
    if bias is not None:
        scores = scores + bias
    attended = ops.einsum("bhts,bshd->bthd", ops.softmax(scores), v)
    return dense_head(a, ops.reshape(attended, (1, TIME, HEADS * DIM)))


@case(f(2) * (f(4) * f(4)) ** 2)
def attention_written_out():
    return written_out()


# Rotary angles (Su et al. 2021) differ between the dimensions of a head and are the same in all heads:
# query-key dimensions are pinned, heads are not, value dimensions are free.
@case(f(2) * f(4) ** 2)
def rotary_positions():
    angle = np.arange(TIME)[:, None] * 10.0 ** -np.arange(DIM // 2)
    cos, sin = (np.tile(fn(angle), 2)[:, None].astype("float32") for fn in (np.cos, np.sin))

    def rotate(x):
        half = ops.concatenate([-x[..., DIM // 2 :], x[..., : DIM // 2]], axis=-1)
        return x * cos + half * sin

    return written_out(rotate=rotate)


# ALiBi (Press et al. 2022): a slope for each head, so heads are pinned and their dimensions are free.
@case((f(4) * f(4)) ** 2)
def linear_biases():
    distance = -np.abs(np.subtract.outer(np.arange(TIME), np.arange(TIME)))
    slopes = 2.0 ** -np.arange(1, HEADS + 1)
    return written_out(bias=(slopes[:, None, None] * distance).astype("float32"))


# The same slope for both heads pins neither.
@case(f(2) * (f(4) * f(4)) ** 2)
def equal_linear_biases():
    distance = -np.abs(np.subtract.outer(np.arange(TIME), np.arange(TIME)))
    return written_out(bias=np.tile(0.5 * distance, (HEADS, 1, 1)).astype("float32"))


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)
