"""Folding gives the paper's own graphs for its families up to what soundness demands: counts by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from reading import edge_counts, node_names

from gmn_tf import ParameterGraph
from gmn_tf.graph import schema


def totals(model, **settings):
    graph = ParameterGraph.from_keras(model, **settings)
    return graph.num_nodes, graph.num_edges


def cnn(normalization):
    a = keras.Input((6, 6, 1))
    x = layers.ReLU()(normalization(layers.Conv2D(4, 3)(a)))
    return keras.Model(a, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def test_cnn_with_batch_normalization():
    # Nodes: 1 input, 4 channels, 1 bias, 4 of the normalisation, 2 outputs, 1 bias.
    # Edges: 9 * 4 + 4, 4 * 4, 4 * 2 + 2. The activation is a label, the pooling nothing.
    model = cnn(layers.BatchNormalization())
    assert totals(model) == (1 + 4 + 1 + 4 + 2 + 1, 36 + 4 + 16 + 8 + 2)
    # The paper draws gamma and beta, not the running statistics: two nodes and 8 edges fewer.
    assert totals(model, trainable_only=True) == (11, 58)


def test_cnn_with_group_normalization():
    # As the paper's graph (11 nodes, 58 edges), and a node for each of the 2 groups with an edge from each
    # of the 4 channels: without them a channel could be moved to the other group, which changes the function.
    assert totals(cnn(layers.GroupNormalization(2))) == (11 + 2, 58 + 4)


def test_basic_block_of_a_residual_network():
    def block(x, filters, activation=True):
        x = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(x))
        return layers.ReLU()(x) if activation else x

    a = keras.Input((6, 6, 1))
    x = block(a, 2)
    x = layers.ReLU()(layers.Add()([x, block(block(x, 2), 2, activation=False)]))
    model = keras.Model(a, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    # The paper's graph: 1 + 2 + 2 + 2 channels, gamma and beta of 3 normalisations, 3 + 1 nodes; 18 + 36 + 36
    # taps, 3 * 2 * 2 gammas and betas, 2 residual edges into the last convolution's channels, 6 + 3.
    assert totals(model, trainable_only=True) == (7 + 6 + 4, 90 + 12 + 2 + 9)
    # And the running statistics: 3 * 2 nodes, 3 * 2 * 2 edges.
    assert totals(model) == (17 + 6, 113 + 12)
    graph = ParameterGraph.from_keras(model)
    # Inputs, 3 times convolution and normalisation, the residual edges, the head: activations have no number.
    assert graph.num_layers == 1 + 3 * 2 + 1 + 1
    assert edge_counts(graph)["residual"] == 2
    relu = np.flatnonzero(graph.nodes["activation"] == schema.Activation.RELU)
    assert [node_names(graph)[i] for i in relu] == [f"channel{k}.{i}" for k in (1, 3, 5) for i in range(2)]


def test_block_of_a_vision_transformer():
    a = keras.Input((5, 3))
    x = layers.Dense(4)(a)
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 2)(y, y)])
    y = layers.LayerNormalization()(x)
    y = layers.Dense(4)(layers.Dense(6, activation="gelu")(y))
    x = layers.Add()([x, y])
    model = keras.Model(a, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    # Nodes: input 3, Dense 4 + 1. The stream is read by the normalisation and by the sum, so the
    # normalisation has 4 nodes of its own, + 2. Attention: 3 * (4 + 1), 4 pairs and 2 heads, 4 weighted sums,
    # 4 + 1. The sum folds into these. Normalisation 4 + 2, Dense 6 + 1 and 4 + 1, sum folded, Dense 2 + 1.
    nodes = 3 + 5 + 6 + (15 + 6 + 4 + 5) + 6 + 7 + 5 + 3
    # Edges, the parameterless ones in brackets: 12 + 4; [4] + 8; 3 * (16 + 4), [8] into the pairs, [4] into
    # the heads, [4 + 4] into the weighted sums, 16 + 4; [4] residual; [4] + 8; 24 + 6; 24 + 4; [4]; 8 + 2.
    edges_ = 16 + 12 + (60 + 8 + 4 + 8 + 20) + 4 + 12 + 30 + 28 + 4 + 10
    assert totals(model) == (nodes, edges_) == (65, 216)
    # The paper joins query and key dimensions straight to the output projection, which cannot tell the heads
    # apart: what the pair and head nodes (6, with 8 + 4 + 4 edges) are for.
    graph = ParameterGraph.from_keras(model)
    assert graph.num_parameters == model.count_params() == 216 - (4 + 8 + 4 + 8 + 4 + 4 + 4)


@pytest.mark.parametrize("pre", [True, False])
def test_a_step_out_of_order_gets_nodes_of_its_own(pre):
    """Normalisation, then activation, folds; activation, then normalisation, needs a second set of nodes."""
    steps = [layers.BatchNormalization(), layers.ReLU()]
    ordered = steps if pre else steps[::-1]
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3), *ordered, layers.Dense(1)])
    graph = ParameterGraph.from_keras(model)
    assert edge_counts(graph).get("identity", 0) == (0 if pre else 3)
