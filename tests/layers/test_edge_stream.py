"""Functions of edges, whole and in chunks: results, sums, maxima, gradients, randomness."""

from __future__ import annotations

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

tf = pytest.importorskip("tensorflow")

from gmn_tf.layers.edge_stream import NOWHERE, EdgeStream, default_chunk_size, gather  # noqa: E402

TARGET = tf.constant([0, 1, 1, 2, 0, 2, 2], tf.int32)
STATE = tf.reshape(tf.range(14.0), [7, 2])
TABLE = tf.constant([[1.0, 2.0], [3.0, 5.0], [-1.0, 0.5]])
SPEC = {"double": tf.TensorSpec([None, 2])}


def update(columns, inputs, tables, seed, keep):
    """Result: twice the state; sum: state times the row of the target, at the target."""
    row = keep("row", gather(tables["row"], columns["target"]))
    product = inputs["state"] * row
    return {"double": 2 * inputs["state"]}, {
        "sum": tf.math.unsorted_segment_sum(product, columns["target"], 3)
    }


def run(chunk_size, state=STATE, table=TABLE, kept=()):
    stream = EdgeStream.of({"target": TARGET}, chunk_size)
    inputs = {"state": stream.pad(state)}
    results, sums = stream.map(
        update,
        inputs,
        {"row": table},
        results=SPEC,
        sums={"sum": tf.zeros([3, 2])},
        kept=dict.fromkeys(kept, SPEC["double"]),
    )
    return stream.unpad(results["double"]), sums["sum"]


@pytest.mark.parametrize("chunk_size", [0, 1, 2, 3, 7, 100])
def test_results_and_sums_by_hand(chunk_size):
    double, total = run(chunk_size)
    np.testing.assert_array_equal(double, 2 * STATE.numpy())
    # Edges at node 0: rows 0, 4 = (0 + 8, 1 + 9) times (1, 2); at 1: rows 1, 2 = (2 + 4, 3 + 5) times
    # (3, 5); at 2: rows 3, 5, 6 = (6 + 10 + 12, 7 + 11 + 13) times (-1, .5).
    np.testing.assert_array_equal(total, [[8, 20], [18, 40], [-28, 15.5]])


def test_a_stream_is_padded_to_whole_chunks_with_edges_that_go_nowhere():
    stream = EdgeStream.of({"target": TARGET}, 3)
    assert (stream.num_chunks, stream.columns["target"].shape[0]) == (3, 9)
    assert stream.columns["target"].numpy()[7:].tolist() == [NOWHERE, NOWHERE]
    assert EdgeStream.of({"target": TARGET}, 7).num_chunks is None


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kept", [(), ("row",)])
def test_gradients_in_chunks_equal_those_of_the_whole(jit_compile, kept):
    def gradients(chunk_size):
        @tf.function(jit_compile=jit_compile)
        def of(state, table):
            with tf.GradientTape() as tape:
                tape.watch((state, table))
                double, total = run(chunk_size, state, table, kept)
                loss = tf.reduce_sum(double**3) + tf.reduce_sum(tf.sin(total))
            return [tf.convert_to_tensor(x) for x in tape.gradient(loss, (state, table))]

        return of(STATE, TABLE)

    for whole, chunks in zip(gradients(0), gradients(3), strict=True):
        np.testing.assert_allclose(chunks, whole, rtol=1e-5)


def test_what_is_kept_is_not_computed_again():
    """Products in the compiled program: one forward, two backward, and one more where it is not kept."""

    def products(kept):
        @tf.function(jit_compile=True)
        def gradient(state, table):
            def function(columns, inputs, tables, seed, keep):
                return {"double": tf.square(keep("product", tf.matmul(inputs["state"], tables)))}, {}

            stream = EdgeStream.of({"target": TARGET}, 3)
            specs = dict.fromkeys(kept, SPEC["double"])
            with tf.GradientTape() as tape:
                tape.watch((state, table))
                inputs = {"state": stream.pad(state)}
                found = stream.map(function, inputs, table, results=SPEC, kept=specs)[0]["double"]
            return found, tape.gradient(found, (state, table))

        compiled = gradient.experimental_get_compiler_ir(STATE, TABLE[:2])(stage="optimized_hlo")
        return compiled.count(" dot(")

    assert (products(("product",)), products(())) == (3, 4)


def test_a_number_of_edges_that_is_not_static():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 2])])
    def total(target, state):
        stream = EdgeStream.of({"target": target}, 2)
        zeros = {"sum": tf.zeros([3, 2])}
        return stream.map(update, {"state": stream.pad(state)}, {"row": TABLE}, sums=zeros)[1]["sum"]

    np.testing.assert_array_equal(total(TARGET, STATE), run(0)[1])
    np.testing.assert_array_equal(total(TARGET[:1], STATE[:1]), [[0, 2], [0, 0], [0, 0]])


def test_maxima_leave_padding_out():
    def largest(columns, inputs, tables):
        return tf.math.unsorted_segment_max(inputs["state"], columns["target"], 3)

    for chunk_size in (0, 3, 4):
        stream = EdgeStream.of({"target": TARGET}, chunk_size)
        found = stream.maximum(largest, {"state": stream.pad(-STATE)}, {}, [3, 2])
        np.testing.assert_array_equal(found, [[0, -1], [-2, -3], [-6, -7]])


def test_every_chunk_has_its_seed_in_both_directions():
    """Noise times state: the gradient is the noise itself, so it must be the one the forward pass drew."""

    def noisy(columns, inputs, tables, seed, keep):
        noise = tf.random.stateless_uniform(inputs["state"].shape, seed)
        return {"double": inputs["state"] * noise}, {}

    stream = EdgeStream.of({"target": TARGET}, 3)
    state = tf.ones([9, 2])
    with tf.GradientTape() as tape:
        tape.watch(state)
        result = stream.map(noisy, {"state": state}, {}, results=SPEC, seed=tf.constant([3, 4]))[0]["double"]
    np.testing.assert_array_equal(tape.gradient(result, state), result)
    assert len(np.unique(result)) == 18


def test_default_chunks_are_a_megabyte():
    assert default_chunk_size(64) == 4096
    assert default_chunk_size(32) == 8192


def test_chunks_of_a_known_number_of_edges_are_balanced():
    columns = {"type": tf.zeros([130], tf.int32)}
    stream = EdgeStream.of(columns, 64)
    assert (stream.num_chunks, stream.chunk_size) == (3, 48)  # not 64, 64, 2 and 62 of padding
    np.testing.assert_array_equal(stream.columns["type"], [0] * 130 + [NOWHERE] * 14)
    assert EdgeStream.of({"type": tf.zeros([128], tf.int32)}, 64).chunk_size == 64
