"""The second law from outside: a network permuted by hand has the same graph, but for node numbers.

Each function moves the weights as the mathematics of the layer says, knowing nothing of graphs.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from gmn_tf import ParameterGraph
from tests.convert.independent import assert_independently_sound, same_network


def head(a, x):
    return keras.Model(a, layers.Dense(2)(x))


def dense():
    a = keras.Input((3,))
    model = head(a, layers.Dense(4, activation="tanh")(a))

    def permute(weights, order):
        (kernel, bias), rest = weights[:2], weights[2:]
        return [kernel[:, order], bias[order], rest[0][order], rest[1]]

    return model, permute, 4, (5, 3)


def convolution():
    """Conv, BatchNorm, then Flatten: row (y, x, c) of the last kernel follows channel c."""
    a = keras.Input((3, 3, 2))
    x = layers.BatchNormalization()(layers.Conv2D(4, 2)(a))
    model = head(a, layers.Flatten()(x))

    def permute(weights, order):
        kernel, bias, gamma, beta, mean, variance, last, last_bias = weights
        last = last.reshape(2, 2, 4, 2)[:, :, order].reshape(16, 2)
        return [
            kernel[..., order], bias[order], gamma[order], beta[order], mean[order], variance[order], last,
            last_bias,
        ]  # fmt: skip

    return model, permute, 4, (5, 3, 3, 2)


def lstm():
    """Units move in all four gates, in the rows of the recurrent kernel, and in what reads them."""
    a = keras.Input((5, 3))
    model = head(a, layers.LSTM(4)(a))

    def permute(weights, order):
        kernel, recurrent, bias, last, last_bias = weights
        gates = np.concatenate([gate * 4 + order for gate in range(4)])
        return [kernel[:, gates], recurrent[order][:, gates], bias[gates], last[order], last_bias]

    return model, permute, 4, (5, 5, 3)


def gru():
    """As for the LSTM; with `reset_after` the bias has a row for each kernel."""
    a = keras.Input((5, 3))
    model = head(a, layers.GRU(4)(a))

    def permute(weights, order):
        kernel, recurrent, bias, last, last_bias = weights
        gates = np.concatenate([gate * 4 + order for gate in range(3)])
        return [kernel[:, gates], recurrent[order][:, gates], bias[:, gates], last[order], last_bias]

    return model, permute, 4, (5, 5, 3)


def heads():
    a = keras.Input((5, 4))
    model = head(a, layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(3, 2)(a, a)))

    def permute(weights, order):
        inner = [w[..., order, :] for w in weights[:6]]
        return [*inner, weights[6][order], *weights[7:]]

    return model, permute, 3, (5, 5, 4)


def low_rank():
    """The rank of LoRA: columns of A with rows of B."""
    a = keras.Input((3,))
    layer = layers.Dense(4)
    model = head(a, layer(a))
    layer.enable_lora(3)

    def permute(weights, order):
        by_path = {v.path.rsplit("/", 1)[-1]: i for i, v in enumerate(model.weights) if "lora" in v.path}
        result = list(weights)
        for name, axis in (("lora_kernel_a", 1), ("lora_kernel_b", 0)):
            result[by_path[name]] = np.take(weights[by_path[name]], order, axis=axis)
        return result

    return model, permute, 3, (5, 3)


@pytest.mark.parametrize("build", [dense, convolution, lstm, gru, heads, low_rank])
def test_a_network_permuted_by_hand_has_the_same_graph(build):
    model, permute, size, shape = build()
    graph = ParameterGraph.from_keras(model)
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 1.5, w.shape).astype(w.dtype) for w in model.get_weights()]
    permuted = permute(weights, rng.permutation(np.roll(np.arange(size), 1)))
    x = rng.normal(size=shape).astype("float32")
    outputs = []
    for values in (weights, permuted):
        model.set_weights(values)
        outputs.append(np.asarray(model(x)))
    np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-5)
    assert same_network(graph, weights, permuted)
    broken = [w.copy() for w in permuted]
    broken[0].flat[0] += 0.25
    assert not same_network(graph, weights, broken), "the control: one other weight is another network"


def test_a_second_search_agrees():
    a = keras.Input((4, 4, 2))
    x = layers.Conv2D(4, 2, groups=2, activation="relu")(a)
    model = head(a, layers.Flatten()(layers.GroupNormalization(2)(x)))
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype("float32")
    # each group of the convolution reads one input: its two filters are free, the groups are pinned
    assert_independently_sound(model, x, order=2 * 2)
