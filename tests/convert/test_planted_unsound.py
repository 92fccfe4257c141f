"""Converters that are wrong on purpose: the symmetry check must see what each of them overlooks.

Every test has its control: the right converter passes on the same model.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import gmn_tf
from gmn_tf.convert import attention
from gmn_tf.convert.converters import attention as attention_converters
from gmn_tf.convert.converters import convolutions, normalization
from gmn_tf.convert.converters.activations import apply_activation
from gmn_tf.graph import schema
from gmn_tf.graph.canvas import Canvas


def caught(model) -> bool:
    return not gmn_tf.check_symmetry(model, num_samples=10).passed


def head(inputs, hidden):
    keras.utils.set_random_seed(0)
    return keras.Model(inputs, layers.Dense(2)(hidden))


@pytest.fixture
def grouped():
    a = keras.Input((4, 4, 2))
    return head(a, layers.GlobalMaxPooling2D()(layers.Conv2D(6, 1, groups=3)(layers.Conv2D(6, 1)(a))))


def test_a_convolution_that_forgets_groups(grouped, monkeypatch):
    """Every filter looks as if it read the channels of the first group."""
    assert not caught(grouped)

    def convolve(pen, x, kernel, source_of, target_of, **settings):
        if source_of.shape[1] > 1:
            source_of = np.arange(kernel.shape[-2])[:, None]
        return right(pen, x, kernel, source_of, target_of, **settings)

    right = convolutions._convolve
    monkeypatch.setattr(convolutions, "_convolve", convolve)
    assert caught(grouped)


def without_positions(monkeypatch, name):
    """The canvas drops one kind of position from every edge."""
    right = Canvas.add_edges

    def add_edges(canvas, source, target, **settings):
        right(canvas, source, target, **{**settings, name: None})

    monkeypatch.setattr(Canvas, "add_edges", add_edges)


def test_a_dense_layer_that_does_not_say_which_entry_it_reads():
    """Without entry positions, the weights from one channel's pixels cannot be told apart."""
    a = keras.Input((2, 2, 1))
    model = head(a, layers.Flatten()(layers.Conv2D(3, 1)(a)))
    assert not caught(model)
    with pytest.MonkeyPatch.context() as patch:
        without_positions(patch, schema.ENTRY_POSITION)
        with pytest.raises(gmn_tf.errors.ConversionError, match="two edges"):
            gmn_tf.check_symmetry(model)


def test_positions_that_are_dropped_where_nodes_stand_for_places():
    """5 x 5 positions made by Dense, then a convolution: joins that do not say where each entry stands."""
    a = keras.Input((3,))
    x = layers.Reshape((5, 2))(layers.Dense(10)(a))
    model = head(a, layers.GlobalMaxPooling1D()(layers.Conv1D(3, 2)(x)))
    assert not caught(model)
    with pytest.MonkeyPatch.context() as patch:
        without_positions(patch, schema.ENTRY_POSITION)
        assert caught(model)


def test_an_attention_that_mixes_the_dimensions_of_heads(monkeypatch):
    """Every pair feeds every head, and every head every result: dimensions can wander between heads."""
    a = keras.Input((5, 4))
    model = head(a, layers.MultiHeadAttention(2, 3)(a, a))
    assert not caught(model)

    def attend(pen, query, key, value, mask):
        layer = pen.canvas.new_layer()
        pair = pen.canvas.add_nodes(query.shape, type=schema.NodeType.PAIR, layer=layer)
        hub = pen.canvas.add_nodes(query.shape[0], type=schema.NodeType.HEAD, layer=layer)
        out = pen.canvas.add_nodes(value.shape, type=schema.NodeType.NEURON, layer=layer)
        for position, nodes in enumerate((query, key)):
            pen.canvas.add_edges(
                nodes, pair, type=schema.EdgeType.PAIR, layer=layer, kernel_position=[position]
            )
        pen.canvas.add_edges(pair[..., None], hub, type=schema.EdgeType.HEAD, layer=layer)
        pen.canvas.add_edges(hub, out[..., None], type=schema.EdgeType.WEIGHTED, layer=layer)
        pen.canvas.add_edges(value, out, type=schema.EdgeType.WEIGHTED, layer=layer)
        return hub, out

    monkeypatch.setattr(attention_converters, "attend", attend)
    assert caught(model)
    assert attention.attend is not attend


def test_a_group_normalization_without_its_groups(monkeypatch):
    a = keras.Input((4, 4, 2))
    model = head(a, layers.GlobalMaxPooling2D()(layers.GroupNormalization(2)(layers.Conv2D(6, 1)(a))))
    assert not caught(model)
    monkeypatch.setattr(normalization, "statistics", lambda *args, **settings: None)
    assert caught(model)


def test_two_operands_without_their_roles(monkeypatch):
    """y[i] = x[i] - x[i + 2], drawn as if it were a sum: the halves could be exchanged."""
    a = keras.Input((3,))
    x = layers.Dense(4)(a)
    model = head(a, layers.Subtract()([x[:, :2], x[:, 2:]]))
    assert not caught(model)
    without_positions(monkeypatch, schema.KERNEL_POSITION)
    assert caught(model)


def test_two_branches_under_one_number(monkeypatch):
    """Convolutions that differ in their dilation alone, if operations were not numbered."""
    a = keras.Input((5, 1))
    settings = {"padding": "same", "use_bias": False}
    branches = [layers.Conv1D(3, 2, dilation_rate=d, **settings)(a) for d in (1, 2)]
    model = head(a, layers.GlobalMaxPooling1D()(layers.Concatenate()(branches)))
    assert not caught(model)
    right = Canvas.new_layer
    monkeypatch.setattr(Canvas, "new_layer", lambda canvas: (right(canvas), 1)[1])
    assert caught(model)


def test_a_converter_of_a_users_own_that_is_wrong():
    """A layer that scales its odd neurons by 3, drawn as if it treated all of them alike."""

    class Alternating(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 4), initializer="normal", name="kernel")

        def call(self, x):
            y = keras.ops.matmul(x, self.kernel)
            return y * np.array([1.0, 3.0, 1.0, 3.0], "float32")

        def compute_output_shape(self, shape):
            return (*shape[:-1], 4)

    @gmn_tf.register_converter(Alternating)
    def alternating(pen, layer, x):
        out = pen.canvas.add_nodes(4, type=schema.NodeType.NEURON, layer=pen.layer())
        pen.canvas.add_edges(
            x.node[0][:, None],
            out[None, :],
            type=schema.EdgeType.LINEAR,
            layer=pen.layer(),
            slot=pen.slots(layer.kernel),
        )
        return apply_activation(pen, type(x)(np.broadcast_to(out, (*x.shape[:-1], 4))), None)

    a = keras.Input((3,))
    assert caught(head(a, Alternating()(a)))


def test_values_that_come_back_changed(monkeypatch):
    """The other half of the report: a round trip that is not exact does not pass."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3), layers.Dense(2)])
    right = gmn_tf.ParameterGraph.flat
    monkeypatch.setattr(
        gmn_tf.ParameterGraph, "flat", lambda *args, **settings: right(*args, **settings) + 1e-3
    )
    report = gmn_tf.check_symmetry(model)
    assert not report.round_trip_exact and not report.passed
    assert "NOT EXACT" in str(report)


def test_a_weight_on_two_edges_cannot_be_drawn():
    canvas = Canvas()
    nodes = canvas.add_nodes(3, type=schema.NodeType.NEURON, layer=0)
    with pytest.raises(AssertionError, match="on two edges"):
        canvas.add_edges(
            nodes[:1], nodes[None], type=schema.EdgeType.LINEAR, layer=1, slot=np.zeros(1, np.int64)
        )
    assert not canvas.blocks
