"""Whole blocks of language models, written out as model libraries write them, each with its group by hand.

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

TIME, WIDTH, HEADS, KV_HEADS, DIM, HIDDEN = 5, 6, 4, 2, 4, 3
# 2 key-value heads, each read by 2 query heads that exchange among themselves; the value dimensions of
# a key-value head. Rotary angles pin the query-key dimensions.
ROTARY_GROUPS = f(KV_HEADS) * f(HEADS // KV_HEADS) ** KV_HEADS * f(DIM) ** KV_HEADS


def rotate(x):
    angle = np.tile(np.arange(TIME)[:, None] * 10.0 ** -np.arange(DIM // 2), 2)[:, None]
    half = ops.concatenate([-x[..., DIM // 2 :], x[..., : DIM // 2]], axis=-1)
    return x * np.cos(angle).astype("float32") + half * np.sin(angle).astype("float32")


def project(x, heads):
    return layers.EinsumDense("btD,Dhd->bthd", (None, heads, DIM))(x)


def back(attended):
    return layers.EinsumDense("bthd,hdD->btD", (None, WIDTH))(attended)


def copied_keys(q, k, v):
    """Keys and values repeated for every query head that reads them, as Llama's attention does."""
    k, v = (ops.repeat(x, HEADS // KV_HEADS, axis=2) for x in (k, v))
    scores = ops.softmax(ops.einsum("bthd,bshd->bhts", q, k))
    return ops.einsum("bhts,bshd->bthd", scores, v)


def grouped_queries(q, k, v):
    """Queries reshaped to groups, as Gemma's attention does."""
    q = ops.reshape(q, (-1, TIME, KV_HEADS, HEADS // KV_HEADS, DIM))
    scores = ops.softmax(ops.einsum("btkgh,bskh->bkgts", q, k))
    return ops.reshape(ops.einsum("bkgts,bskh->btkgh", scores, v), (-1, TIME, HEADS, DIM))


def gated(x):
    gate = layers.Dense(HIDDEN, activation="silu", use_bias=False)(x)
    return layers.Dense(WIDTH, use_bias=False)(gate * layers.Dense(HIDDEN, use_bias=False)(x))


def decoder(attend, mlp, norm=layers.RMSNormalization):
    tokens = keras.Input((TIME,), dtype="int32")
    x = layers.Embedding(7, WIDTH)(tokens)
    h = norm()(x)
    q, k, v = rotate(project(h, HEADS)), rotate(project(h, KV_HEADS)), project(h, KV_HEADS)
    x = x + back(attend(q, k, v))
    return dense_head(tokens, x + mlp(norm()(x)))


# The stream, the groups of heads, the hidden units of the gated MLP.
@case(f(WIDTH) * ROTARY_GROUPS * f(HIDDEN))
def llama_block_with_copied_keys():
    return decoder(copied_keys, gated)


@case(f(WIDTH) * ROTARY_GROUPS * f(HIDDEN))
def gemma_block_with_grouped_queries():
    return decoder(grouped_queries, gated)


@case(f(WIDTH) * ROTARY_GROUPS * f(HIDDEN))
def grouped_queries_in_one_operation():
    return decoder(ops.dot_product_attention, gated)


class Positions(layers.Layer):
    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], name="table")

    def call(self, x):
        return x + self.table


# GPT-2: learnt positions, as many keys as queries, no rotation; 4 heads of 4 query-key and 4 value
# dimensions each.
@case(f(WIDTH) * f(HEADS) * (f(DIM) ** 2) ** HEADS * f(HIDDEN))
def gpt_2_block():
    tokens = keras.Input((TIME,), dtype="int32")
    x = Positions()(layers.Embedding(7, WIDTH)(tokens))
    h = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(HEADS, DIM)(h, h, use_causal_mask=True)
    h = layers.Dense(HIDDEN, activation="gelu")(layers.LayerNormalization()(x))
    return dense_head(tokens, x + layers.Dense(WIDTH)(h))


class Experts(layers.Layer):
    """A mixture of gated experts (Shazeer et al. 2017), all of them run, the chosen ones added up."""

    def __init__(self, count=3, top_k=2, along_axis=False):
        super().__init__()
        self.count, self.top_k, self.along_axis = count, top_k, along_axis
        self.router = layers.Dense(count, use_bias=False)

    def build(self, shape):
        self.router.build(shape)
        self.gate = self.add_weight(shape=(self.count, WIDTH, HIDDEN), name="gate")
        self.up = self.add_weight(shape=(self.count, WIDTH, HIDDEN), name="up")
        self.down = self.add_weight(shape=(self.count, HIDDEN, WIDTH), name="down")

    def call(self, x):
        probabilities = ops.softmax(self.router(x))
        values, chosen = ops.top_k(probabilities, k=self.top_k)
        if self.along_axis:
            values = ops.take_along_axis(probabilities, chosen, axis=-1)
        values = values / ops.sum(values, axis=-1, keepdims=True)
        weights = ops.sum(ops.one_hot(chosen, self.count) * values[..., None], axis=-2)
        hidden = ops.silu(ops.einsum("btd,edh->bteh", x, self.gate)) * ops.einsum("btd,edh->bteh", x, self.up)
        return ops.einsum("bted,bte->btd", ops.einsum("bteh,ehd->bted", hidden, self.down), weights)


# 3 experts exchange as wholes, each with its 3 hidden units.
@case(f(WIDTH) * ROTARY_GROUPS * f(3) * f(HIDDEN) ** 3)
def mixture_of_experts():
    return decoder(copied_keys, Experts())


@case(f(WIDTH) * ROTARY_GROUPS * f(3) * f(HIDDEN) ** 3)
def mixture_read_along_the_axis():
    return decoder(copied_keys, Experts(along_axis=True))


# A padding mask of unknown length is a sequence, not a set of features: it pins nothing.
# The stream of 4, 2 heads of 3 query-key and 3 value dimensions, the 4 features of the result.
@case(f(4) * f(2) * f(3) ** 4 * f(4))
def rows_without_attention_are_wiped():
    a, mask = keras.Input((None, 4)), keras.Input((None,))
    x = layers.Dense(4)(a)
    attended = layers.MultiHeadAttention(2, 3)(x, x)
    wiped = ops.where(ops.equal(mask, 0)[..., None], ops.zeros_like(attended), attended)
    return dense_head([a, mask], wiped)


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)
