"""Every public class of keras.layers is accounted for: it converts, or a sentence says why it does not."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from keras import layers

import gmn_tf
from gmn_tf import ParameterGraph, UnsupportedLayerError
from gmn_tf.convert.openers import find_opener
from gmn_tf.convert.vetting import _CODE_LAYERS
from tests.convert.soundness import assert_sound

PUBLIC = {
    cls
    for _, cls in inspect.getmembers(layers, inspect.isclass)
    if issubclass(cls, keras.Layer) and cls is not keras.Layer
}


def vector(layer, size=3, dtype=None):
    a = keras.Input((size,), dtype=dtype)
    return keras.Model(a, layers.Dense(2)(layers.Flatten()(layer(a))))


def tokens(layer, dtype="int32"):
    a = keras.Input((3,), dtype=dtype)
    return keras.Model(a, layers.Dense(2)(layers.Flatten()(layers.Embedding(6, 4)(layer(a)))))


def sequence(layer):
    a = keras.Input((5, 3))
    return keras.Model(a, layers.Dense(2)(layers.Flatten()(layer(a))))


def image(layer):
    a = keras.Input((6, 6, 3))
    return keras.Model(a, layers.Dense(2)(layers.Flatten()(layer(a))))


def pair(layer):
    a = keras.Input((5, 3))
    return keras.Model(a, layers.Dense(2)(layers.Flatten()(layer([layers.Dense(3)(a), a]))))


def crossed():
    a, b = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    x = layers.Embedding(4, 3)(layers.HashedCrossing(4)((a, b)))
    return keras.Model([a, b], layers.Dense(2)(layers.Flatten()(x)))


# Classes that are opened or whose results are inputs: one model each.
MODELS = {
    layers.AdditiveAttention: lambda: pair(layers.AdditiveAttention()),
    layers.Attention: lambda: pair(layers.Attention(use_scale=True)),
    layers.SimpleRNN: lambda: sequence(layers.SimpleRNN(4, activation="relu", dropout=0.1)),
    layers.GRU: lambda: sequence(layers.GRU(4, reset_after=False)),
    layers.LSTM: lambda: sequence(layers.LSTM(4, recurrent_dropout=0.1)),
    layers.SimpleRNNCell: lambda: sequence(layers.RNN(layers.SimpleRNNCell(4))),
    layers.GRUCell: lambda: sequence(layers.RNN(layers.GRUCell(4))),
    layers.LSTMCell: lambda: sequence(layers.RNN(layers.LSTMCell(4))),
    layers.StackedRNNCells: lambda: sequence(
        layers.RNN(layers.StackedRNNCells([layers.GRUCell(3), layers.GRUCell(2)]))
    ),
    layers.ConvLSTM1D: lambda: image(layers.ConvLSTM1D(3, 2)),
    layers.ReversibleEmbedding: lambda: vector(layers.ReversibleEmbedding(6, 4), dtype="int32"),
    layers.Lambda: lambda: vector(layers.Lambda(lambda x: keras.ops.sin(x) * 2)),
    layers.Discretization: lambda: vector(
        layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0], output_mode="one_hot"), size=1
    ),
    layers.Hashing: lambda: tokens(layers.Hashing(4)),
    layers.HashedCrossing: crossed,
    layers.IntegerLookup: lambda: tokens(layers.IntegerLookup(vocabulary=[1, 2, 3]), dtype="int64"),
    layers.StringLookup: lambda: tokens(layers.StringLookup(vocabulary=["a", "b"]), dtype="string"),
    layers.MelSpectrogram: lambda: vector(
        layers.MelSpectrogram(fft_length=32, sequence_stride=16, num_mel_bins=4, sampling_rate=100), size=64
    ),
    layers.Pipeline: lambda: image(layers.Pipeline([layers.RandomFlip(), layers.Rescaling(2.0)])),
    layers.RandAugment: lambda: image(layers.RandAugment()),
    layers.RMSNormalization: lambda: image(layers.RMSNormalization(axis=(1, 2, 3))),
    layers.Dot: lambda: pair(layers.Dot(2, normalize=True)),
}
# What needs another input or another number of dimensions than its kin above, and takes the same way.
KIN = {layers.ConvLSTM2D, layers.ConvLSTM3D}
# Heard by another name, abstract, or preprocessing that these inputs do not suit.
UNTRIED = {"Wrapper", "TextVectorization", "STFTSpectrogram", "ContrastLimitedAdaptiveHistogramEqualization"}


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_it_converts_soundly(cls):
    assert_sound(MODELS[cls](), samples=3)


@pytest.mark.parametrize("cls", sorted(PUBLIC, key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__)
def test_every_class_is_accounted_for(cls):
    known = cls.__name__ in gmn_tf.supported_layers() or cls in MODELS or cls in KIN
    if not known:
        code = cls.__name__ in _CODE_LAYERS
        assert code or cls.__name__ in UNTRIED or _has_opener(cls), f"nothing says what happens to {cls}"


def _has_opener(cls):
    return find_opener(object.__new__(cls)) is not None


def test_behind_weights_a_layer_that_nothing_is_known_of_is_refused():
    a = keras.Input((3,))
    lookup = layers.IntegerLookup(vocabulary=[1, 2, 3], name="lookup")
    x = layers.Embedding(6, 4)(lookup(keras.ops.cast(layers.Dense(3)(a), "int64")))
    model = keras.Model(a, layers.Flatten()(x), name="net")
    with pytest.raises(UnsupportedLayerError, match=r"'net/lookup' \(IntegerLookup\).*symbolic tensors"):
        ParameterGraph.from_keras(model)


def test_a_layer_norm_over_axes_of_both_signs_is_read_as_keras_reads_it():
    """Under (1, -1) Keras' gamma has the shape of axes (-1, 1), and is reshaped, not transposed."""
    a = keras.Input((3, 2, 2))
    x = layers.LayerNormalization(axis=(1, -1))(layers.Conv2D(4, 1)(a))
    assert_sound(keras.Model(a, layers.Dense(2)(layers.Flatten()(x))))


def test_a_stateful_layer_is_drawn_from_its_zero_state_and_left_as_it_was():
    a = keras.Input(batch_shape=(3, 5, 2))
    layer = layers.GRU(4, stateful=True)
    model = keras.Model(a, layers.Dense(2)(layer(a)))
    model(np.ones((3, 5, 2), "float32"))
    before = np.asarray(layer.states[0])
    assert_sound(model, order=24)
    assert before.any() and np.array_equal(np.asarray(layer.states[0]), before)


def test_a_recurrent_cell_keeps_no_symbolic_mask():
    a = keras.Input((5, 3))
    layer = layers.SimpleRNN(4, dropout=0.5, recurrent_dropout=0.5)
    model = keras.Model(a, layer(a))
    ParameterGraph.from_keras(model)
    assert np.isfinite(np.asarray(model(np.ones((2, 5, 3), "float32"), training=True))).all()


def test_spectral_normalisation_of_a_transposed_convolution():
    """Its vector u has an entry per index of the kernel's last axis, here the inputs."""
    a = keras.Input((4, 4, 2))
    layer = layers.SpectralNormalization(layers.Conv2DTranspose(3, 2))
    x = layers.GlobalMaxPooling2D()(layer(layers.Conv2D(4, 1)(a)))
    assert_sound(keras.Model(a, layers.Dense(2)(x)), order=24 * 6)
