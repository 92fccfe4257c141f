"""Weights as vectors and tokens: the order by hand, whatever order the edges are stored in."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from parameter_graphs import merge, padding, relabelled, small_cnn

import gmn_tf
from gmn_tf.graph import schema
from gmn_tf.layers.edge_order import lexicographic, running_sum
from gmn_tf.layers.weight_lists import weight_tokens, weight_vectors
from gmn_tf.training.structure import Structure

tf = pytest.importorskip("tensorflow")


def network(*layers, shape):
    """A model with random weights, its arrays, and its graph tensors by number of channels."""
    model = keras.Sequential([keras.Input(shape), *layers])
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
    graph = gmn_tf.ParameterGraph.from_keras(model)
    flat = np.concatenate([array.ravel() for array in arrays])
    return arrays, [Structure.of(graph, channels=c).graph_tensor(flat) for c in (1, 9)]


def values(graph):
    return graph.edge_sets[schema.EDGE_SET][schema.VALUE]


def filters_first(kernel):
    """Filter by filter, input by input, taps side by side."""
    return kernel.transpose(*reversed(range(kernel.ndim - 2, kernel.ndim)), *range(kernel.ndim - 2)).ravel()


@pytest.mark.parametrize("bundled", [0, 1])
def test_a_vector_lists_variable_after_variable(bundled):
    layers = keras.layers
    arrays, graphs = network(
        layers.Conv2D(3, (2, 3)),
        layers.BatchNormalization(),
        layers.Conv2D(4, 2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
        shape=(5, 5, 2),
    )
    ordered = [filters_first(a) if a.ndim > 1 else a for a in arrays]
    expected = np.concatenate(ordered)  # kernel, bias, scale, shift, mean, variance, kernel, bias, ...
    found = weight_vectors(graphs[bundled], values(graphs[bundled]), length=len(expected) + 5)
    np.testing.assert_array_equal(found.values[0], np.pad(expected, (0, 5)))
    np.testing.assert_array_equal(found.there[0], [1] * len(expected) + [0] * 5)
    assert found.count.numpy().tolist() == [len(expected)]
    cut = weight_vectors(graphs[bundled], values(graphs[bundled]), length=7)
    np.testing.assert_array_equal(cut.values[0], expected[:7])


@pytest.mark.parametrize("bundled", [0, 1])
def test_positions_of_a_flattened_map_lie_side_by_side(bundled):
    layers = keras.layers
    arrays, graphs = network(layers.Conv2D(2, 2), layers.Flatten(), layers.Dense(3), shape=(3, 3, 1))
    kernel = arrays[2].reshape(4, 2, 3).transpose(2, 1, 0)  # [out, channel, position]
    expected = np.concatenate([filters_first(arrays[0]), arrays[1], kernel.ravel(), arrays[3]])
    found = weight_vectors(graphs[bundled], values(graphs[bundled]), length=len(expected))
    np.testing.assert_array_equal(found.values[0], expected)


def test_bundles_at_the_border_have_no_weights_beyond_it():
    """A map of 4 x 4 positions lies in four bundles, of 9, 3, 3 and 1 of them."""
    arrays, graphs = network(keras.layers.Flatten(), keras.layers.Dense(3), shape=(4, 4, 2))
    single, bundled = (weight_vectors(graph, values(graph), length=150) for graph in graphs)
    assert single.count.numpy().tolist() == bundled.count.numpy().tolist() == [99]
    tiles = [
        [(r, c) for r in rows for c in columns] for rows in ((0, 1, 2), (3,)) for columns in ((0, 1, 2), (3,))
    ]
    order = [4 * r + c for tile in tiles for r, c in tile]
    kernel = arrays[0].reshape(16, 2, 3).transpose(2, 1, 0)
    np.testing.assert_array_equal(single.values[0, :96], kernel.ravel())
    np.testing.assert_array_equal(bundled.values[0, :96], kernel[:, :, order].ravel())


def test_values_in_the_place_of_the_weights_are_laid_out_alike():
    """A weight of 0 is a weight, and what stands in the graph's place is not looked at."""
    arrays, (graph, _) = network(keras.layers.Dense(2), shape=(2,))
    changed = tf.where(values(graph) == arrays[0][0, 0], 0.0, values(graph) + 1.0)
    found = weight_vectors(graph, changed, length=6).values[0].numpy()
    np.testing.assert_allclose(found[0], 0.0)
    np.testing.assert_allclose(found[1:], np.concatenate([arrays[0].T.ravel(), arrays[1]])[1:] + 1.0)


def test_parameterless_edges_are_no_weights():
    x = keras.Input((3,))
    h = keras.layers.Dense(3)(x)
    model = keras.Model(x, keras.layers.Activation("relu")(keras.layers.Add()([x, h])))
    graph = gmn_tf.ParameterGraph.from_keras(model)
    assert graph.num_edges > graph.num_parameters
    tensor = graph.to_graph_tensor(graph.values(model))
    assert weight_vectors(tensor, values(tensor), length=20).count.numpy().tolist() == [12]
    assert weight_tokens(tensor, values(tensor), num_tokens=9, token_size=2).count.numpy().tolist() == [6]


@pytest.mark.parametrize("bundled", [0, 1])
def test_a_token_holds_what_enters_a_neuron(bundled):
    (kernel, bias, kernel2, bias2), graphs = network(
        keras.layers.Conv1D(2, 2), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1), shape=(4, 1)
    )
    found = weight_tokens(graphs[bundled], values(graphs[bundled]), num_tokens=6, token_size=2)
    # The convolution's neurons have 2 + 1 weights each, the dense one 2 + 1.
    expected = [
        [kernel[0, 0, 0], kernel[1, 0, 0]],
        [bias[0], 0],
        [kernel[0, 0, 1], kernel[1, 0, 1]],
        [bias[1], 0],
        [kernel2[0, 0], kernel2[1, 0]],
        [bias2[0], 0],
    ]
    np.testing.assert_allclose(found.values[0], expected)
    assert found.there.numpy().tolist() == [[1] * 6]
    assert found.neuron.numpy().tolist() == [[0, 0, 1, 1, 0, 0]]
    layer = found.layer.numpy()[0]
    assert layer[0] == layer[3] < layer[4] == layer[5]
    assert found.count.numpy().tolist() == [6]
    cut = weight_tokens(graphs[bundled], values(graphs[bundled]), num_tokens=3, token_size=2)
    np.testing.assert_allclose(cut.values[0], expected[:3])
    assert cut.count.numpy().tolist() == [6]


def shuffled(columns, seed):
    """The same nodes, the edges stored in another order."""
    nodes, edges, found = columns
    order = np.random.default_rng(seed).permutation(len(found))
    return nodes, {name: column[order] for name, column in edges.items()}, found[order]


def test_components_do_not_touch_each_other_and_order_of_storage_does_not_matter():
    one, two = small_cnn(0), small_cnn(1, channels=(2, 3, 3))
    together = merge(shuffled(one, 1), shuffled(two, 2), padding(3, 40))
    for function, sizes in (
        (weight_vectors, {"length": 400}),
        (weight_tokens, {"num_tokens": 30, "token_size": 7}),
    ):
        found = function(together, values(together), **sizes)
        for component, alone in enumerate((one, two)):
            graph = merge(alone)
            expected = function(graph, values(graph), **sizes)
            for name, column in vars(expected).items():
                if name == "place":  # of each edge, not of each component: below
                    continue
                np.testing.assert_array_equal(getattr(found, name)[component], column[0], err_msg=name)
    vectors = weight_vectors(together, values(together), length=400)
    place = np.asarray(vectors.place)
    kept = place < np.size(vectors.values)
    assert kept.sum() == np.sum(vectors.there)
    np.testing.assert_array_equal(np.ravel(vectors.values)[place[kept]], np.asarray(values(together))[kept])
    moved = merge(relabelled(one, 3)[0])  # other neurons first: another list, so the check above can fail
    assert np.any(weight_vectors(moved, values(moved), length=400).values[0] != found_vector(one))


def found_vector(columns):
    graph = merge(columns)
    return weight_vectors(graph, values(graph), length=400).values[0]


def test_order_and_running_sums():
    keys = [tf.constant([1, 0, 1, 0, 1]), tf.constant([2, 9, 2, 1, 0])]
    assert lexicographic(keys).numpy().tolist() == [3, 1, 4, 0, 2]  # stable: row 0 before row 2
    counts = np.random.default_rng(0).integers(0, 5, 1000)
    np.testing.assert_array_equal(running_sum(tf.constant(counts, tf.int32)), np.cumsum(counts))
