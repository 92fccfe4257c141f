"""`GraphMetanetwork(num_probes=...)`: what the probes add, and where they may not be used."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, padding, small_cnn, small_mlp

tf = pytest.importorskip("tensorflow")

from gmn_tf.errors import SchemaError  # noqa: E402
from gmn_tf.graph import schema  # noqa: E402

SMALL = {"num_blocks": 1, "node_dim": 8, "edge_dim": 8, "message_dim": 8}
TANH = schema.Activation.TANH
GRAPH = merge(small_mlp(0), small_mlp(1, widths=(3, 6, 2), activation=TANH), padding(2, 9))


def make(**options):
    tf.keras.utils.set_random_seed(0)
    return gmn_tf.GraphMetanetwork(2, **SMALL, num_probes=6, **options)


def close(found, expected, tolerance):
    found, expected = np.asarray(found), np.asarray(expected)
    return np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_they_reach_the_answer_and_are_learnt():
    model = make()
    with tf.GradientTape() as tape:
        answers = model(GRAPH)[:2]
        loss = tf.reduce_sum(answers**2)
    (table,) = [weight for weight in model.trainable_weights if weight.name.endswith("probes/inputs:0")]
    gradient = tf.convert_to_tensor(tape.gradient(loss, table))
    assert np.abs(gradient[:3]).max() > 0  # the largest input layer here has three neurons
    np.testing.assert_array_equal(gradient[3:], 0)
    table.assign(table + 0.5)
    assert not close(model(GRAPH)[:2], answers, 1e-3)


def test_without_them_nothing_is_added():
    model = gmn_tf.GraphMetanetwork(2, **SMALL)
    assert not [weight.name for weight in model.weights if "probes" in weight.name]


@pytest.mark.parametrize(
    "options", [{}, {"output": "edge"}, {"edge_chunk_size": 16}, {"symmetry": "scale|sign"}]
)
def test_streaming_and_chunks_and_xla_agree(options):
    model = make(**options)
    graph = merge(small_mlp(0), small_mlp(1, widths=(3, 6, 2), activation=TANH))
    answers = model(graph)
    assert close(model.call_streaming(graph, chunk_size=20, progress=False), answers, 1e-5)
    assert close(tf.function(model, jit_compile=True)(graph), answers, 1e-5)


def test_the_bar_counts_their_passes(capsys):
    make().call_streaming(merge(small_mlp(0)), chunk_size=20)
    done, total = re.search(r"edges .* (\d+)/(\d+)", capsys.readouterr().out).groups()
    assert done == total


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_bfloat16", 0.03), ("float64", 1e-5)])
def test_other_precisions(policy, tolerance):
    plain = make()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        other = make()
        other.set_weights(plain.get_weights())
        with tf.GradientTape() as tape:
            answers = other(GRAPH)[:2]
            loss = tf.reduce_sum(answers**2)
        gradients = tape.gradient(loss, other.trainable_weights, unconnected_gradients="zero")
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert close(answers, plain(GRAPH)[:2], tolerance)
    assert all(np.isfinite(tf.convert_to_tensor(gradient)).all() for gradient in gradients)


def test_scalings_that_change_no_function_change_no_answer():
    """With symmetry="scale", hidden values at the probes are canonical too."""
    nodes, edges, values = small_mlp(0)
    model, layer = make(symmetry="scale"), edges[schema.LAYER]
    factor = np.where((nodes[schema.LAYER] == 1) & (nodes[schema.TYPE] == schema.NodeType.NEURON), 3.0, 1.0)
    scaled = values * factor[edges[schema.TARGET]] / factor[edges[schema.SOURCE]]
    assert set(layer[scaled != values]) == {1, 2}
    answers = model(merge((nodes, edges, values)))
    assert close(model(merge((nodes, edges, scaled.astype(np.float32)))), answers, 1e-5)


def test_other_graphs_are_refused_where_they_can_be_looked_at():
    model, graph = make(), merge(small_cnn(0))
    with pytest.raises(SchemaError, match=r"edges of type CONV, expected dense layers alone .* num_probes=0"):
        model(graph)
    with pytest.raises(SchemaError, match="edges of type CONV"):
        model.adapt([merge(small_mlp(0)), graph])
    with pytest.raises(SchemaError, match="edges of type CONV"):
        model.call_streaming(graph, progress=False)
    assert tf.function(model)(graph).shape == (1, 2)  # a compiled one cannot be
    with pytest.raises(SchemaError, match="received num_probes=-1, expected 0 or more"):
        gmn_tf.GraphMetanetwork(num_probes=-1)
    with pytest.raises(SchemaError, match="recompute='all', expected False, True or 'states'"):
        gmn_tf.GraphMetanetwork(recompute="all")
