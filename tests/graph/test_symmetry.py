"""Automorphisms: BLISS over hubs against a count that knows nothing but the columns of nodes and edges."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict

import keras
import networkx as nx
import numpy as np
import pytest
from small_models import attention, cnn, grouped, mlp, residual, shared

from gmn_tf import ParameterGraph
from gmn_tf.errors import ConversionError
from gmn_tf.graph import symmetry
from gmn_tf.graph.symmetry import Automorphisms, automorphisms, edge_permutation, permute_values
from gmn_tf.graph.twins import Twins

# Orders worked out by hand: 3! hidden neurons, channels, stream, shared results; two groups of 2 channels and
# 2 filters, (2! * 2!)^2 * 2; two heads with 2 query-key dimensions each, 2!^2 * 2, and one value dimension.
ORDERS = {mlp: 6, cnn: 6, residual: 6, shared: 6, grouped: 32, attention: 8}
MODELS = list(ORDERS)
LABELS = ("type", "layer", "index", "activation")


def node_labels(graph):
    return list(zip(*(graph.nodes[name].tolist() for name in LABELS), strict=True))


def labelled_edges(graph):
    """(source, target) to the multiset of labels of the edges between them."""
    e = graph.edges
    found = defaultdict(Counter)
    for i in range(graph.num_edges):
        label = (int(e["type"][i]), int(e["layer"][i]), *e["kernel_position"][i], *e["entry_position"][i])
        found[int(e["source"][i]), int(e["target"][i])][tuple(map(int, label))] += 1
    return found


def plain_graph(graph):
    """The same for networkx: one arc per pair, with the labels of all edges between it."""
    plain = nx.DiGraph()
    for node, label in enumerate(node_labels(graph)):
        plain.add_node(node, label=label)
    for (source, target), labels in labelled_edges(graph).items():
        plain.add_edge(source, target, label=frozenset(labels.items()))
    return plain


def is_automorphism(graph, permutation):
    labels, edges = node_labels(graph), labelled_edges(graph)
    if sorted(permutation.tolist()) != list(range(graph.num_nodes)):
        return False
    if any(labels[i] != labels[p] for i, p in enumerate(permutation)):
        return False
    moved = {(int(permutation[s]), int(permutation[t])): labels for (s, t), labels in edges.items()}
    return moved == dict(edges)


@pytest.mark.parametrize("build", MODELS)
def test_the_order_is_that_of_a_count_by_hand_and_of_an_independent_search(build):
    graph = ParameterGraph.from_keras(build())
    plain = plain_graph(graph)
    same = nx.algorithms.isomorphism.categorical_node_match("label", None)
    equal = nx.algorithms.isomorphism.categorical_edge_match("label", None)
    matcher = nx.algorithms.isomorphism.DiGraphMatcher(plain, plain, node_match=same, edge_match=equal)
    counted = sum(1 for _ in matcher.isomorphisms_iter())
    assert automorphisms(graph).order == counted == ORDERS[build]


@pytest.mark.parametrize("build", MODELS)
def test_generators_and_their_products_are_automorphisms(build):
    graph = ParameterGraph.from_keras(build())
    group = automorphisms(graph)
    rng = np.random.default_rng(0)
    permutations = [*group.generators, *(group.sample(rng) for _ in range(5))]
    assert permutations and all(is_automorphism(graph, p) for p in permutations)
    reached = {np.arange(graph.num_nodes).tobytes()}
    waiting = list(reached)
    while waiting:  # the group that the generators make has the order that was counted
        current = np.frombuffer(waiting.pop(), np.int64)
        for generator in group.generators:
            image = generator[current].tobytes()
            if image not in reached:
                reached.add(image)
                waiting.append(image)
    assert len(reached) == group.order


@pytest.mark.parametrize("build", MODELS)
def test_edges_move_with_their_nodes_and_keep_their_labels(build):
    graph = ParameterGraph.from_keras(build())
    e = graph.edges
    for permutation in automorphisms(graph).generators:
        to = edge_permutation(graph, permutation)
        assert sorted(to.tolist()) == list(range(graph.num_edges))
        np.testing.assert_array_equal(e["source"][to], permutation[e["source"]])
        np.testing.assert_array_equal(e["target"][to], permutation[e["target"]])
        for name in ("type", "layer", "kernel_position", "entry_position"):
            np.testing.assert_array_equal(e[name][to], e[name])


def test_values_move_with_their_edges_also_many_at_once():
    graph = ParameterGraph.from_keras(mlp())
    permutation = automorphisms(graph).generators[0]
    values = np.random.default_rng(0).normal(size=(4, graph.num_edges)).astype(np.float32)
    moved = permute_values(graph, values, permutation)
    to = edge_permutation(graph, permutation)
    np.testing.assert_array_equal(moved[:, to], values)
    back = permute_values(graph, moved, np.argsort(permutation))
    np.testing.assert_array_equal(back, values)
    assert not np.array_equal(moved, values)


@pytest.mark.parametrize("pair", [(0, 2), (2, 5)], ids=["input and hidden", "hidden and bias"])
def test_a_permutation_that_is_no_automorphism_is_refused(pair):
    graph = ParameterGraph.from_keras(mlp())
    permutation = np.arange(graph.num_nodes)
    permutation[list(pair)] = permutation[list(pair[::-1])]
    assert not is_automorphism(graph, permutation)
    with pytest.raises(ConversionError, match="no automorphism of the graph"):
        edge_permutation(graph, permutation)


def test_the_identity_moves_nothing():
    graph = ParameterGraph.from_keras(cnn())
    identity = np.arange(graph.num_nodes)
    assert edge_permutation(graph, identity).tolist() == list(range(graph.num_edges))


def test_a_group_of_one_has_nothing_to_sample():
    with pytest.raises(ConversionError, match="no automorphism but the identity"):
        Automorphisms(generators=[], order=1).sample(np.random.default_rng(0))
    assert automorphisms(ParameterGraph.from_keras(mlp(1))).order == 1


def test_positions_stop_permutations():
    """By hand: the 4 places of the vector are fixed, the 3 channels free; without positions 4! more."""
    a = keras.Input((3,))
    x = keras.layers.Reshape((4, 1))(keras.layers.Dense(4)(a))
    x = keras.layers.GlobalMaxPooling1D()(keras.layers.Conv1D(3, 2)(x))
    graph = ParameterGraph.from_keras(keras.Model(a, keras.layers.Dense(2)(x)))
    assert automorphisms(graph).order == 6
    graph.blocks = tuple(dataclasses.replace(b, entry_position=None) for b in graph.blocks)
    assert automorphisms(graph).order == 6 * 24


@pytest.mark.parametrize("build", MODELS)
def test_the_group_is_the_same_without_factoring_twins_out(build, monkeypatch):
    graph = ParameterGraph.from_keras(build())
    factored = automorphisms(graph)
    whole = Twins(classes=[], class_size=np.ones(graph.num_nodes, int), kept=np.ones(graph.num_nodes, bool))
    monkeypatch.setattr(symmetry, "find_twins", lambda colours, hubs: whole)
    searched = automorphisms(graph)
    assert factored.order == searched.order
    assert group_order(factored.generators) == group_order(searched.generators) == factored.order


def test_twins_in_chains_are_found_and_their_partners_move_along():
    # Three channels, each with its own depthwise result: three chains of two nodes; then two channels.
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(3, 3, activation="relu")(inputs)
    x = keras.layers.DepthwiseConv2D(2)(x)
    x = keras.layers.Conv2D(2, 1)(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))
    graph = ParameterGraph.from_keras(model)
    group = automorphisms(graph)
    assert group.order == 6 * 2
    assert sorted(int(np.sum(g != np.arange(g.size))) for g in group.generators) == [2, 4, 6]


def test_a_group_too_large_for_decimal_digits_has_its_order():
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(2048, activation="relu"), keras.layers.Dense(1)]
    )
    group = automorphisms(ParameterGraph.from_keras(model))  # 2048! has 5,895 digits
    assert group.order == math.factorial(2048)


def group_order(generators):
    """By listing every product: for groups of some dozens."""
    first = tuple(range(generators[0].size))
    found, new = {first}, [first]
    while new:
        new = list({tuple(g[list(p)].tolist()) for g in generators for p in new} - found)
        found.update(new)
    return len(found)
