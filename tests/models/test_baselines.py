"""What the baselines on graphs share: interface, invariances, padding, XLA, configuration, learning."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, padding, relabelled, small_cnn

tf = pytest.importorskip("tensorflow")

from gmn_tf.errors import NotAPlainChainError, SchemaError  # noqa: E402
from gmn_tf.graph import schema  # noqa: E402
from gmn_tf.graph.tensor import graph_tensor_spec  # noqa: E402
from gmn_tf.models.dmc import DeepMetaClassifier  # noqa: E402
from gmn_tf.models.graph_metanetwork import GraphMetanetwork  # noqa: E402
from gmn_tf.models.neural_functional import NeuralFunctional  # noqa: E402
from gmn_tf.models.weight_transformer import WeightTransformer  # noqa: E402

BASELINES = {
    "dmc": (DeepMetaClassifier, {"length": 512, "max_filters": 16}),
    "weight_transformer": (WeightTransformer, {"max_tokens": 48, "token_size": 16, "token_dim": 16}),
    "nfn": (NeuralFunctional, {"num_places": 4, "max_taps": 9, "width": 8}),
}
TRAINING = [merge(*[small_cnn(10 * i + j, scale=0.2 + 0.1 * j) for j in range(6)]) for i in range(3)]


def make(name, units=2, **more):
    tf.keras.utils.set_random_seed(0)
    kind, settings = BASELINES[name]
    return kind(units, **{**settings, **more})


@pytest.fixture(scope="module", params=BASELINES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    model = make(name)
    model.adapt(TRAINING)
    return model


def assert_close(found, expected, tolerance=1e-5):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def assert_far(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert np.abs(found - expected).max() > 1e-3 * np.abs(expected).max()


def shuffled(columns, seed):
    nodes, edges, values = columns
    order = np.random.default_rng(seed).permutation(len(values))
    return nodes, {name: column[order] for name, column in edges.items()}, values[order]


def test_the_order_in_which_edges_are_stored_does_not_matter(model):
    networks = [small_cnn(seed, channels=(1, 6, 5, 3)) for seed in range(3)]
    answers = model(merge(*networks))
    assert answers.shape == (3, 2) and answers.dtype == tf.float32
    for seed in range(2):
        assert_close(model(merge(*[shuffled(n, seed) for n in networks])), answers)
    assert_far(answers[1], answers[0])


def test_reordered_neurons_change_the_answer_of_those_that_are_not_invariant(name, model):
    networks = [small_cnn(seed, channels=(1, 6, 5, 3)) for seed in range(3)]
    answers, moved = model(merge(*networks)), model(merge(*[relabelled(n, 7)[0] for n in networks]))
    if name == "nfn":
        assert_close(moved, answers)
    else:
        assert_far(moved, answers)


def test_graphs_do_not_touch_each_other(model):
    one, two, three = small_cnn(0), small_cnn(1, channels=(2, 6, 3)), small_cnn(2, scale=100.0)
    alone = model(merge(two))
    assert_close(model(merge(one, two, three))[1:2], alone)
    for size in ((3, 40), (1, 0), (0, 0)):
        answers = model(merge(two, padding(*size)))
        assert_close(answers[:1], alone)
        assert np.isfinite(answers).all()


def test_unknown_sizes_give_the_same_answers(model):
    """As predictions are made; fixed sizes under XLA are in tests/layers/test_layer_contract.py."""
    graph = merge(small_cnn(0), small_cnn(1, channels=(2, 6, 3)), padding(5, 60))
    expected = model(graph)[:2]
    open_sizes = tf.function(lambda g: model(g, training=False), input_signature=[graph_tensor_spec(1)])
    assert_close(open_sizes(graph)[:2], expected)


def test_configuration_and_weights_come_back(name, model, tmp_path):
    config = json.loads(json.dumps(model.get_config()))
    twin = type(model).from_config(config)
    assert twin.get_config() == model.get_config()
    path = str(tmp_path / "model.weights.h5")
    model.save_weights(path)
    graph = merge(small_cnn(0))
    assert_far(twin(graph), model(graph))
    twin.load_weights(path)
    np.testing.assert_array_equal(twin(graph), model(graph))
    third = type(model).from_config(config)
    third.set_weights(model.get_weights())  # nothing that adapt learns changes a shape
    np.testing.assert_array_equal(third(graph), model(graph))


def test_adapt_normalises_as_the_metanetwork_does_and_leaves_out_padding(name):
    network, other = small_cnn(0, scale=3.0), small_cnn(1, scale=3.0)
    model, reference = make(name), GraphMetanetwork(num_blocks=1)
    model.adapt([(merge(network, other, padding(2, 50)), np.zeros(3), np.array([1.0, 1.0, 0.0]))])
    reference.adapt([merge(network, other)])
    np.testing.assert_allclose(model._normalizer.mean, reference._normalizer.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model._normalizer.deviation, reference._normalizer.deviation, rtol=1e-5)
    assert model.normalised(merge(network, other)).numpy().std() == pytest.approx(1.0, abs=0.05)
    # Scaled and adapted alike, the answers are the same: what they are taken from is normalised.
    once = model(merge(network))
    nodes, edges, values = network
    model.adapt([merge((nodes, edges, 10 * values), (other[0], other[1], 10 * other[2]))])
    assert_close(model(merge((nodes, edges, 10 * values))), once, 1e-3)


def test_learns_the_scale_of_the_weights(name):
    """The statistic that every method must see: the logarithm of the deviation of the weights."""
    rng = np.random.default_rng(0)

    def batch(size):
        scales = rng.uniform(-1.5, 1.5, size)
        networks = [
            small_cnn(int(rng.integers(1e9)), channels=(1, 4, 3), scale=float(np.exp(s))) for s in scales
        ]
        return merge(*networks, padding(2, 9)), np.append(scales, 0.0).astype(np.float32)[:, None]

    weight = np.append(np.ones(32, np.float32), 0.0)
    data = [(*batch(32), weight) for _ in range(8)]
    held_out, truth = batch(64)
    model = make(name, units=1, dropout_rate=0.0)
    model.adapt(data)
    model.compile(tf.keras.optimizers.Adam(3e-3), "mse")
    signature = tf.type_spec_from_value(data[0][0]), tf.TensorSpec([33, 1]), tf.TensorSpec([33])
    stream = tf.data.Dataset.from_generator(lambda: iter(data), output_signature=signature)
    model.fit(stream, epochs=12, verbose=0)
    error = np.mean((model(held_out) - truth)[:-1] ** 2) / np.var(truth[:-1])
    assert error < 0.2


def test_a_network_that_is_too_large_is_said(name):
    small = {"dmc": {"length": 50}, "weight_transformer": {"max_tokens": 5}, "nfn": {"max_taps": 4}}[name]
    model = make(name, **small)
    limit, given = next(iter(small.items()))
    with pytest.warns(UserWarning, match=rf"{limit}=\d+, this \w+ has {limit}={given}.*: pass {limit}="):
        model.adapt(TRAINING)
    assert np.isfinite(model(merge(small_cnn(0)))).all()


def test_says_what_is_wrong(name):
    kind, _ = BASELINES[name]
    output, expected = ("node", "'graph' or 'edge'") if kind.answers_per_edge else ("edge", "'graph'")
    with pytest.raises(SchemaError, match=f"output='{output}', expected {expected}"):
        make(name, output=output)
    with pytest.raises(SchemaError, match="no edges to adapt to"):
        make(name).adapt([])
    wrong = {"dmc": "kernel_size", "weight_transformer": "token_size", "nfn": "num_places"}[name]
    with pytest.raises(SchemaError, match=f"received {wrong}=0, expected [12] or more"):
        kind(**{wrong: 0})


def test_a_state_must_divide_into_heads():
    with pytest.raises(SchemaError, match="token_dim=18 with num_heads=4, expected an even multiple"):
        WeightTransformer(token_dim=18, num_heads=4)


def test_nfn_refuses_what_is_no_plain_chain():
    nodes, edges, values = small_cnn(0)
    skipping = {**edges, schema.TYPE: edges[schema.TYPE].copy()}
    skipping[schema.TYPE][-1] = schema.EdgeType.RESIDUAL
    model = make("nfn")
    graph = merge(small_cnn(1), (nodes, skipping, values))
    with pytest.raises(
        NotAPlainChainError, match=r"component 1 .* edges of type RESIDUAL.*expected dense or conv.*GraphMet"
    ):
        model.adapt([graph])
    answers = model(graph).numpy()
    assert np.isfinite(answers[0]).all() and np.isnan(answers[1]).all()
    backwards = {**edges, schema.SOURCE: edges[schema.TARGET], schema.TARGET: edges[schema.SOURCE]}
    with pytest.raises(NotAPlainChainError, match="its layers do not follow one another"):
        model.adapt([merge((nodes, backwards, values))])
    model.adapt([(graph, np.zeros(2), np.array([1.0, 0.0]))])  # what does not count is not judged
