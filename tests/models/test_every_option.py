"""Every argument of GraphMetanetwork: equivariance, configuration and weights, XLA; in few small models."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, padding, relabelled, small_cnn, small_mlp

tf = pytest.importorskip("tensorflow")

from gmn_tf.graph import schema  # noqa: E402

OPTIONS = {
    "default": {"num_blocks": 2},
    "one way": {
        "directions": "forward",
        "use_layer_normalization": False,
        "reduce_type": "sum",
        "num_frequencies": 2,
    },
    "all reductions": {
        "reduce_type": "mean|fan_in|max|attention",
        "num_heads": 2,
        "global_dim": 6,
        "dropout_rate": 0.1,
    },
    "transformer": {"block": "transformer", "num_heads": 2, "global_dim": 6, "edge_chunk_size": 96},
    "products again": {"edge_chunk_size": 96, "recompute": True, "reduce_type": "fan_in"},
    "states again": {
        "num_blocks": 2,
        "edge_chunk_size": 96,
        "recompute": "states",
        "reduce_type": "mean|max",
        "global_dim": 6,
    },
    "readout": {
        "readout_dim": 8,
        "readout_heads": 3,
        "readout_statistics": False,
        "readout_members": 2,
        "readout_outputs": True,
        "readout_dropout_rate": 0.2,
        "group_dropout_rate": 0.1,
    },
    "per edge": {"output": "edge", "initial_step": 0.1},
    "probes": {"num_probes": 4, "sine_frequency": 2.0},
    "symmetry": {"symmetry": "scale|sign"},
    "facts apart": {"num_channels": 2, "bundled": False},
    "bundled taps": {"num_channels": 2, "bundled": True},
    "small tables": {"max_layers": 3, "max_groups": 4, "num_indices": 4, "position_buckets": 6},
}
WIDTHS = {"num_blocks": 1, "node_dim": 6, "edge_dim": 8, "message_dim": 10}


def network(name, seed, sizes=(2, 6, 5, 3)):
    options = OPTIONS[name]
    if "num_probes" in options:
        return small_mlp(seed, widths=sizes, activation=schema.Activation.SINE)
    nodes, edges, values = small_cnn(seed, channels=sizes)
    channels = options.get("num_channels", 1)
    if channels > 1:
        values = np.stack([values, np.roll(values, 1)], axis=1)
    return nodes, edges, values


def make(name, **more):
    tf.keras.utils.set_random_seed(0)
    model = gmn_tf.GraphMetanetwork(2, **{**WIDTHS, **OPTIONS[name], **more})
    model.adapt([merge(*[network(name, seed) for seed in range(4)])])
    return model


def assert_close(found, expected, tolerance=1e-5):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_no_argument_is_left_out():
    arguments = set(inspect.signature(gmn_tf.GraphMetanetwork.__init__).parameters)
    named = set(WIDTHS).union(*OPTIONS.values())
    assert arguments - {"self", "kwargs", "units"} == named
    config = gmn_tf.GraphMetanetwork(readout_outputs=True).get_config()  # named only where it is on
    assert set(config) == named | {"name", "units"}


@pytest.fixture(scope="module", params=OPTIONS)
def case(request):
    """A name of OPTIONS and its model, made once."""
    return request.param, make(request.param)


def assert_equivariant(name, model):
    networks = [network(name, seed) for seed in range(2)]
    answers = model(merge(*networks)).numpy()
    (first, order), (second, other) = relabelled(networks[0], 3), relabelled(networks[1], 4)
    if model.per_edge:
        expected = np.concatenate([answers[order], answers[len(order) + other]])
        assert np.abs(expected - answers).max() > 1e-3 * np.abs(answers).max()
    else:
        expected = answers
        assert np.abs(answers[0] - answers[1]).max() > 1e-3 * np.abs(answers).max()
    assert_close(model(merge(first, second)), expected)


def test_equivariance(case):
    name, model = case
    assert_equivariant(name, model)
    if not model.per_edge:
        assert_equivariant(name, make(name, output="edge"))


def test_configuration_and_weights(case, tmp_path):
    name, model = case
    graph = merge(network(name, 0))
    path = str(tmp_path / "model.weights.h5")
    model.save_weights(path)
    twin = gmn_tf.GraphMetanetwork.from_config(json.loads(json.dumps(model.get_config())))
    assert twin.get_config() == model.get_config()
    twin.load_weights(path)
    np.testing.assert_array_equal(twin(graph), model(graph))


def test_xla(case):
    name, model = case
    graph = merge(network(name, 0), network(name, 1, (2, 4, 3)), padding_like(name, 3, 20))
    answers = model(graph).numpy()
    count = len(answers) - 20 if model.per_edge else 2
    compiled = tf.function(model, jit_compile=True)
    assert_close(compiled(graph)[:count], answers[:count])


def padding_like(name, num_nodes, num_edges):
    nodes, edges, values = padding(num_nodes, num_edges)
    channels = OPTIONS[name].get("num_channels", 1)
    return nodes, edges, np.zeros((num_edges, channels), np.float32) if channels > 1 else values
