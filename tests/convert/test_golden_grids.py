"""Feature grids and planes: a graph worked out edge by edge, and the order of the group by hand.

As in `test_golden_models`: n exchangeable nodes give n!, written f(n); inputs and outputs are pinned.
"""

from __future__ import annotations

from math import factorial as f

import keras
import numpy as np
import pytest
from golden import Cases, dense_head, vector
from keras import layers
from reading import edge_counts, edges, node_counts
from soundness import assert_sound

from gmn_tf import ParameterGraph
from gmn_tf.graph import schema
from gmn_tf.keras_layers import FeatureGrid, FeaturePlanes

case = Cases()


def computed(count):
    """An input, and so many free neurons as coordinates."""
    a = vector(2)
    return a, layers.Dense(count, activation="tanh")(a)


# ---- edge by edge ------------------------------------------------------------------------------------


def test_a_line():
    # One coordinate, 3 grid points, 2 features: a location node for each point, with its place as index,
    # an edge for each of 3 * 2 weights, and one from the coordinate to each feature.
    a = keras.Input((1,))
    graph = ParameterGraph.from_keras(keras.Model(a, FeatureGrid(2, 3, name="g")(a)))
    assert node_counts(graph) == {"neuron0": 1, "location1": 3, "channel1": 2}
    weights = {f"location1.{r} -> channel1.{c} location g/grid[{r}, {c}]" for r in range(3) for c in range(2)}
    assert edges(graph) == weights | {f"neuron0.0 -> channel1.{c} operand k(0,)" for c in range(2)}
    locations = graph.nodes["type"] == schema.NodeType.LOCATION
    assert graph.nodes["index"][locations].tolist() == [0, 1, 2]


def test_planes_that_are_summed():
    # Coordinate 1 alone in a line of 2 points, 0 and 2 in a plane of 2 x 2; one feature: 2 + 4 weights, and
    # an edge from each of 3 coordinates.
    a = keras.Input((3,))
    graph = ParameterGraph.from_keras(keras.Model(a, FeaturePlanes(1, 2, planes=[[1], [0, 2]], name="p")(a)))
    assert node_counts(graph) == {"neuron0": 3, "location1": 6, "channel1": 1}
    assert edges(graph) == {
        *(f"location1.{i} -> channel1.0 location p/plane_1[{i}, 0]" for i in range(2)),
        *(
            f"location1.{2 + 2 * i + j} -> channel1.0 location p/plane_0_2[{i}, {j}, 0]"
            for i in range(2)
            for j in range(2)
        ),
        *(f"neuron0.{a} -> channel1.0 operand k({a},)" for a in range(3)),
    }


def test_planes_that_are_multiplied():
    # Two lines: a channel for each, and one for their product.
    a = keras.Input((2,))
    layer = FeaturePlanes(1, 2, planes=[[0], [1]], combination="multiply", name="p")
    graph = ParameterGraph.from_keras(keras.Model(a, layer(a)))
    assert node_counts(graph) == {"neuron0": 2, "location1": 4, "channel1": 2, "channel2": 1}
    assert edges(graph) == {
        *(
            f"location1.{2 * p + i} -> channel1.{p} location p/plane_{p}[{i}, 0]"
            for p in range(2)
            for i in range(2)
        ),
        *(f"neuron0.{p} -> channel1.{p} operand k({p},)" for p in range(2)),
        *(f"channel1.{p} -> channel2.0 multiply" for p in range(2)),
    }


def test_coordinates_that_the_network_computes():
    # Two free neurons as coordinates of a square of 2 x 2: locations have no index; that location (i, j) is
    # the i-th along the first coordinate and the j-th along the second say edges from these two.
    a = vector(1)
    h = layers.Dense(2, use_bias=False, name="d")(a)
    y = layers.Dense(1, use_bias=False, name="e")(FeatureGrid(1, 2, name="g")(h))
    graph = ParameterGraph.from_keras(keras.Model(a, y))
    places = [(i, j) for i in range(2) for j in range(2)]
    assert edges(graph) == {
        *(f"neuron0.0 -> neuron1.{c} linear d/kernel[0, {c}]" for c in range(2)),
        *(f"location2.{2 * i + j} -> channel2.0 location g/grid[{i}, {j}, 0]" for i, j in places),
        *(f"neuron1.0 -> location2.{2 * i + j} operand k({i},)" for i, j in places),
        *(f"neuron1.1 -> location2.{2 * i + j} operand k({j},)" for i, j in places),
        "channel2.0 -> neuron3.0 linear e/kernel[0, 0]",
    }
    assert set(graph.nodes["index"][graph.nodes["type"] == schema.NodeType.LOCATION]) == {schema.NO_INDEX}


def test_the_triplane_network_of_the_paper():
    # Nodes: 3 coordinates, 3 * 4 * 4 locations, 8 features, 16 neurons and a bias, an output and a bias.
    # Edges: 48 * 8 weights of the planes, 8 * 16 + 16, 16 + 1; and 3 * 8 from the coordinates.
    model = triplane_network()
    graph = ParameterGraph.from_keras(model)
    assert graph.num_nodes == 3 + 48 + 8 + 17 + 2
    assert graph.num_parameters == 48 * 8 + 144 + 17 == model.count_params()
    assert graph.num_edges == graph.num_parameters + 24
    assert edge_counts(graph) == {"location": 384, "operand": 24, "linear": 128 + 16, "bias": 17}


# ---- the order of the group --------------------------------------------------------------------------


# Coordinates -> triplane -> MLP: 8 features and 16 hidden neurons are free.
@case(f(8) * f(16))
def triplane_network():
    a = keras.Input((3,))
    x = layers.Dense(16, activation="relu")(FeaturePlanes(8, 4)(a))
    return keras.Model(a, layers.Dense(1)(x))


# Feature c of every plane meets feature c of the others: all planes move at once.
@case(f(4))
def planes_multiplied():
    a = keras.Input((3,))
    return dense_head(a, FeaturePlanes(4, 3, combination="multiply")(a))


# Each plane's features are its own.
@case(f(2) ** 3)
def planes_after_one_another():
    a = keras.Input((3,))
    return dense_head(a, FeaturePlanes(2, 3, combination="concatenate")(a))


# At many points at once the features are those of one: 5 points, flat, with other weights for each.
@case(f(4))
def many_points():
    a = keras.Input((5, 2))
    return dense_head(a, layers.Flatten()(FeatureGrid(4, [3, 2])(a)))


# Two computed coordinates of a square grid can be exchanged, its axes with them; 3 features.
@case(f(2) * f(3))
def a_square_over_computed_coordinates():
    a, h = computed(2)
    return dense_head(a, FeatureGrid(3, 3)(h))


# Of an oblong grid they cannot.
@case(f(3))
def an_oblong_over_computed_coordinates():
    a, h = computed(2)
    return dense_head(a, FeatureGrid(3, [3, 4])(h))


# All three coordinates can be exchanged, and the planes over them; features alike in all planes.
@case(f(3) * f(2))
def a_triplane_over_computed_coordinates():
    a, h = computed(3)
    return dense_head(a, FeaturePlanes(2, 3)(h))


@case(f(3) * f(2))
def a_product_of_planes_over_computed_coordinates():
    a, h = computed(3)
    return dense_head(a, FeaturePlanes(2, 3, combination="multiply")(h))


# Here each plane has 2 features of its own.
@case(f(3) * f(2) ** 3)
def planes_after_one_another_over_computed_coordinates():
    a, h = computed(3)
    return dense_head(a, FeaturePlanes(2, 3, combination="concatenate")(h))


# Coordinate 0 has a line of its own, 1 and 2 a plane.
@case(f(2) * f(2))
def a_line_and_a_plane_over_computed_coordinates():
    a, h = computed(3)
    return dense_head(a, FeaturePlanes(2, 3, planes=[[0], [1, 2]])(h))


# Three points of 2 free neurons each: points as wholes, coordinates in all of them at once, 2 features.
@case(f(3) * f(2) * f(2))
def free_points():
    a = vector()
    x = layers.Reshape((3, 2))(layers.Dense(6, activation="tanh")(a))
    return dense_head(a, layers.Flatten()(FeatureGrid(2, 3)(x)))


# One neuron as both coordinates: which of them is which is in the entry position.
@case(f(2))
def one_neuron_twice():
    a, h = computed(1)
    return dense_head(a, FeatureGrid(2, 3)(layers.Concatenate()([h, h])))


# One grid read at two points; exchanging coordinates would exchange the neurons of both. 2 features.
@case(f(2) * f(2))
def a_grid_called_twice():
    a = vector(2)
    grid, points = FeatureGrid(2, 3), layers.Dense(2, activation="tanh")
    return dense_head(a, layers.Subtract()([grid(points(a)), grid(points(-a))]))


# A grid over constants: they are pinned, its 2 features are free.
@case(f(2))
def a_coordinate_beside_a_constant():
    a = keras.Input((1,))
    return dense_head(a, FeatureGrid(2, 3)(layers.ZeroPadding1D((0, 1))(a[..., None])[..., 0]))


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)


def test_exchanging_features_by_hand_moves_the_values_alone():
    a = keras.Input((3,))
    model = dense_head(a, FeaturePlanes(3, 2)(a))
    rng = np.random.default_rng(0)
    *planes, head, bias = [rng.normal(size=w.shape) for w in model.get_weights()]
    order, x = [2, 0, 1], rng.uniform(-1, 1, (20, 3))
    graph, outputs, values = ParameterGraph.from_keras(model), [], []
    for weights in ([*planes, head, bias], [*(p[..., order] for p in planes), head[order], bias]):
        model.set_weights(weights)
        outputs.append(np.asarray(model(x)))
        values.append(np.sort(graph.values(model)))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(values[0], values[1])
