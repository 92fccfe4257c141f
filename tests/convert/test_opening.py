"""Layers without a converter of their own are opened; recurrent cells, custom layers and ties among them.

The group orders are worked out by hand: w! for w hidden units that are free, products over layers.
"""

from __future__ import annotations

from math import factorial

import keras
import numpy as np
import pytest
from keras import layers, ops

from gmn_tf import ParameterGraph, check_symmetry
from gmn_tf.graph import schema


def sequence():
    return keras.Input((5, 3))


def head(a, x):
    return keras.Model(a, layers.Dense(2)(x))


class Affine(layers.Layer):
    """relu(x W (1 + g) + b), with g a single number."""

    def __init__(self, units, **settings):
        super().__init__(**settings)
        self.units = units

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w")
        self.b = self.add_weight(shape=(self.units,), name="b")
        self.g = self.add_weight(shape=(), name="g")

    def call(self, x):
        return ops.relu(ops.matmul(x, self.w) * (1 + self.g) + self.b)


class ClassToken(layers.Layer):
    """A learnt token before the sequence, then a table of positions longer than it."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")
        self.positions = self.add_weight(shape=(shape[1] + 4, shape[-1]), name="positions")

    def call(self, x):
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        y = ops.concatenate([token, x], axis=1)
        return y + self.positions[: y.shape[1]]


class Reversible(keras.Model):
    """An embedding whose table is read backwards too."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(6, 4)
        self.hidden = layers.Dense(4, activation="relu")

    def call(self, x):
        return ops.matmul(self.hidden(self.embedding(x)), ops.transpose(self.embedding.embeddings))


class OwnAttention(layers.Layer):
    """Two heads of three dimensions, written out with matmul, softmax and reshape."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.query, self.key, self.value = layers.Dense(6), layers.Dense(6, use_bias=False), layers.Dense(6)
        self.out = layers.Dense(4)

    def call(self, x):
        time = x.shape[1]

        def heads(t):
            return ops.transpose(ops.reshape(t, (-1, time, 2, 3)), (0, 2, 1, 3))

        q, k, v = heads(self.query(x)), heads(self.key(x)), heads(self.value(x))
        weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / 3.0, axis=-1)
        return self.out(ops.reshape(ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3)), (-1, time, 6)))


class LookUp(layers.Layer):
    """Adds an embedding of 0 .. 4, an embedding called on constants."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.table = layers.Embedding(7, 4)

    def build(self, shape):
        self.table.build((5,))

    def call(self, x):
        return x + self.table(ops.arange(5))


def recurrent(layer):
    def build():
        a = sequence()
        return head(a, layer()(a))

    return build


def stacked():
    a = sequence()
    return head(a, layers.RNN([layers.GRUCell(3), layers.LSTMCell(4)])(a))


def handed_over():
    """One LSTM's final states start another: their units move together."""
    a, b = sequence(), keras.Input((6, 3))
    _, h, c = layers.LSTM(4, return_state=True)(a)
    return head([a, b], layers.LSTM(4)(b, initial_state=[h, c]))


def convolutional_lstm():
    a = keras.Input((4, 6, 6, 2))
    return head(a, layers.GlobalAveragePooling2D()(layers.ConvLSTM2D(3, 3)(a)))


def time_distributed():
    a = keras.Input((4, 6, 6, 2))
    x = layers.TimeDistributed(layers.Conv2D(3, 3))(a)
    return head(a, layers.GRU(4)(layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)))


def custom():
    a = keras.Input((3,))
    return head(a, Affine(4)(a))


def custom_called_twice():
    a, b = keras.Input((3,)), keras.Input((3,))
    shared = Affine(4)
    return head([a, b], shared(a) - shared(b))


def custom_on_itself():
    """f(f(h)): the units of h, of the first result and of the second move as one."""
    a = keras.Input((3,))
    shared = Affine(3)
    return head(a, shared(shared(layers.Dense(3)(a))))


def class_token():
    a = keras.Input((4, 3))
    x = ClassToken()(layers.Dense(4)(a))
    x = x + layers.MultiHeadAttention(2, 2)(x, x)
    return head(a, x[:, 0])


def reversible():
    a = keras.Input((5,), dtype="int32")
    return keras.Model(a, Reversible()(a))


def own_attention():
    a = keras.Input((5, 4), batch_size=1)
    return head(a, OwnAttention()(a))


def looked_up():
    a = sequence()
    return head(a, LookUp()(layers.Dense(4)(a)))


def dot():
    a = keras.Input((4,))
    return keras.Model(a, layers.Dot(1)([layers.Dense(4)(a), layers.Dense(4)(a)]))


def bilinear():
    a = keras.Input((4,))
    z = ops.einsum("bi,bj->bij", layers.Dense(4)(a), layers.Dense(3)(a))
    return head(a, layers.Flatten()(z))


def normalised_queries():
    """As in Qwen3: one gamma for all heads, so the dimensions of both heads move together."""
    a = keras.Input((5, 4), batch_size=1)
    q = layers.LayerNormalization()(layers.Reshape((5, 2, 3))(layers.Dense(6)(a)))
    k = layers.LayerNormalization()(layers.Reshape((5, 2, 3))(layers.Dense(6)(a)))
    scores = ops.einsum("bthd,bshd->bhts", q, k)
    return head(
        a, layers.GlobalAveragePooling1D()(layers.Reshape((25, 2))(layers.Permute((2, 3, 1))(scores)))
    )


def own_activation():
    """A function of the user's own, which the converter looks into."""
    a = keras.Input((3,))
    return head(a, layers.Dense(4, activation=lambda x: x * ops.sigmoid(1.7 * x))(a))


def mirrored_activation():
    """One that mixes units: x_i + x_(3 - i). Swaps within a pair, of the pairs, and of equal results."""
    a = keras.Input((3,))
    return head(a, layers.Dense(4, activation=lambda x: x + x[..., ::-1])(a))


def spectral():
    a = keras.Input((4,))
    return head(a, layers.SpectralNormalization(layers.Dense(3))(a))


def bias_by_position():
    a = sequence()
    x = layers.EinsumDense("abc,cd->abd", output_shape=(5, 4), bias_axes="bd")(a)
    return head(a, x)


def f(*widths):
    return int(np.prod([factorial(w) for w in widths]))


CASES = {
    "simple rnn": (recurrent(lambda: layers.SimpleRNN(4, return_sequences=True)), f(4)),
    "gru": (recurrent(lambda: layers.GRU(4)), f(4)),
    "gru, reset before": (recurrent(lambda: layers.GRU(4, reset_after=False)), f(4)),
    "lstm": (recurrent(lambda: layers.LSTM(4)), f(4)),
    "bidirectional": (
        recurrent(lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True))),
        f(3, 3),
    ),
    "stacked cells": (stacked, f(3, 4)),
    "states handed over": (handed_over, f(4)),
    "convolutional lstm": (convolutional_lstm, f(3)),
    "time distributed": (time_distributed, f(3, 4)),
    "custom layer": (custom, f(4)),
    "custom layer called twice": (custom_called_twice, f(4)),
    "custom layer on itself": (custom_on_itself, f(3)),
    # 2 heads, each 2! for query and key and 2! for value; 4! of the stream
    "class token": (class_token, 2 * f(2, 2) ** 2 * f(4)),
    "reversible embedding": (reversible, f(4)),
    "own attention": (own_attention, 2 * f(3, 3) ** 2 * f(4)),
    "embedding of constants": (looked_up, f(4)),
    "dot": (dot, f(4)),
    "bilinear": (bilinear, f(4, 3)),
    "normalised queries": (normalised_queries, 2 * f(3)),
    "own activation": (own_activation, f(4)),
    "mirrored activation": (mirrored_activation, 2 * 2 * 2 * 2 * 2),
    "spectral normalisation": (spectral, f(3)),
    "bias by position": (bias_by_position, f(4)),
}


@pytest.mark.parametrize("name", CASES)
def test_opened_models_are_sound_and_complete(name):
    build, order = CASES[name]
    keras.utils.set_random_seed(0)
    model = build()
    graph = ParameterGraph.from_keras(model)
    report = check_symmetry(model, graph=graph, num_samples=10)
    assert report.passed, str(report)
    assert report.effect_of_weights > 0.1
    assert report.group_order == order
    assert graph.num_parameters == sum(int(np.prod(w.shape)) for w in model.get_weights())


def test_tied_roles_must_agree_and_share_tie_nodes():
    graph = ParameterGraph.from_keras(reversible())
    slots = graph.edges[schema.SLOT]
    table = graph.layout.specs[0]
    roles = np.bincount(slots[slots >= 0])[table.offset : table.offset + table.size]
    assert np.all(roles == 2), "one edge per role"
    assert np.sum(graph.nodes[schema.TYPE] == schema.NodeType.TIE) == 6 + 4, "one per index of each axis"
    model = reversible()
    values = graph.values(model)
    edge = int(np.flatnonzero(slots == table.offset)[0])
    values[edge] += 1
    with pytest.raises(ValueError, match="roles of one weight disagree"):
        graph.weights(values)
    before = model.get_weights()[0][0, 0]
    graph.assign(model, values)
    assert np.isclose(model.get_weights()[0][0, 0], before + 0.5)


def test_a_table_that_is_sliced_is_drawn_whole():
    graph = ParameterGraph.from_keras(class_token())
    spec = next(s for s in graph.layout.specs if s.path.endswith("positions"))
    assert len(graph.edges_of(spec.path, (7, 0))) == 1


def test_weights_without_effect_are_drawn_apart():
    a = keras.Input((3,))
    model = keras.Model(a, layers.Dense(2)(a))
    model.spare = layers.Dense(3, name="spare")
    model.spare.build((None, 4))
    graph = ParameterGraph.from_keras(model)
    assert graph.num_parameters == 8 + 15
    report = check_symmetry(model, graph=graph)
    assert report.passed and report.group_order == f(4, 3) * f(3)


def test_opening_leaves_the_layer_as_it_was():
    model = custom()
    layer = model.layers[1]
    before = dict(vars(layer))
    ParameterGraph.from_keras(model)
    assert dict(vars(layer)) == before and isinstance(layer.w, keras.Variable)
