"""Equivariant linear layers: a graph worked out edge by edge, and the order of the group by hand.

As in `test_golden_models`: n exchangeable nodes give n!, written f(n); inputs and outputs are pinned.
"""

from __future__ import annotations

import itertools
from math import factorial as f

import keras
import numpy as np
import pytest
from golden import Cases, dense_head, vector
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops
from reading import edges, node_counts
from soundness import assert_sound

from gmn_tf import ParameterGraph
from gmn_tf.graph import schema
from gmn_tf.keras_layers import GroupEquivariantDense, SetEquivariantDense

case = Cases()
CIRCLE = [[1, 2, 3, 0]]


def points():
    return keras.Input((4, 3))


def free_rows(rows, features):
    """A vector, and rows of free neurons made from it."""
    a = vector()
    shape = (*rows, features)
    return a, layers.Reshape(shape)(layers.Dense(int(np.prod(shape)))(a))


def graph_of(inputs, *stack):
    x = inputs
    for layer in stack:
        x = layer(x)
    return ParameterGraph.from_keras(keras.Model(inputs, x))


# ---- edge by edge ------------------------------------------------------------------------------------


def test_set_equivariant_dense():
    # 2 input channels, 3 result channels, a bias node. Two matrices [2, 3]: every pair of channels has two
    # parallel edges, k(0) for the element itself and k(1) for what is pooled: 2 * 2 * 3 + 3.
    graph = graph_of(keras.Input((5, 2)), SetEquivariantDense(3, activation="relu", name="s"))
    assert node_counts(graph) == {"channel0": 2, "channel1": 3, "bias1": 1}
    kernel = {
        f"channel0.{i} -> channel1.{o} linear k({b},) s/kernel[{b}, {i}, {o}]"
        for b in range(2)
        for i in range(2)
        for o in range(3)
    }
    assert edges(graph) == kernel | {f"bias1.0 -> channel1.{o} bias s/bias[{o}]" for o in range(3)}
    here = (graph.nodes["type"] == schema.NodeType.CHANNEL) & (graph.nodes["layer"] == 1)
    assert graph.nodes["activation"][here].tolist() == [schema.Activation.RELU] * 3


def test_group_equivariant_dense():
    # Shifts around a circle of 4 have 4 orbits of pairs, one of positions: 4 * 2 * 1 + 1 edges.
    graph = graph_of(keras.Input((4, 2)), GroupEquivariantDense(1, CIRCLE, name="g"))
    assert node_counts(graph) == {"channel0": 2, "channel1": 1, "bias1": 1}
    kernel = {
        f"channel0.{i} -> channel1.0 linear k({b},) g/kernel[{b}, {i}, 0]" for b in range(4) for i in range(2)
    }
    assert edges(graph) == kernel | {"bias1.0 -> channel1.0 bias g/bias[0, 0]"}


def test_a_bias_for_each_orbit_of_positions():
    # Positions 0 and 1 are exchanged, 2 stays: two orbits, so two biases for one channel, which say which of
    # its entries they act on. Pairs (i, j): 00 11, 01 10, 02 12, 20 21, 22: five matrices.
    graph = graph_of(keras.Input((3, 1)), GroupEquivariantDense(1, [[1, 0, 2]], name="g"))
    kernel = {f"channel0.0 -> channel1.0 linear k({b},) g/kernel[{b}, 0, 0]" for b in range(5)}
    biases = {f"bias2.0 -> channel1.0 bias e({o},) g/bias[{o}, 0]" for o in range(2)}
    assert edges(graph) == kernel | biases


def test_a_single_matrix_has_no_kernel_position():
    graph = graph_of(
        keras.Input((4, 1)),
        GroupEquivariantDense(1, CIRCLE, output_generators=[[0]], use_bias=False, name="g"),
    )
    assert edges(graph) == {"channel0.0 -> channel1.0 linear g/kernel[0, 0, 0]"}


def test_free_rows_under_a_group():
    # Two neurons that the group exchanges, one feature each: a row node for each, read by the rows of the
    # result by matrix 0 (itself) or 1 (the other). Kernel and bias stand once, between join and value node.
    a = vector(1)
    x = layers.Reshape((2, 1))(layers.Dense(2, use_bias=False, name="d")(a))
    y = GroupEquivariantDense(1, [[1, 0]], name="g")(x)
    graph = ParameterGraph.from_keras(
        keras.Model(a, layers.Dense(1, use_bias=False, name="e")(layers.Flatten()(y)))
    )
    assert edges(graph) == {
        *(f"neuron0.0 -> neuron1.{r} linear d/kernel[0, {r}]" for r in range(2)),
        *(f"neuron1.{r} -> row2.{r} row" for r in range(2)),
        *(f"neuron1.{r} -> join2.0 join" for r in range(2)),
        *(f"join2.0 -> value2.0 linear k({b},) g/kernel[{b}, 0, 0]" for b in range(2)),
        "bias2.0 -> value2.0 bias g/bias[0, 0]",
        *(f"row2.{j} -> row2.{2 + i} row k({int(i != j)},)" for i in range(2) for j in range(2)),
        *(f"value2.0 -> channel2.{i} shared" for i in range(2)),
        *(f"row2.{2 + i} -> channel2.{i} row" for i in range(2)),
        *(f"channel2.{i} -> neuron3.0 linear e/kernel[{i}, 0]" for i in range(2)),
    }


# ---- the order of the group: sets --------------------------------------------------------------------


# A small DeepSets network (Zaheer et al. 2017): each layer's channels are free.
@case(f(4) * f(3) * f(5))
def deep_sets():
    a = points()
    x = SetEquivariantDense(4, activation="relu")(a)
    x = SetEquivariantDense(3, pooling="max", activation="tanh")(x)
    return dense_head(a, layers.Dense(5, activation="relu")(layers.GlobalAveragePooling1D()(x)))


# 12 flat features, 4 of each channel: channels move whole, though the positions are weighed apart.
@case(f(3) * f(3))
def set_layer_between_dense_and_flatten():
    a = points()
    return dense_head(a, layers.Flatten()(SetEquivariantDense(3, pooling="sum")(layers.Dense(3)(a))))


# Three rows of 2 free neurons: rows as wholes, features in all of them at once, result features.
@case(f(3) * f(2) * f(2))
def a_set_of_free_rows():
    a, x = free_rows((3,), 2)
    return dense_head(a, layers.Flatten()(SetEquivariantDense(2)(x)))


# Two sets of three rows: sets as wholes, rows inside each, never from one set to the other.
@case(f(2) * f(3) ** 2 * f(2) * f(2))
def two_sets_of_free_rows():
    a, x = free_rows((2, 3), 2)
    return dense_head(a, layers.Flatten()(SetEquivariantDense(2)(x)))


# Elements that come from different layers are told apart by their place; one kernel reads the 3 features of
# both, so that the neurons of the two layers move together. 2 results.
@case(f(3) * f(2))
def a_set_of_two_layers_outputs():
    a = vector()
    rows = [layers.Reshape((1, 3))(layers.Dense(3)(a)) for _ in range(2)]
    return dense_head(a, layers.Flatten()(SetEquivariantDense(2)(layers.Concatenate(axis=1)(rows))))


# One layer twice: its result features are read by itself, so they move with its input's.
@case(f(3))
def a_set_layer_of_itself():
    a = points()
    s = SetEquivariantDense(3, activation="tanh")
    return dense_head(a, layers.GlobalAveragePooling1D()(s(s(layers.Dense(3)(a)))))


# Exchanging the calls is no symmetry, exchanging the 2 result features is; 3 neurons on either side.
@case(f(2) * f(3))
def the_difference_of_two_calls():
    a = points()
    s, d = SetEquivariantDense(2), layers.Dense(3)
    return dense_head(a, layers.Flatten()(s(d(a)) - s(d(ops.tanh(a)))))


# Tensors beside themselves: each channel is read twice, once with its positions reversed.
@case(f(3) * f(2))
def a_set_beside_itself_reversed():
    a = points()
    x = layers.Dense(3)(a)
    return dense_head(a, layers.Flatten()(SetEquivariantDense(2)(layers.Concatenate()([x, ops.flip(x, 1)]))))


# A mask that is an input of the model names the rows: these are no longer exchangeable. Features are.
@case(f(2) * f(2))
def free_rows_under_a_mask():
    a, x = free_rows((3,), 2)
    m = keras.Input((3,), dtype="bool")
    y = SetEquivariantDense(2)(x, mask=m)
    return keras.Model([a, m], layers.Dense(2)(layers.Flatten()(y)))


# A mask that 4 neurons make names their places: they are free no more. 3 features before, 3 after.
@case(f(3) * f(3))
def a_mask_that_the_network_computes():
    a = points()
    mask = layers.Dense(4)(layers.Flatten()(a)) > 0
    return dense_head(a, layers.Flatten()(SetEquivariantDense(3)(layers.Dense(3)(a), mask=mask)))


# Both calls read one mask; the layer's 3 features are its own input.
@case(f(3))
def a_masked_set_layer_of_itself():
    a, m, s = points(), keras.Input((4,), dtype="bool"), SetEquivariantDense(3)
    x = s(s(layers.Dense(3)(a), mask=m), mask=m)
    return keras.Model([a, m], layers.Dense(2)(layers.GlobalMaxPooling1D()(x)))


# ---- the order of the group: finite groups -----------------------------------------------------------


@case(f(3) * f(4))
def circular_convolution():
    a = points()
    x = GroupEquivariantDense(4, CIRCLE, activation="relu")(layers.Dense(3)(a))
    return dense_head(a, layers.Flatten()(x))


# Two layers and an invariant one, whose single position gives a vector.
@case(f(4) * f(3) * f(5))
def an_invariant_network():
    a = points()
    x = GroupEquivariantDense(4, CIRCLE, activation="relu")(a)
    x = GroupEquivariantDense(3, CIRCLE, activation="relu")(x)
    x = GroupEquivariantDense(5, CIRCLE, output_generators=[[0]], activation="relu")(x)
    return dense_head(a, layers.Flatten()(x))


# No group at all: 3 channels read at 4 positions, 2 results, each with a bias at every position.
@case(f(3) * f(2))
def the_trivial_group():
    a = points()
    return dense_head(a, layers.Flatten()(GroupEquivariantDense(2, [])(layers.Dense(3)(a))))


# Four rows of free neurons around a circle: the circle can be turned, and nothing else.
@case(4 * f(2) * f(3))
def free_rows_around_a_circle():
    a, x = free_rows((4,), 2)
    return dense_head(a, layers.Flatten()(GroupEquivariantDense(3, CIRCLE)(x)))


# Two circles: exchanged as wholes, each turned on its own.
@case(f(2) * 4**2 * f(2) * f(3))
def two_circles_of_free_rows():
    a, x = free_rows((2, 4), 2)
    return dense_head(a, layers.Flatten()(GroupEquivariantDense(3, CIRCLE)(x)))


# A circle turned into one position: by a single matrix, so that any order of the four will do.
@case(f(4) * f(2) * f(3))
def free_rows_summed_by_a_group():
    a, x = free_rows((4,), 2)
    return dense_head(a, layers.Flatten()(GroupEquivariantDense(3, CIRCLE, output_generators=[[0]])(x)))


# Rows 0 and 1 can be exchanged, row 2 has weights and a bias of its own.
@case(f(2) * f(2) * f(3))
def free_rows_of_two_orbits():
    a, x = free_rows((3,), 2)
    return dense_head(a, layers.Flatten()(GroupEquivariantDense(3, [[1, 0, 2]])(x)))


# The symmetric group leaves what DeepSets leaves.
@case(f(3) * f(2) * f(3))
def free_rows_under_the_symmetric_group():
    a, x = free_rows((3,), 2)
    return dense_head(a, layers.Flatten()(GroupEquivariantDense(3, [[1, 0, 2], [1, 2, 0]])(x)))


@case(f(3))
def a_group_layer_called_twice():
    a = points()
    g = GroupEquivariantDense(3, [[1, 0, 2, 3]], activation="tanh")
    return dense_head(a, layers.Flatten()(g(g(layers.Dense(3)(a)))))


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)


# ---- more than the group -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer", [SetEquivariantDense(3, activation="relu"), GroupEquivariantDense(3, CIRCLE, activation="relu")]
)
def test_permuting_channels_by_hand_moves_the_values_alone(layer):
    """Channels 0, 1, 2 of the layer become 1, 2, 0: the function stays, and the edges' values as a set."""
    a = points()
    model = dense_head(a, layers.GlobalAveragePooling1D()(layer(a)))
    kernel, bias, head, head_bias = (
        w + np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(model.get_weights())
    )
    order = [1, 2, 0]
    x = np.random.default_rng(9).normal(size=(2, 4, 3))
    graph, outputs, values = ParameterGraph.from_keras(model), [], []
    for weights in (
        [kernel, bias, head, head_bias],
        [kernel[..., order], bias[..., order], head[order], head_bias],
    ):
        model.set_weights(weights)
        outputs.append(np.asarray(model(x)))
        values.append(np.sort(graph.values(model)))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(values[0], values[1])


@keras.saving.register_keras_serializable(package="gmn_tf_test")
def bent(x):
    return x + ops.sin(x)


@pytest.mark.parametrize(
    "layer", [SetEquivariantDense(3, activation=bent), GroupEquivariantDense(3, CIRCLE, activation=bent)]
)
def test_an_activation_without_a_name_has_the_layer_opened(layer):
    a = points()
    assert_sound(dense_head(a, layers.GlobalAveragePooling1D()(layer(layers.Dense(2)(a)))))


def test_sets_of_any_size_give_one_graph():
    def graph(size):
        a = keras.Input((size, 3))
        return ParameterGraph.from_keras(
            dense_head(a, layers.GlobalAveragePooling1D()(SetEquivariantDense(4)(a)))
        )

    assert graph(None) == graph(4) == graph(9)


@settings(deadline=None, derandomize=True, database=None, max_examples=8)
@given(st.integers(2, 4).flatmap(lambda n: st.lists(st.permutations(range(n)), min_size=1, max_size=2)))
def test_free_rows_keep_every_permutation_that_the_matrices_keep(generators):
    """Rows of input and result can be moved by what leaves the matrix between every two of them the same.

    Counted by trying all pairs of permutations; times 2 features and 2 units.
    """
    size = len(generators[0])
    a, x = free_rows((size,), 2)
    layer = GroupEquivariantDense(2, generators)
    model = dense_head(a, layers.Flatten()(layer(x)))
    orders = [list(p) for p in itertools.permutations(range(size))]
    kinds = layer.pair_orbits
    free = sum(np.array_equal(kinds[np.ix_(p, q)], kinds) for p in orders for q in orders)
    assert_sound(model, order=free * f(2) * f(2), samples=3)
