"""Weights that a model computes with: products, sums, norms, functions of them, before anything reads them.

Orders by hand: w! for w features that are free. The layer under test stands between Dense(4) and Dense(2).
"""

from __future__ import annotations

from math import factorial

import keras
import numpy as np
import pytest
from keras import layers, ops

from gmn_tf import ParameterGraph, UnsupportedLayerError
from gmn_tf.graph import schema
from tests.convert.reading import edge_counts, node_counts
from tests.convert.soundness import assert_sound


def f(*widths):
    return int(np.prod([factorial(w) for w in widths]))


def own(call, **shapes):
    """A model around a layer that holds weights of these shapes; `call` gets it and its input [batch, 4]."""

    class Own(layers.Layer):
        def build(self, shape):
            for name, size in shapes.items():
                setattr(self, name, self.add_weight(shape=size, name=name, initializer="glorot_normal"))

        def call(self, x):
            return call(self, x)

    a = keras.Input((3,))
    return keras.Model(a, layers.Dense(2)(Own()(layers.Dense(4)(a))))


def distance(s, x):
    return ops.exp(-ops.sum(ops.square(x[:, None] - s.p), axis=-1))


def direction(w):
    return w / ops.sqrt(ops.sum(ops.square(w), axis=0))


def state_space(s, x):
    """Two steps of a diagonal state of 3 for each of 4 channels."""
    h = ops.zeros_like(x[:, :, None]) * s.b
    for _ in range(2):
        h = ops.sigmoid(s.a) * h + s.b * x[:, :, None]
    return ops.sum(h * s.c, axis=-1)


CASES = {
    "low rank": (lambda s, x: x @ (s.a @ s.b), {"a": (4, 2), "b": (2, 5)}, f(4, 2, 5)),
    "a kernel and a low-rank change": (
        lambda s, x: x @ (s.w + 0.5 * ops.matmul(s.a, s.b)),
        {"w": (4, 5), "a": (4, 2), "b": (2, 5)},
        f(4, 2, 5),
    ),
    "difference of two low ranks": (
        lambda s, x: x @ (s.a @ s.b - s.c @ s.d),
        {"a": (4, 2), "b": (2, 5), "c": (4, 3), "d": (3, 5)},
        f(4, 2, 5, 3),
    ),
    "three factors": (
        lambda s, x: x @ (s.a @ s.b @ s.c),
        {"a": (4, 2), "b": (2, 3), "c": (3, 5)},
        f(4, 2, 3, 5),
    ),
    "a product read backwards": (
        lambda s, x: ops.tanh(x @ ops.transpose(s.a @ s.b)),
        {"a": (5, 2), "b": (2, 4)},
        f(4, 2, 5),
    ),
    "symmetric kernel": (lambda s, x: x @ (s.w + ops.transpose(s.w)), {"w": (4, 4)}, f(4)),
    "weight normalisation": (lambda s, x: x @ (s.g * direction(s.w)), {"w": (4, 5), "g": (5,)}, f(4, 5)),
    "low rank, normalised (DoRA)": (
        lambda s, x: x @ (s.g * direction(s.w + s.a @ s.b)),
        {"w": (4, 5), "a": (4, 2), "b": (2, 5), "g": (5,)},
        f(4, 5, 2),
    ),
    "softmax of a kernel": (lambda s, x: x @ ops.softmax(s.w, axis=0), {"w": (4, 5)}, f(4, 5)),
    "squared kernel": (lambda s, x: x @ (s.w * s.w), {"w": (4, 5)}, f(4, 5)),
    "masked kernel": (lambda s, x: x @ (s.w * s.v), {"w": (4, 5), "v": (4, 5)}, f(4, 5)),
    "one number for a kernel": (lambda s, x: x @ (s.w * s.t), {"w": (4, 5), "t": ()}, f(4, 5)),
    "prototypes": (distance, {"p": (6, 4)}, f(4, 6)),
    "cosine similarity": (
        lambda s, x: ops.normalize(x, axis=-1) @ ops.normalize(s.p, axis=0),
        {"p": (4, 6)},
        f(4, 6),
    ),
    "a learnt grid for splines": (
        lambda s, x: ops.einsum("big,iog->bo", ops.tanh(x[..., None] - s.g), s.c),
        {"g": (3,), "c": (4, 5, 3)},
        f(4, 5, 3),
    ),
    "reflection": (
        lambda s, x: x - 2 * ops.sum(x * s.v, -1, keepdims=True) * s.v / ops.sum(s.v * s.v),
        {"v": (4,)},
        f(4),
    ),
    # v[i] v[i + 1]: the dihedral group of the square
    "neighbours multiplied": (lambda s, x: x * (s.v * ops.roll(s.v, 1, 0)), {"v": (4,)}, 8),
    # each channel's states are its own to order, so ties must not keep rows together
    "states of a channel": (state_space, {"a": (4, 3), "b": (4, 3), "c": (4, 3)}, f(4) * f(3) ** 4),
    "bilinear": (lambda s, x: ops.einsum("bi,ioj,bj->bo", x, s.w, x), {"w": (4, 5, 4)}, f(4, 5)),
    "a constant and a kernel": (lambda s, x: x + ops.ones((1, 3)) @ s.w, {"w": (3, 4)}, f(4, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_computed_weights(name):
    call, shapes, order = CASES[name]
    tied = name in ("symmetric kernel", "reflection", "states of a channel")
    assert_sound(own(call, **shapes), order=order, samples=3, tied=tied)


def test_a_low_rank_kernel_by_hand():
    """x (A B): 4 neurons, 2 of the rank, 3 results; 4 * 2 + 2 * 3 weights, nothing else."""

    class LowRank(layers.Layer):
        def build(self, shape):
            self.a = self.add_weight(shape=(4, 2), name="a")
            self.b = self.add_weight(shape=(2, 3), name="b")

        def call(self, x):
            return x @ (self.a @ self.b)

    a = keras.Input((4,))
    graph = ParameterGraph.from_keras(keras.Model(a, LowRank()(a)))
    assert node_counts(graph) == {"neuron0": 4, "neuron1": 2, "neuron2": 3}
    assert edge_counts(graph) == {"linear": 14}


def test_a_weight_that_is_computed_with_has_one_node():
    graph = ParameterGraph.from_keras(own(lambda s, x: x @ (s.w * s.w), w=(4, 5)))
    values = np.flatnonzero(graph.nodes["type"] == schema.NodeType.VALUE)
    assert values.size == 20, "and not two, though the product has two operands"


def test_a_table_of_distances_acts_where_it_is_added():
    """5 distances of 2 features, read at many pairs: an edge per weight into the sum, no nodes."""
    distance = np.abs(np.arange(5)[:, None] - np.arange(5))

    def call(s, x):
        table = ops.take(s.w, distance, axis=0)
        return ops.sum(ops.tanh(ops.sum(x, axis=-1)[:, None, None, None] + table), axis=(1, 2))

    model = own(call, w=(5, 2))
    counts = edge_counts(ParameterGraph.from_keras(model))
    assert counts == {"linear": 3 * 4 + 2 * 2, "bias": 4 + 5 * 2 + 2, "operand": 4}
    assert_sound(model, samples=3)


def everywhere(model, rank):
    """LoRA on every layer that has it."""
    for layer in model._flatten_layers():
        if hasattr(layer, "enable_lora") and layer.weights:
            layer.enable_lora(rank)
    return model


def lora_dense():
    a = keras.Input((3,))
    return keras.Model(a, layers.Dense(2)(layers.Dense(4, activation="relu")(a))), f(4, 2) * f(2)


def lora_convolution():
    a = keras.Input((5, 5, 2))
    x = layers.Conv2D(4, 2, strides=2, activation="relu")(a)
    return keras.Model(a, layers.GlobalAveragePooling2D()(x)), f(2)  # the channels are the outputs


def lora_heads():
    """x W + (x A) B per head: B is common to the heads, so their dimensions move together."""
    a = keras.Input((5, 4))
    x = layers.EinsumDense("abc,cde->abde", output_shape=(5, 2, 3), bias_axes="de")(a)
    x = layers.Activation("tanh")(x)
    return keras.Model(a, layers.EinsumDense("abde,de->ab", output_shape=5)(x)), None


def lora_embedding():
    a = keras.Input((5,), dtype="int32")
    return keras.Model(a, layers.Embedding(6, 4)(a)), f(2)


def lora_reversible():
    a = keras.Input((5,), dtype="int32")
    table = layers.ReversibleEmbedding(6, 4)
    return keras.Model(a, table(layers.Activation("relu")(table(a)), reverse=True)), f(4, 2)


def lora_attention():
    a = keras.Input((5, 4))
    return keras.Model(a, layers.MultiHeadAttention(2, 3)(a, a)), None


def lora_shared():
    a, b = keras.Input((3,)), keras.Input((3,))
    shared = layers.Dense(4)
    return keras.Model([a, b], ops.sum(ops.abs(shared(a) - shared(b)), -1, keepdims=True)), f(4, 2)


@pytest.mark.parametrize(
    "build",
    [lora_dense, lora_convolution, lora_heads, lora_embedding, lora_reversible, lora_attention, lora_shared],
)
def test_lora(build):
    model, order = build()
    tied = build in (lora_reversible, lora_shared)
    report = assert_sound(everywhere(model, 2), order=order, samples=3, tied=tied)
    assert report.group_order % 2 == 0, "the rank's two nodes can be exchanged"


def test_merging_lora_gives_the_plain_graph():
    model = everywhere(lora_dense()[0], 2)
    plain = ParameterGraph.from_keras(keras.models.clone_model(lora_dense()[0]))
    x = np.ones((2, 3), "float32")
    before = np.asarray(model(x))
    graph = ParameterGraph.from_keras(model)
    values = graph.values(model)
    for layer in model.layers[1:]:
        for position in np.ndindex(*layer.lora_kernel_b.shape):
            values[graph.edges_of(layer.lora_kernel_b.path, position)] = 0.0  # as it starts
    graph.assign(model, values)
    np.testing.assert_array_equal(np.asarray(model(x)), before)
    assert graph.num_parameters == plain.num_parameters + 2 * (3 + 4) + 2 * (4 + 2)


def test_a_grouped_convolution_with_lora_is_refused():
    a = keras.Input((6, 4))
    model = keras.Model(a, layers.Conv1D(4, 2, groups=2, name="c")(a), name="net")
    model.layers[1].enable_lora(2)
    with pytest.raises(UnsupportedLayerError, match=r"net/c/conv.*grouped"):
        ParameterGraph.from_keras(model)
