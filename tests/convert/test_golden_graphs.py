"""One tiny graph for each family of converters, its nodes and every single edge worked out by hand."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers
from reading import edges, labels, node_counts

from gmn_tf import ParameterGraph
from gmn_tf.graph import schema


def graph_of(first, *stack, **settings) -> ParameterGraph:
    x = first
    for layer in stack:
        x = layer(x)
    return ParameterGraph.from_keras(keras.Model(first, x), **settings)


def kernel(sources, targets, kind, path):
    """An edge per entry of a kernel [inputs, units]."""
    return {
        f"{s} -> {t} {kind} {path}[{i}, {j}]" for i, s in enumerate(sources) for j, t in enumerate(targets)
    }


def vector(source, targets, kind, path):
    """An edge per entry of a vector, all from one node."""
    return {f"{source} -> {t} {kind} {path}[{i}]" for i, t in enumerate(targets)}


def names(stem, count):
    return [f"{stem}.{i}" for i in range(count)]


def test_dense():
    # 2 inputs, 3 neurons with relu, a bias node: 2 * 3 + 3 edges. The neurons are outputs 0, 1, 2.
    graph = graph_of(keras.Input((2,)), layers.Dense(3, activation="relu", name="d"))
    assert node_counts(graph) == {"neuron0": 2, "neuron1": 3, "bias1": 1}
    out = names("neuron1", 3)
    assert edges(graph) == kernel(names("neuron0", 2), out, "linear", "d/kernel") | vector(
        "bias1.0", out, "bias", "d/bias"
    )
    assert labels(graph, "neuron", 0, "index") == [0, 1]
    assert labels(graph, "neuron", 1, "index") == [0, 1, 2]
    assert labels(graph, "bias", 1, "index") == [schema.NO_INDEX]
    assert labels(graph, "neuron", 1, "activation") == [schema.Activation.RELU] * 3
    assert labels(graph, "neuron", 0, "activation") == [schema.Activation.LINEAR] * 2


def test_hidden_neurons_have_no_index():
    graph = graph_of(keras.Input((2,)), layers.Dense(3), layers.Dense(1))
    assert labels(graph, "neuron", 1, "index") == [schema.NO_INDEX] * 3


def test_convolution():
    # 2 channels, 3 filters of 1 x 2: every tap is an edge, from its channel to its filter: 2 * 2 * 3, + 3.
    graph = graph_of(keras.Input((4, 4, 2)), layers.Conv2D(3, (1, 2), name="c"))
    assert node_counts(graph) == {"channel0": 2, "channel1": 3, "bias1": 1}
    taps = {
        f"channel0.{i} -> channel1.{o} conv k(0, {x}) c/kernel[0, {x}, {i}, {o}]"
        for x in range(2)
        for i in range(2)
        for o in range(3)
    }
    assert edges(graph) == taps | vector("bias1.0", names("channel1", 3), "bias", "c/bias")


def test_pointwise_convolution_has_no_kernel_position():
    graph = graph_of(keras.Input((4, 2)), layers.Conv1D(1, 1, use_bias=False, name="c"))
    assert edges(graph) == {f"channel0.{i} -> channel1.0 conv c/kernel[0, {i}, 0]" for i in range(2)}


def test_grouped_convolution():
    # Kernel [1, 2, 4]: filters 0, 1 read channels 0, 1; filters 2, 3 read channels 2, 3: 8 edges, not 16.
    graph = graph_of(keras.Input((4, 4)), layers.Conv1D(4, 1, groups=2, use_bias=False, name="c"))
    assert edges(graph) == {
        "channel0.0 -> channel1.0 conv c/kernel[0, 0, 0]",
        "channel0.1 -> channel1.0 conv c/kernel[0, 1, 0]",
        "channel0.0 -> channel1.1 conv c/kernel[0, 0, 1]",
        "channel0.1 -> channel1.1 conv c/kernel[0, 1, 1]",
        "channel0.2 -> channel1.2 conv c/kernel[0, 0, 2]",
        "channel0.3 -> channel1.2 conv c/kernel[0, 1, 2]",
        "channel0.2 -> channel1.3 conv c/kernel[0, 0, 3]",
        "channel0.3 -> channel1.3 conv c/kernel[0, 1, 3]",
    }


def test_depthwise_convolution():
    # Kernel [2, 2, 2]: channel c gives results 2c and 2c + 1, with 2 taps each: 8 edges, and 4 biases.
    graph = graph_of(keras.Input((4, 2)), layers.DepthwiseConv1D(2, depth_multiplier=2, name="c"))
    taps = {
        f"channel0.{c} -> channel1.{2 * c + m} depthwise k({x},) c/kernel[{x}, {c}, {m}]"
        for x in range(2)
        for c in range(2)
        for m in range(2)
    }
    assert edges(graph) == taps | vector("bias1.0", names("channel1", 4), "bias", "c/bias")


def test_separable_convolution():
    # Depthwise [2, 2, 1] into 2 channels of layer 1, pointwise [1, 2, 3] into 3 of layer 2, whose bias it is.
    graph = graph_of(keras.Input((4, 2)), layers.SeparableConv1D(3, 2, name="c"))
    assert node_counts(graph) == {"channel0": 2, "channel1": 2, "channel2": 3, "bias2": 1}
    depthwise = {
        f"channel0.{c} -> channel1.{c} depthwise k({x},) c/depthwise_kernel[{x}, {c}, 0]"
        for x in range(2)
        for c in range(2)
    }
    pointwise = {
        f"channel1.{c} -> channel2.{o} conv c/pointwise_kernel[0, {c}, {o}]"
        for c in range(2)
        for o in range(3)
    }
    assert edges(graph) == depthwise | pointwise | vector("bias2.0", names("channel2", 3), "bias", "c/bias")


def test_transposed_convolution():
    # Keras keeps this kernel as [taps, filters, channels]: the last axis is read, the one before written.
    graph = graph_of(keras.Input((4, 2)), layers.Conv1DTranspose(3, 2, use_bias=False, name="c"))
    assert edges(graph) == {
        f"channel0.{i} -> channel1.{o} conv k({x},) c/kernel[{x}, {o}, {i}]"
        for x in range(2)
        for o in range(3)
        for i in range(2)
    }


def test_flatten_then_dense():
    # 2 pixels of 2 channels, flat order (pixel, channel): entry 2p + c is an edge from channel c, which
    # says that it reads pixel p.
    graph = graph_of(keras.Input((2, 2)), layers.Flatten(), layers.Dense(1, use_bias=False, name="d"))
    assert edges(graph) == {
        f"channel0.{c} -> neuron1.0 linear e({p},) d/kernel[{2 * p + c}, 0]"
        for p in range(2)
        for c in range(2)
    }


def test_batch_normalization_folds_into_the_convolution():
    # 4 source nodes of layer 2, each with an edge into both channels of layer 1: no nodes besides.
    stack = [
        keras.Input((4, 2)),
        layers.Conv1D(2, 1, use_bias=False, name="c"),
        layers.BatchNormalization(name="b"),
    ]
    graph = graph_of(*stack)
    trained = {"channel0": 2, "channel1": 2, "norm_scale2": 1, "norm_shift2": 1}
    assert node_counts(graph) == {**trained, "norm_mean2": 1, "norm_variance2": 1}
    out = names("channel1", 2)
    taps = {f"channel0.{i} -> channel1.{o} conv c/kernel[0, {i}, {o}]" for i in range(2) for o in range(2)}
    gamma_beta = vector("norm_scale2.0", out, "norm_scale", "b/gamma")
    gamma_beta |= vector("norm_shift2.0", out, "norm_shift", "b/beta")
    statistics = vector("norm_mean2.0", out, "norm_mean", "b/moving_mean")
    statistics |= vector("norm_variance2.0", out, "norm_variance", "b/moving_variance")
    assert edges(graph) == taps | gamma_beta | statistics
    # Without the running statistics, as in the paper.
    graph = graph_of(*stack, trainable_only=True)
    assert node_counts(graph) == trained
    assert edges(graph) == taps | gamma_beta


def test_layer_normalization_of_a_whole_layer_has_no_group():
    graph = graph_of(
        keras.Input((1,)), layers.Dense(2, use_bias=False, name="d"), layers.LayerNormalization(name="n")
    )
    assert node_counts(graph) == {"neuron0": 1, "neuron1": 2, "norm_scale2": 1, "norm_shift2": 1}
    out = names("neuron1", 2)
    assert edges(graph) == (
        kernel(["neuron0.0"], out, "linear", "d/kernel")
        | vector("norm_scale2.0", out, "norm_scale", "n/gamma")
        | vector("norm_shift2.0", out, "norm_shift", "n/beta")
    )


def test_layer_normalization_of_half_a_layer_has_one():
    # Neurons 0 and 1 are normalised together, 2 is not: they point to a group node.
    a = keras.Input((1,))
    x = layers.Dense(3, use_bias=False, name="d")(a)
    y = layers.LayerNormalization(center=False, name="n")(x[:, :2])
    graph = ParameterGraph.from_keras(keras.Model(a, layers.Concatenate()([y, x[:, 2:]])))
    assert node_counts(graph) == {"neuron0": 1, "neuron1": 3, "norm_scale2": 1, "group2": 1}
    assert edges(graph) == (
        kernel(["neuron0.0"], names("neuron1", 3), "linear", "d/kernel")
        | vector("norm_scale2.0", names("neuron1", 2), "norm_scale", "n/gamma")
        | {f"neuron1.{i} -> group2.0 group" for i in range(2)}
    )


def test_group_normalization():
    # Groups (0, 1) and (2, 3): a node each.
    graph = graph_of(
        keras.Input((3, 1)),
        layers.Conv1D(4, 1, use_bias=False, name="c"),
        layers.GroupNormalization(2, center=False, name="n"),
    )
    assert node_counts(graph) == {"channel0": 1, "channel1": 4, "norm_scale2": 1, "group2": 2}
    assert edges(graph) == (
        {f"channel0.0 -> channel1.{o} conv c/kernel[0, 0, {o}]" for o in range(4)}
        | vector("norm_scale2.0", names("channel1", 4), "norm_scale", "n/gamma")
        | {f"channel1.{c} -> group2.{c // 2} group" for c in range(4)}
    )


def test_embedding():
    # A node per row of the table; the integer input itself leaves no node.
    graph = graph_of(keras.Input((5,), dtype="int32"), layers.Embedding(3, 2, name="e"))
    assert node_counts(graph) == {"token1": 3, "neuron1": 2}
    assert edges(graph) == kernel(names("token1", 3), names("neuron1", 2), "embedding", "e/embeddings")
    assert labels(graph, "token", 1, "index") == [0, 1, 2]


def two_branches(merge):
    a = keras.Input((1,))
    branches = [layers.Dense(2, use_bias=False, name=f"d{i}")(a) for i in (1, 2)]
    graph = ParameterGraph.from_keras(keras.Model(a, merge(branches)))
    weights = {f"neuron0.0 -> neuron{d}.{i} linear d{d}/kernel[0, {i}]" for d in (1, 2) for i in range(2)}
    found = edges(graph)
    assert weights <= found
    return graph, found - weights


def test_add_folds_into_the_branch_drawn_last():
    graph, merging = two_branches(layers.Add())
    assert node_counts(graph) == {"neuron0": 1, "neuron1": 2, "neuron2": 2}
    assert merging == {f"neuron1.{i} -> neuron2.{i} residual" for i in range(2)}


def test_multiply():
    graph, merging = two_branches(layers.Multiply())
    assert node_counts(graph) == {"neuron0": 1, "neuron1": 2, "neuron2": 2, "neuron3": 2}
    assert merging == {f"neuron{d}.{i} -> neuron3.{i} multiply" for d in (1, 2) for i in range(2)}


def test_subtract_says_which_operand_is_which():
    _, merging = two_branches(layers.Subtract())
    assert merging == {f"neuron{d}.{i} -> neuron3.{i} operand k({d - 1},)" for d in (1, 2) for i in range(2)}


def test_concatenate_draws_nothing():
    graph, merging = two_branches(layers.Concatenate())
    assert node_counts(graph) == {"neuron0": 1, "neuron1": 2, "neuron2": 2}
    assert merging == set()
    assert labels(graph, "neuron", 1, "index") + labels(graph, "neuron", 2, "index") == [0, 1, 2, 3]


def test_shared_layer():
    # d(a) - d(b): the kernel is drawn once, from 2 join nodes; a meets them in call 0, b in call 1. The
    # difference reads the same nodes twice, as operand 0 and as operand 1.
    a, b = keras.Input((2,)), keras.Input((2,))
    d = layers.Dense(1, name="d")
    graph = ParameterGraph.from_keras(keras.Model([a, b], layers.Subtract()([d(a), d(b)])))
    assert node_counts(graph) == {"neuron0": 4, "join1": 2, "neuron1": 1, "bias1": 1, "neuron2": 1}
    assert edges(graph) == {
        "neuron0.0 -> join1.0 join e(0, 0)",
        "neuron0.1 -> join1.1 join e(0, 0)",
        "neuron0.2 -> join1.0 join e(1, 0)",
        "neuron0.3 -> join1.1 join e(1, 0)",
        "join1.0 -> neuron1.0 linear d/kernel[0, 0]",
        "join1.1 -> neuron1.0 linear d/kernel[1, 0]",
        "bias1.0 -> neuron1.0 bias d/bias[0]",
        "neuron1.0 -> neuron2.0 operand k(0,)",
        "neuron1.0 -> neuron2.0 operand k(1,)",
    }
    assert labels(graph, "neuron", 0, "index") == [0, 1, 2, 3]


def test_nested_model_is_drawn_as_if_it_were_flat():
    inner = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, activation="relu"), layers.BatchNormalization()]
    )
    flat = [keras.Input((3,)), layers.Dense(4, activation="relu"), layers.BatchNormalization()]
    assert graph_of(keras.Input((3,)), inner, layers.Dense(2)) == graph_of(*flat, layers.Dense(2))


def test_prelu_folds():
    graph = graph_of(keras.Input((1,)), layers.Dense(2, use_bias=False, name="d"), layers.PReLU(name="p"))
    assert node_counts(graph) == {"neuron0": 1, "neuron1": 2, "scale2": 1}
    out = names("neuron1", 2)
    assert edges(graph) == kernel(["neuron0.0"], out, "linear", "d/kernel") | vector(
        "scale2.0", out, "scale", "p/alpha"
    )
    assert labels(graph, "neuron", 1, "activation") == [schema.Activation.PRELU] * 2


def test_einsum_dense_with_a_kernel_per_position():
    # abc,bcd->abd with b = 2, c = 1, d = 2: the one feature of position b feeds results (b, 0) and (b, 1).
    graph = graph_of(keras.Input((2, 1)), layers.EinsumDense("abc,bcd->abd", output_shape=(2, 2), name="d"))
    assert node_counts(graph) == {"channel0": 1, "neuron1": 4}
    assert edges(graph) == {
        f"channel0.0 -> neuron1.{2 * b + d} linear e({b},) d/kernel[{b}, 0, {d}]"
        for b in range(2)
        for d in range(2)
    }


def test_einsum_dense_that_reads_its_kernel_transposed():
    graph = graph_of(keras.Input((2,)), layers.EinsumDense("ab,cb->ac", output_shape=(3,), name="d"))
    assert edges(graph) == {
        f"neuron0.{i} -> neuron1.{o} linear d/kernel[{o}, {i}]" for i in range(2) for o in range(3)
    }


def test_einsum_dense_whose_bias_lies_across_its_kernel():
    # Kernel [b, c, d] = [1, 2, 3], result nodes in its order (c, d), but the result and the bias are [d, c].
    graph = graph_of(
        keras.Input((1,)), layers.EinsumDense("ab,bcd->adc", output_shape=(3, 2), bias_axes="dc", name="e")
    )
    cells = [(c, d) for c in range(2) for d in range(3)]
    weights = {f"neuron0.0 -> neuron1.{i} linear e/kernel[0, {c}, {d}]" for i, (c, d) in enumerate(cells)}
    biases = {f"bias1.0 -> neuron1.{i} bias e/bias[{d}, {c}]" for i, (c, d) in enumerate(cells)}
    assert edges(graph) == weights | biases
    # Slots of this block do not follow one another; values must all the same.
    flat = np.arange(12.0, dtype=np.float32)
    carried = graph.edges["slot"]
    assert np.any(np.diff(carried[6:]) != 1)
    np.testing.assert_array_equal(graph.values(flat), flat[carried])
    np.testing.assert_array_equal(graph.flat(graph.values(flat)), flat)


def test_pooling_over_neurons():
    # The maximum of neurons (0, 1) and of (2, 3).
    graph = graph_of(
        keras.Input((1,)),
        layers.Dense(4, use_bias=False, name="d"),
        layers.Reshape((4, 1)),
        layers.MaxPooling1D(2),
        layers.Flatten(),
    )
    assert node_counts(graph) == {"neuron0": 1, "neuron1": 4, "neuron2": 2}
    assert edges(graph) == kernel(["neuron0.0"], names("neuron1", 4), "linear", "d/kernel") | {
        f"neuron1.{i} -> neuron2.{i // 2} operand" for i in range(4)
    }


def test_settings_of_a_relu_are_seen():
    """A bound or a threshold makes another function of it: scalings are no longer a symmetry."""
    settings = {
        "RELU": {},
        "RELU6": {"max_value": 6.0},
        "THRESHOLD": {"threshold": 1.0},
        "LEAKY_RELU": {"negative_slope": 0.1},
    }
    for name, given in settings.items():
        expected = [schema.Activation[name]] * 3
        by_layer = graph_of(keras.Input((2,)), layers.Dense(3), layers.ReLU(**given), layers.Dense(1))
        assert labels(by_layer, "neuron", 1, "activation") == expected
        x = keras.Input((2,))
        hidden = keras.activations.relu(layers.Dense(3)(x), **given)
        by_function = ParameterGraph.from_keras(keras.Model(x, layers.Dense(1)(hidden)))
        assert labels(by_function, "neuron", 1, "activation") == expected
