"""What networks say to probes, on their graphs, against what Keras says."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from parameter_graphs import merge, padding, small_cnn  # noqa: E402

from gmn_tf.errors import SchemaError  # noqa: E402
from gmn_tf.graph import schema  # noqa: E402
from gmn_tf.graph.tensor import assemble  # noqa: E402
from gmn_tf.layers.activations import FUNCTIONS, activate  # noqa: E402
from gmn_tf.layers.dense_layers import check_dense_layers  # noqa: E402
from gmn_tf.layers.edge_stream import EdgeStream  # noqa: E402
from gmn_tf.layers.host_stream import HostStream  # noqa: E402
from gmn_tf.layers.probes import ProbeFeatures  # noqa: E402
from gmn_tf.layers.topology import topology  # noqa: E402

layers = keras.layers
NUM_PROBES = 5
MLPS = [
    (3, [("relu", 6), ("relu", 5), (None, 2)]),
    (2, [("tanh", 7), ("tanh", 4), ("tanh", 5), ("tanh", 4), (None, 3)]),
    (4, [("gelu", 5), ("softmax", 3)]),
    (3, [("sigmoid", 4), ("silu", 6), ("elu", 3), ("log_softmax", 4)]),
    (2, [(None, 3)]),
]


def mlp(inputs, dense, seed=0, scale=0.7):
    sizes = [layers.Dense(units, activation=activation) for activation, units in dense]
    model = keras.Sequential([layers.Input((inputs,)), *sizes])
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(scale=scale, size=w.shape) for w in model.get_weights()])
    return model


def columns(model):
    structure = gmn_tf.ParameterGraph.from_keras(model)
    edges = structure.edges
    graph = structure.to_graph_tensor(structure.values(model))
    nodes = {name: column.numpy() for name, column in graph.node_sets[schema.NODE_SET].features.items()}
    labels = {name: column.numpy() for name, column in graph.edge_sets[schema.EDGE_SET].features.items()}
    value = labels.pop(schema.VALUE)[:, 0]
    return nodes, {**labels, **{n: edges[n] for n in (schema.SOURCE, schema.TARGET)}}, value


def probe(layer, graph, chunk_size=0, stream=EdgeStream):
    shape = topology(graph, {}, functools.partial(stream.of, chunk_size=chunk_size))
    return layer((graph, shape, graph.edge_sets[schema.EDGE_SET][schema.VALUE]))


def expected(model, table):
    """Values of all nodes but the biases', by layer: those of the inputs, then of each Dense."""
    value = tf.transpose(tf.convert_to_tensor(table)[: model.input_shape[1]])
    found = [value]
    for layer in model.layers:
        value = layer(value)
        found.append(tf.convert_to_tensor(value))
    return found


def by_layer(found, nodes):
    """[N, K] of one network as a list of [K, units], in the order that nodes are drawn in."""
    units = nodes[schema.TYPE] != schema.NodeType.BIAS
    numbers = np.unique(nodes[schema.LAYER][units])
    return [found[units & (nodes[schema.LAYER] == number)].T for number in numbers]


@pytest.mark.parametrize(("chunk_size", "stream"), [(0, EdgeStream), (16, EdgeStream), (16, HostStream)])
def test_node_values_are_those_of_keras(chunk_size, stream):
    """Five MLPs of different depths and activations in one batch."""
    models = [mlp(*arguments, seed=seed) for seed, arguments in enumerate(MLPS)]
    networks = [columns(model) for model in models]
    layer = ProbeFeatures(NUM_PROBES)
    found = probe(layer, merge(*networks, padding(2, 7)), chunk_size, stream).numpy()
    assert np.isfinite(found).all()
    start = 0
    for model, (nodes, _, _) in zip(models, networks, strict=True):
        size = len(nodes[schema.TYPE])
        own = by_layer(found[start : start + size], nodes)
        start += size
        wanted = expected(model, layer.weights[0])
        assert len(own) == len(wanted)
        for a, b in zip(own, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [None, False, True])
def test_gradients_are_those_of_keras(jit_compile):
    """In the probes and in the weights, of a sum over hidden nodes and outputs."""
    model = mlp(*MLPS[3])
    structure = gmn_tf.ParameterGraph.from_keras(model)
    nodes, edges, values = columns(model)
    layer = ProbeFeatures(NUM_PROBES)
    table = layer.weights[0]
    sizes = [3, 4, 6, 3, 4]
    factors = [tf.cos(tf.reshape(tf.range(float(n * NUM_PROBES)), [NUM_PROBES, n])) for n in sizes]

    with tf.GradientTape() as tape:
        loss = tf.add_n([tf.reduce_sum(f * x) for f, x in zip(factors, expected(model, table), strict=True)])
    variables = [variable.value for variable in model.trainable_variables]
    of_table, *of_variables = tape.gradient(loss, [table, *variables])

    order, weights = np.zeros((len(nodes[schema.TYPE]), NUM_PROBES), np.float32), tf.constant(values)
    units = nodes[schema.TYPE] != schema.NodeType.BIAS
    for number, factor in zip(np.unique(nodes[schema.LAYER][units]), factors, strict=True):
        order[units & (nodes[schema.LAYER] == number)] = factor.numpy().T

    def gradients(weights):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            graph = assemble(nodes, edges, weights)
            loss = tf.reduce_sum(order * probe(layer, graph, 16))
        return [tf.convert_to_tensor(x) for x in tape.gradient(loss, [layer.weights[0], weights])]

    if jit_compile is not None:
        gradients = tf.function(gradients, jit_compile=jit_compile)
    in_table, in_weights = gradients(weights)
    np.testing.assert_allclose(in_table, tf.convert_to_tensor(of_table), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        in_weights, structure.values([g.numpy() for g in of_variables]).reshape(-1), rtol=1e-4, atol=1e-5
    )


def test_sines_of_a_siren_take_their_frequency():
    x = layers.Input((2,))
    hidden = keras.ops.sin(30.0 * layers.Dense(6)(x))
    hidden = keras.ops.sin(30.0 * layers.Dense(5)(hidden))
    model = keras.Model(x, layers.Dense(1)(hidden))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(scale=0.05, size=w.shape) for w in model.get_weights()])
    network = columns(model)
    layer = ProbeFeatures(NUM_PROBES, sine_frequency=30.0)
    found = by_layer(probe(layer, merge(network)).numpy(), network[0])[-1]
    answer = keras.ops.convert_to_numpy(model(layer.weights[0].numpy()[:2].T))
    np.testing.assert_allclose(found, answer, rtol=1e-4, atol=1e-5)
    plain = ProbeFeatures(NUM_PROBES, weights=layer.get_weights())
    assert np.abs(by_layer(probe(plain, merge(network)).numpy(), network[0])[-1] - answer).max() > 1e-3


KERAS_NAMES = {
    schema.Activation.SINE: keras.ops.sin,
    schema.Activation.COSINE: keras.ops.cos,
    schema.Activation.ABSOLUTE: keras.ops.abs,
    schema.Activation.SQUARE: keras.ops.square,
}


@pytest.mark.parametrize("label", FUNCTIONS)
def test_every_function_is_keras(label):
    x = np.linspace(-4, 4, 41, dtype=np.float32)[:, None]
    function = KERAS_NAMES.get(label) or keras.activations.get(label.name.lower())
    labels = tf.fill([len(x)], int(label))
    found = activate(tf.constant(x), labels, layer=tf.zeros_like(labels), num_layers=1)
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(function(x)), rtol=1e-5, atol=1e-6)


def test_values_and_slopes_of_a_diverged_network_stay_finite():
    for label in FUNCTIONS:
        sums = tf.constant([[1e12], [-1e12], [0.0], [100.0]])
        labels = tf.fill([4], int(label))
        with tf.GradientTape() as tape:
            tape.watch(sums)
            found = activate(sums, labels, layer=tf.zeros_like(labels), num_layers=1)
        assert np.isfinite(found).all() and np.isfinite(tape.gradient(found, sums)).all(), label


def flat_image():
    return keras.Sequential([layers.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3)])


def normalised():
    return keras.Sequential(
        [layers.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dense(2)]
    )


def residual():
    x = layers.Input((4,))
    hidden = layers.Dense(4)(x)
    return keras.Model(x, layers.Dense(2)(layers.Add()([x, hidden])))


def leaky():
    return keras.Sequential([layers.Input((4,)), layers.Dense(3), layers.LeakyReLU(), layers.Dense(2)])


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (flat_image, r"a parameter graph with nodes of type CHANNEL, expected dense layers alone"),
        (normalised, "edges of type NORM_SCALE, NORM_SHIFT, NORM_MEAN, NORM_VARIANCE"),
        (residual, "edges of type RESIDUAL"),
        (leaky, "the activation LEAKY_RELU"),
    ],
)
def test_other_graphs_are_refused(build, reason):
    graph = merge(columns(mlp(*MLPS[0])), columns(build()))
    with pytest.raises(SchemaError, match=reason):
        check_dense_layers(graph)
    with pytest.raises(SchemaError, match="edges of type CONV"):
        check_dense_layers(merge(small_cnn(0)))


def test_positions_and_cycles_are_refused():
    nodes, edges, values = columns(mlp(*MLPS[0]))
    moved = {**edges, schema.ENTRY_POSITION: edges[schema.ENTRY_POSITION] + 1}
    with pytest.raises(SchemaError, match=r"reads several entries of a node \(entry_position\)"):
        check_dense_layers(merge((nodes, moved, values)))
    turned = {**edges, schema.SOURCE: edges[schema.TARGET], schema.TARGET: edges[schema.SOURCE]}
    with pytest.raises(SchemaError, match="edges that do not lead to a later layer"):
        check_dense_layers(merge((nodes, turned, values)))
    check_dense_layers(merge((nodes, edges, values), padding(3, 9)))
