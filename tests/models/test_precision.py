"""Mixed precision and double precision: the same answers up to rounding, as good after training."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from parameter_graphs import merge, small_cnn

tf = pytest.importorskip("tensorflow")

from gmn_tf.graph import schema  # noqa: E402
from gmn_tf.models.graph_metanetwork import GraphMetanetwork  # noqa: E402

OPTIONS = {"reduce_type": "mean|fan_in|max|attention", "global_dim": 8, "dropout_rate": 0.1}
GRAPH = merge(small_cnn(0), small_cnn(1, channels=(2, 6, 3)))


@pytest.fixture
def policy():
    yield tf.keras.mixed_precision.set_global_policy
    tf.keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize(("name", "tolerance"), [("mixed_bfloat16", 0.03), ("float64", 1e-5)])
@pytest.mark.parametrize("more", [{}, {"output": "edge", "initial_step": 0.5}, {"edge_chunk_size": 64}])
def test_answers_are_those_of_float32_up_to_rounding(policy, name, tolerance, more):
    plain = GraphMetanetwork(2, **OPTIONS, **more)
    policy(name)
    other = GraphMetanetwork(2, **OPTIONS, **more)
    other.set_weights(plain.get_weights())
    expected = plain(GRAPH).numpy()
    with tf.GradientTape() as tape:
        answers = other(GRAPH)
        loss = tf.reduce_sum(tf.square(answers))
    assert answers.dtype == (tf.float64 if name == "float64" else tf.float32)
    difference = np.abs(answers - expected).max() / np.abs(expected).max()
    assert 0 < difference < tolerance
    for gradient in tape.gradient(loss, other.trainable_weights, unconnected_gradients="zero"):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_mixed_bfloat16_learns_as_well(policy):
    """The mean magnitude of the first kernel's weights: R2 within .01 of float32's on held-out networks."""

    def batch(start, size):
        networks = [
            small_cnn(start + i, channels=(2, 5, 3), kernel=1, scale=0.5 + i % 7) for i in range(size)
        ]
        first = [values[edges[schema.LAYER] == 1] for _, edges, values in networks]
        return merge(*networks), np.array([[np.log(np.abs(v).mean())] for v in first], np.float32)

    data, (held_out, truth) = [batch(100 * i, 64) for i in range(8)], batch(10**6, 128)
    scores = []
    for name in ("float32", "mixed_bfloat16"):
        policy(name)
        tf.keras.utils.set_random_seed(0)
        model = GraphMetanetwork(
            num_blocks=1,
            node_dim=12,
            edge_dim=12,
            message_dim=12,
            readout_statistics=False,
            readout_dropout_rate=0.0,
        )
        model.adapt([graph for graph, _ in data])
        model.compile(tf.keras.optimizers.Adam(1e-2), "mse", jit_compile=True)
        stream = tf.data.Dataset.from_generator(
            lambda: iter(data),
            output_signature=(tf.type_spec_from_value(data[0][0]), tf.TensorSpec([64, 1])),
        )
        model.fit(stream, epochs=25, verbose=0)
        scores.append(1 - np.mean((model(held_out) - truth) ** 2) / np.var(truth))
    assert scores[0] > 0.95 and abs(scores[0] - scores[1]) < 0.01
