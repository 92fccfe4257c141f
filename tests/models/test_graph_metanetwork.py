import re
import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, padding, relabelled, reversed_edges, small_cnn

tf = pytest.importorskip("tensorflow")

from gmn_tf.errors import SchemaError  # noqa: E402
from gmn_tf.graph import schema  # noqa: E402
from gmn_tf.layers import host_stream  # noqa: E402
from gmn_tf.layers.label_statistics import LabelStatistics  # noqa: E402
from gmn_tf.models.graph_metanetwork import GraphMetanetwork  # noqa: E402

TRAINING = [
    merge(*[small_cnn(10 * i + j, scale=0.2 + 0.1 * j) for j in range(6)], small_cnn(i, channels=(2, 6, 3)))
    for i in range(3)
]
OPTIONS = {
    "default": {},
    "forward": {"directions": "forward", "use_layer_normalization": False},
    "sum": {"reduce_type": "sum", "num_frequencies": 2, "readout_statistics": False},
    "global": {"reduce_type": "mean|fan_in|max", "global_dim": 8},
    "transformer": {"block": "transformer", "num_heads": 2, "global_dim": 8},
    "transformer, forward": {
        "block": "transformer",
        "num_heads": 5,
        "directions": "forward",
        "use_layer_normalization": False,
        "recompute": True,
    },
    "symmetry": {"symmetry": "scale|sign"},
    "attention": {"reduce_type": "attention", "num_heads": 2, "edge_chunk_size": 64},
}


@pytest.fixture(scope="module", params=OPTIONS)
def options(request):
    return OPTIONS[request.param]


def make(options, **more):
    tf.keras.utils.set_random_seed(0)
    model = GraphMetanetwork(2, **{"node_dim": 12, "edge_dim": 16, "message_dim": 10, **options, **more})
    model.adapt(TRAINING)
    return model


@pytest.fixture(scope="module")
def model(options):
    return make(options)


def assert_close(found, expected, tolerance=1e-5):
    """To `tolerance` relative to the largest answer."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def assert_far(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert np.abs(found - expected).max() > 1e-3 * np.abs(expected).max()


def test_answers_per_graph_are_invariant(model):
    networks = [small_cnn(seed, channels=(1, 6, 5, 3)) for seed in range(3)]
    answers = model(merge(*networks))
    for seed in range(3):
        assert_close(model(merge(*[relabelled(n, seed)[0] for n in networks])), answers)
    assert_far(answers[1], answers[0])


def test_answers_per_edge_are_equivariant(options):
    model = make(options, output="edge")
    network = small_cnn(3, channels=(1, 6, 5, 3))
    answers = model(merge(network)).numpy()
    for seed in range(3):
        moved, order = relabelled(network, seed)
        assert_close(model(merge(moved)), answers[order])
    assert_far(answers[order], answers)


def test_other_weights_other_answers(model):
    nodes, edges, values = small_cnn(0)
    swapped = values.copy()
    kernel = np.flatnonzero(edges[schema.TYPE] == schema.EdgeType.CONV)
    swapped[kernel[[0, 1]]] = values[kernel[[1, 0]]]  # moves two taps, keeps every statistic
    answer = model(merge((nodes, edges, values)))
    assert np.abs(model(merge((nodes, edges, swapped))) - answer).max() > 1e-5 * np.abs(answer).max()


def test_graphs_do_not_touch_each_other(model):
    one, two, three = small_cnn(0), small_cnn(1, channels=(2, 6, 3)), small_cnn(2, scale=100.0)
    alone = model(merge(two))
    assert_close(model(merge(one, two, three))[1:2], alone)
    assert_close(model(merge(two, padding(3, 40)))[:1], alone)
    assert_close(model(merge(two, padding(1, 0)))[:1], alone)
    assert np.isfinite(model(merge(two, padding(0, 0)))).all()


def test_direction_matters(model):
    network = small_cnn(0)
    assert_far(model(merge(reversed_edges(network))), model(merge(network)))


def test_structure_matters(model):
    """Kernel position, activation, index and layer all reach the answer."""
    nodes, edges, values = small_cnn(0)
    answer = model(merge((nodes, edges, values)))
    for columns, name in ((nodes, schema.ACTIVATION), (nodes, schema.INDEX), (edges, schema.KERNEL_POSITION)):
        changed = {**columns, name: columns[name] + 1}
        graph = (changed, edges, values) if columns is nodes else (nodes, changed, values)
        assert np.abs(model(merge(graph)) - answer).max() > 1e-5 * np.abs(answer).max(), name


def test_xla_agrees_on_padded_batches():
    model = make(OPTIONS["global"], num_blocks=2)
    graph = merge(small_cnn(0), small_cnn(1, channels=(2, 6, 3)), padding(5, 60))
    compiled = tf.function(model, jit_compile=True)
    assert_close(compiled(graph)[:2], model(graph)[:2], 1e-4)


@pytest.mark.parametrize("output", ["graph", "edge"])
def test_chunks_of_edges_give_the_same_answers_and_gradients(options, output):
    graph = merge(small_cnn(0), small_cnn(1, channels=(2, 6, 3)), padding(5, 60))
    found = []
    for size in (0, 64):
        model = make(options, output=output, edge_chunk_size=size)
        with tf.GradientTape() as tape:
            answers = model(graph)[: 2 if output == "graph" else -60]
            loss = tf.reduce_sum(tf.square(answers))
        gradients = tape.gradient(loss, model.trainable_weights, unconnected_gradients="zero")
        flat = tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)
        found.append((answers, flat))
    for whole, chunks in zip(*found, strict=True):
        assert_close(chunks, whole)


@pytest.mark.parametrize("output", ["graph", "edge"])
@pytest.mark.parametrize("compiled", [True, False])
def test_streaming_gives_the_same_answers(options, output, compiled, capsys, monkeypatch):
    if compiled:
        monkeypatch.setattr(host_stream, "UNCOMPILED_EDGES", 0)
    graph = merge(small_cnn(0), small_cnn(1, channels=(2, 6, 3)))
    values = graph.edge_sets[schema.EDGE_SET][schema.VALUE].numpy()
    model = make(options, output=output)
    answers = model.call_streaming(graph, chunk_size=100, progress=False)
    assert_close(answers, model(graph))
    np.testing.assert_array_equal(graph.edge_sets[schema.EDGE_SET][schema.VALUE], values)
    assert capsys.readouterr().out == ""
    model.call_streaming(graph, chunk_size=100)
    done, total = re.search(r"edges .* (\d+)/(\d+)", capsys.readouterr().out).groups()
    assert done == total and int(total) % len(values) == 0


def test_saved_weights_give_the_same_answers(model, tmp_path):
    path = str(tmp_path / "model.weights.h5")
    model.save_weights(path)
    twin = GraphMetanetwork.from_config(model.get_config())
    graph = merge(small_cnn(0))
    assert_far(twin(graph), model(graph))
    twin.load_weights(path)
    np.testing.assert_array_equal(twin(graph), model(graph))


def test_adapt_normalises_and_leaves_out_padding_by_its_weight():
    network, other = small_cnn(0, scale=3.0), small_cnn(1, scale=3.0)
    graph = merge(network, other)
    padded = merge(network, other, padding(2, 50))
    first, second, third = (GraphMetanetwork(num_blocks=1) for _ in range(3))
    first.adapt([graph])
    second.adapt([(padded, np.zeros(3), np.array([1.0, 1.0, 0.0]))])
    for a, b in zip(first.non_trainable_weights, second.non_trainable_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    statistics = LabelStatistics()
    for _, edges, values in (network, other):
        statistics.update(edges[schema.TYPE], edges[schema.LAYER], values)
    third.adapt_statistics(statistics.count, statistics.mean, statistics.variance)
    edges = graph.edge_sets[schema.EDGE_SET]
    inputs = edges[schema.TYPE], edges[schema.LAYER], edges[schema.VALUE]
    normalised = third._normalizer(inputs).numpy()
    np.testing.assert_allclose(normalised, first._normalizer(inputs), rtol=1e-5, atol=1e-6)
    assert normalised.std() == pytest.approx(1.0, abs=0.05)


def test_learnt_step_starts_as_asked():
    graph = merge(small_cnn(0))
    model = GraphMetanetwork(output="edge", num_blocks=1, initial_step=0.01)
    full = GraphMetanetwork(output="edge", num_blocks=1)
    full.set_weights([w for v, w in zip(model.weights, model.get_weights(), strict=True) if w.ndim > 0])
    np.testing.assert_allclose(model(graph), 0.01 * full(graph).numpy(), rtol=1e-5)


def test_says_what_is_wrong():
    with pytest.raises(SchemaError, match="output='node', expected 'graph' or 'edge'"):
        GraphMetanetwork(output="node")
    with pytest.raises(SchemaError, match="reduce_type='median'"):
        GraphMetanetwork(reduce_type="median")
    with pytest.raises(
        SchemaError, match=r"symmetry='shift', expected 'scale', 'sign', 'scale\|sign' or None"
    ):
        GraphMetanetwork(symmetry="shift")
    with pytest.raises(SchemaError, match="other facts of a weight do not scale as it does"):
        GraphMetanetwork(symmetry="scale", num_channels=2, bundled=False)
    for block in ("message_passing", "transformer"):
        with pytest.raises(SchemaError, match="directions='back'"):
            GraphMetanetwork(directions="back", block=block)
    with pytest.raises(SchemaError, match="block='grit', expected 'message_passing' or 'transformer'"):
        GraphMetanetwork(block="grit")
    with pytest.raises(SchemaError, match="which reduces by attention: leave reduce_type out"):
        GraphMetanetwork(block="transformer", reduce_type="max")
    with pytest.raises(SchemaError, match="num_heads=5 for message_dim=32, expected a divisor"):
        GraphMetanetwork(block="transformer", num_heads=5)
    model = GraphMetanetwork(num_blocks=0)
    with pytest.raises(SchemaError, match="no edges to adapt to"):
        model.adapt([])
    with pytest.raises(SchemaError, match=r"received statistics of shapes \(2, 2\)"):
        model.adapt_statistics(np.zeros((2, 2)), np.zeros((2, 2, 1)), np.zeros((2, 2, 1)))


@pytest.mark.parametrize("block", ["message_passing", pytest.param("transformer", marks=pytest.mark.slow)])
def test_learns_what_needs_the_graph(block):
    """Target: mean over hidden nodes of |sum of incoming weights|: which weights meet where decides it."""

    def network(seed):
        nodes, edges, values = small_cnn(seed, channels=(3, 6, 2), kernel=1)
        kernel = (edges[schema.TYPE] == schema.EdgeType.CONV) & (edges[schema.LAYER] == 1)
        incoming = values[kernel].reshape(6, 3)  # edges are listed by target
        return (nodes, edges, values), np.abs(incoming.sum(axis=1)).mean()

    def batch(start, size):
        networks, targets = zip(*[network(start + i) for i in range(size)], strict=True)
        return merge(*networks), np.array(targets, np.float32)[:, None]

    data = [batch(64 * i, 64) for i in range(16)]
    held_out, truth = batch(10**6, 256)
    tf.keras.utils.set_random_seed(2)  # other seeds stay longer on a plateau
    widths = {"node_dim": 16, "edge_dim": 16, "message_dim": 16}
    settings = {"num_blocks": 1, "readout_dropout_rate": 0.0, "group_dropout_rate": 0.0, **widths}
    model = GraphMetanetwork(block=block, **settings)
    model.adapt([graph for graph, _ in data])
    model.compile(tf.keras.optimizers.Adam(5e-3), "mse", jit_compile=True)
    stream = tf.data.Dataset.from_generator(
        lambda: iter(data),
        output_signature=(tf.type_spec_from_value(data[0][0]), tf.TensorSpec([64, 1])),
    )
    history = model.fit(stream, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.3 * history[0]
    assert 1 - np.mean((model(held_out) - truth) ** 2) / np.var(truth) > 0.7
