"""One contract for every layer and for the model: configuration, weights, SavedModel, gradients, XLA."""

from __future__ import annotations

import inspect
import json
import pkgutil
from functools import partial

import numpy as np
import pytest
from parameter_graphs import merge, padding, small_cnn, small_mlp

import gmn_tf

tf = pytest.importorskip("tensorflow")
import tensorflow_gnn as tfgnn  # noqa: E402

import gmn_tf.layers  # noqa: E402
from gmn_tf.graph import schema  # noqa: E402
from gmn_tf.graph.tensor import assemble  # noqa: E402
from gmn_tf.layers.convolution import EdgeConditionedConvolution  # noqa: E402
from gmn_tf.layers.edge_attention import EdgeAttention  # noqa: E402
from gmn_tf.layers.edge_encoder import EdgeEncoder  # noqa: E402
from gmn_tf.layers.edge_stream import EdgeStream  # noqa: E402
from gmn_tf.layers.edge_update import EdgeUpdate  # noqa: E402
from gmn_tf.layers.feed_forward import FeedForward  # noqa: E402
from gmn_tf.layers.group_encoder import GroupEncoder  # noqa: E402
from gmn_tf.layers.groups import GROUP, edge_groups  # noqa: E402
from gmn_tf.layers.label_normalizer import LabelNormalizer  # noqa: E402
from gmn_tf.layers.names import UPDATE  # noqa: E402
from gmn_tf.layers.node_encoder import NodeEncoder  # noqa: E402
from gmn_tf.layers.np_linear import NPLinear, PlaceDense  # noqa: E402
from gmn_tf.layers.pair_state import PairState  # noqa: E402
from gmn_tf.layers.plain_chain import plain_chain  # noqa: E402
from gmn_tf.layers.probes import ProbeFeatures  # noqa: E402
from gmn_tf.layers.readout import GroupReadout  # noqa: E402
from gmn_tf.layers.residual_state import ResidualState  # noqa: E402
from gmn_tf.layers.topology import topology  # noqa: E402
from gmn_tf.models.block import MetanetworkBlock  # noqa: E402
from gmn_tf.models.dmc import DeepMetaClassifier  # noqa: E402
from gmn_tf.models.graph_metanetwork import GraphMetanetwork  # noqa: E402
from gmn_tf.models.neural_functional import NeuralFunctional  # noqa: E402
from gmn_tf.models.transformer_block import TransformerBlock  # noqa: E402
from gmn_tf.models.weight_transformer import WeightTransformer  # noqa: E402

GRAPH = merge(small_cnn(0, channels=(1, 3, 2)), small_cnn(1, channels=(2, 2)), padding(2, 5))
VALUES = GRAPH.edge_sets[schema.EDGE_SET][schema.VALUE].numpy()
DIM = 4


def groups(graph):
    return edge_groups(graph, max_layers=8, max_groups=8)


def labels(graph):
    return tf.one_hot(groups(graph).type, DIM) + groups(graph).depth[:, tf.newaxis]


def with_states(graph):
    """Hidden states that depend on the values, so that gradients have a way back."""
    values = graph.edge_sets[schema.EDGE_SET][schema.VALUE]
    states = values * tf.range(1.0, 1.0 + DIM)
    nodes = tfgnn.pool_edges_to_node(graph, schema.EDGE_SET, tfgnn.TARGET, "sum", feature_value=states)
    return graph.replace_features(
        node_sets={schema.NODE_SET: {tfgnn.HIDDEN_STATE: nodes}},
        edge_sets={schema.EDGE_SET: {tfgnn.HIDDEN_STATE: states, UPDATE: tf.sin(states)}},
        context={tfgnn.HIDDEN_STATE: tf.ones([3, DIM])},
    )


def convolve(layer, graph):
    return layer(with_states(graph), edge_set_name=schema.EDGE_SET)


def normalize(layer, graph):
    edges = graph.edge_sets[schema.EDGE_SET]
    return layer((edges[schema.TYPE], edges[schema.LAYER], edges[schema.VALUE]))


def adapted_normalizer():
    layer = LabelNormalizer(1, max_layers=8)
    count = np.ones((len(schema.EdgeType), 8))
    layer.set_statistics(count, count[..., None] * 0.5, count[..., None] * 4.0)
    return layer


def shape_of(graph, columns=None, chunk_size=0):
    columns = {GROUP: groups(graph).of_edge, **(columns or {})}
    return topology(graph, columns, partial(EdgeStream.of, chunk_size=chunk_size))


def encode_edges(layer, graph, chunk_size=0):
    shape = shape_of(graph, layer.columns(graph), chunk_size)
    values = graph.edge_sets[schema.EDGE_SET][schema.VALUE]
    return shape.stream.unpad(layer((shape.stream, labels(graph), values)))


def update_edges(layer, graph):
    shape, state = shape_of(graph), with_states(graph)
    nodes = state.node_sets[schema.NODE_SET][tfgnn.HIDDEN_STATE]
    tables = layer((nodes, state.context[tfgnn.HIDDEN_STATE]))
    edges = state.edge_sets[schema.EDGE_SET][tfgnn.HIDDEN_STATE]
    hidden = tf.nn.silu(layer.sum(shape.stream.columns, edges, tables, lambda name, x: x))
    return tf.matmul(hidden, tables["output"]) + tables["bias"]


def pair(layer, graph):
    shape, state = shape_of(graph), with_states(graph)
    nodes = state.node_sets[schema.NODE_SET][tfgnn.HIDDEN_STATE]
    tables = layer((nodes, state.context[tfgnn.HIDDEN_STATE]))
    edges = state.edge_sets[schema.EDGE_SET][tfgnn.HIDDEN_STATE]
    return layer.hidden(shape.stream.columns, edges, tables, lambda name, x: x)


def attend(layer, graph):
    shape, state = shape_of(graph), with_states(graph)
    tables = layer(state.node_sets[schema.NODE_SET][tfgnn.HIDDEN_STATE])
    products = tf.matmul(state.edge_sets[schema.EDGE_SET][UPDATE], tables["kernel"])
    sums = layer.sums(shape.stream.columns, products, tables, shape.num_nodes)
    return layer.finish(sums, shape)


def run_block(layer, graph, chunk_size=0):
    shape, state = shape_of(graph, chunk_size=chunk_size), with_states(graph)
    nodes = state.node_sets[schema.NODE_SET][tfgnn.HIDDEN_STATE]
    edges = shape.stream.pad(state.edge_sets[schema.EDGE_SET][tfgnn.HIDDEN_STATE])
    context = state.context[tfgnn.HIDDEN_STATE] if layer.settings.global_dim else None
    nodes, edges, context = layer(((nodes, edges, context), shape))
    parts = [nodes, shape.stream.unpad(edges)] + ([] if context is None else [context])
    return tf.concat(parts, axis=0)


def next_state(layer, graph):
    states = with_states(graph).node_sets[schema.NODE_SET][tfgnn.HIDDEN_STATE]
    return layer((states, {schema.EDGE_SET: tf.cos(states)}, {}))


def read_out(layer, graph):
    shape, state = shape_of(graph), with_states(graph)
    nodes = state.node_sets[schema.NODE_SET][tfgnn.HIDDEN_STATE]
    edges = state.edge_sets[schema.EDGE_SET][tfgnn.HIDDEN_STATE]
    return layer((nodes, edges, shape, groups(graph), labels(graph), labels(graph)))


def chain_of(graph):
    values = graph.edge_sets[schema.EDGE_SET][schema.VALUE]
    return plain_chain(graph, values, num_places=3, num_taps=4)


def by_place(layer, graph):
    chain = chain_of(graph)
    return layer((chain.taps, chain.pair_place))


def np_linear(layer, graph):
    chain = chain_of(graph)
    return tf.concat(layer((chain.taps, chain.vectors[:, :4], chain)), axis=0)


def probe(layer, graph):
    """The values' first ones as the weights of an MLP."""
    nodes, edges, weights = small_mlp(0, widths=(2, 3, 2), activation=schema.Activation.TANH)
    mlp = assemble(nodes, edges, graph.edge_sets[schema.EDGE_SET][schema.VALUE][: len(weights)])
    shape = topology(mlp, {}, EdgeStream.of)
    return layer((mlp, shape, mlp.edge_sets[schema.EDGE_SET][schema.VALUE]))


def convolution(tag, reduce_type, receiver=None):
    return lambda: EdgeConditionedConvolution(
        DIM, message_dim=6, receiver_tag=tag, reduce_type=reduce_type, num_heads=3, receiver_feature=receiver
    )


def block(**more):
    return lambda: MetanetworkBlock(node_dim=DIM, edge_dim=DIM, message_dim=6, **more)


def transformer(**more):
    return lambda: TransformerBlock(node_dim=DIM, edge_dim=DIM, message_dim=6, num_heads=3, **more)


ALL = {"reduce_type": "mean|fan_in|max|attention", "num_heads": 3, "global_dim": DIM, "dropout_rate": 0.1}
CASES = {
    "LabelNormalizer": (adapted_normalizer, normalize),
    "NodeEncoder": (lambda: NodeEncoder(DIM), lambda layer, graph: layer(graph)),
    "GroupEncoder": (lambda: GroupEncoder(DIM), lambda layer, graph: layer(groups(graph))),
    "EdgeEncoder": (lambda: EdgeEncoder(DIM), encode_edges),
    "EdgeEncoder-sines": (lambda: EdgeEncoder(DIM, num_frequencies=3, position_buckets=6), encode_edges),
    "EdgeConditionedConvolution": (convolution(tfgnn.TARGET, "mean"), convolve),
    "EdgeConditionedConvolution-all": (
        convolution(tfgnn.SOURCE, "sum|fan_in|max|mean|attention", tfgnn.HIDDEN_STATE),
        convolve,
    ),
    "EdgeUpdate": (lambda: EdgeUpdate(DIM), update_edges),
    "MetanetworkBlock": (block(), run_block),
    "MetanetworkBlock-all": (block(**ALL), run_block),
    "MetanetworkBlock-chunks": (block(**ALL), partial(run_block, chunk_size=16)),
    "EdgeEncoder-chunks": (lambda: EdgeEncoder(DIM), partial(encode_edges, chunk_size=16)),
    "PairState": (lambda: PairState(DIM), pair),
    "EdgeAttention": (
        lambda: EdgeAttention(6, edge_dim=DIM, receiver_tag=tfgnn.SOURCE, num_heads=3),
        attend,
    ),
    "FeedForward": (
        lambda: FeedForward(DIM, use_layer_normalization=False, dropout_rate=0.1),
        lambda layer, graph: layer(with_states(graph).edge_sets[schema.EDGE_SET][tfgnn.HIDDEN_STATE]),
    ),
    "TransformerBlock": (transformer(directions="forward", use_layer_normalization=False), run_block),
    "TransformerBlock-all": (transformer(global_dim=DIM, dropout_rate=0.1), run_block),
    "TransformerBlock-chunks": (
        transformer(global_dim=DIM, dropout_rate=0.1),
        partial(run_block, chunk_size=16),
    ),
    "ProbeFeatures": (lambda: ProbeFeatures(DIM, num_inputs=4, sine_frequency=3.0), probe),
    "ResidualState": (lambda: ResidualState(DIM, use_layer_normalization=False), next_state),
    "GroupReadout": (
        lambda: GroupReadout(2, hidden_dim=6, num_heads=2, group_dropout_rate=0.2),
        read_out,
    ),
    "GroupReadout-outputs": (lambda: GroupReadout(2, hidden_dim=6, num_heads=2, outputs=True), read_out),
    "PlaceDense": (lambda: PlaceDense(DIM, num_places=3, use_bias=True, terms=2), by_place),
    "NPLinear": (lambda: NPLinear(DIM, num_places=3, reduce_type="sum"), np_linear),
    "DeepMetaClassifier": (
        lambda: DeepMetaClassifier(2, length=100, final_length=10, max_filters=16),
        lambda layer, graph: layer(graph),
    ),
    "WeightTransformer": (
        lambda: WeightTransformer(2, max_tokens=12, token_size=10, token_dim=8, max_neurons=4, num_heads=2),
        lambda layer, graph: layer(graph),
    ),
    "NeuralFunctional": (
        lambda: NeuralFunctional(2, num_places=3, width=DIM, max_taps=9),
        lambda layer, graph: layer(graph),
    ),
    "GraphMetanetwork": (
        lambda: GraphMetanetwork(num_blocks=1, node_dim=5, edge_dim=6, message_dim=7, global_dim=3),
        lambda layer, graph: layer(graph),
    ),
    "GraphMetanetwork-members": (
        lambda: GraphMetanetwork(2, num_blocks=1, node_dim=5, edge_dim=6, message_dim=7, readout_members=3),
        lambda layer, graph: layer(graph),
    ),
    "GraphMetanetwork-symmetry": (
        lambda: GraphMetanetwork(num_blocks=1, node_dim=5, edge_dim=6, message_dim=7, symmetry="scale"),
        lambda layer, graph: layer(graph),
    ),
    "GraphMetanetwork-edge": (
        lambda: GraphMetanetwork(
            2, output="edge", num_blocks=2, initial_step=0.1, directions="forward", reduce_type="fan_in"
        ),
        lambda layer, graph: layer(graph),
    ),
}


def at(values):
    return GRAPH.replace_features(
        edge_sets={
            schema.EDGE_SET: {**GRAPH.edge_sets[schema.EDGE_SET].get_features_dict(), schema.VALUE: values}
        }
    )


def test_every_layer_is_under_contract():
    classes = set()
    for module in pkgutil.iter_modules(gmn_tf.layers.__path__, "gmn_tf.layers."):
        members = inspect.getmembers(__import__(module.name, fromlist=["_"]), inspect.isclass)
        classes |= {n for n, c in members if c.__module__ == module.name and issubclass(c, tf.Module)}
    assert classes <= {name.split("-")[0] for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_contract(name, tmp_path):
    make, apply = CASES[name]
    tf.keras.utils.set_random_seed(1)
    layer = make()
    expected = apply(layer, at(VALUES)).numpy()
    assert np.isfinite(expected).all()
    assert expected.dtype == np.float32

    # Configuration: only JSON, and it makes the same layer.
    config = json.loads(json.dumps(layer.get_config()))
    twin = type(layer).from_config(dict(config))
    assert twin.get_config() == layer.get_config()
    registered = tf.keras.utils.get_registered_name(type(layer))
    assert registered == f"gmn_tf>{type(layer).__name__}"
    apply(twin, at(VALUES))
    assert [w.shape for w in twin.weights] == [w.shape for w in layer.weights]

    # Weights, through a checkpoint.
    path = tf.train.Checkpoint(layer=layer).write(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(layer=twin).read(path).assert_consumed()
    np.testing.assert_array_equal(apply(twin, at(VALUES)), expected)

    # Gradients with respect to the weights and the values.
    values = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(tf.square(apply(layer, at(values))))
    weights = layer.trainable_weights
    gradients = tape.gradient(loss, [values, *weights])
    for variable, gradient in zip(["values", *(w.name for w in weights)], gradients, strict=True):
        if gradient is not None:
            assert np.isfinite(tf.convert_to_tensor(gradient)).all(), variable
    if name != "NodeEncoder" and name != "GroupEncoder":  # labels alone
        assert np.abs(tf.convert_to_tensor(gradients[0])).max() > 0

    # XLA, and a SavedModel reloaded.
    function = tf.function(
        lambda values: apply(layer, at(values)), input_signature=[tf.TensorSpec(VALUES.shape)]
    )
    compiled = tf.function(function.python_function, jit_compile=True, reduce_retracing=True)
    np.testing.assert_allclose(compiled(tf.constant(VALUES)), expected, rtol=2e-4, atol=2e-5)
    module = tf.Module()
    module.weights, module.function = layer.weights, function
    tf.saved_model.save(module, str(tmp_path / "saved"))
    reloaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(reloaded.function(tf.constant(VALUES)), expected, rtol=1e-5, atol=1e-6)
