"""Edge functions in a row: what nobody wrote down is computed again, and nothing else changes."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

tf = pytest.importorskip("tensorflow")

from gmn_tf.layers.edge_stream import EdgeStream, gather  # noqa: E402
from gmn_tf.layers.recomputing_stream import Pending, RecomputingStream  # noqa: E402

TARGET = tf.constant([0, 1, 1, 2, 0, 2, 2], tf.int32)
STATE = tf.reshape(tf.range(14.0), [7, 2]) / 10
TABLES = [
    tf.constant([[1.0, 2.0], [3.0, 5.0], [-1.0, 0.5]]),
    tf.constant([[0.2, -1.0], [0.3, 1.5], [2.0, 0]]),
]
SPEC = {"state": tf.TensorSpec([None, 2])}
ZEROS = {"sum": tf.zeros([3, 2])}


def update(columns, inputs, tables, seed, keep):
    """Next state: sine of the state plus the target's row, with noise; sum: the next state, at the target."""
    state = keep("sine", tf.sin(inputs["state"] + gather(tables["row"], columns["target"])))
    if seed is not None:
        state *= tf.random.stateless_uniform(tf.shape(state), seed)
    return {"state": state}, {"sum": tf.math.unsorted_segment_sum(state, columns["target"], 3)}


def run(stream, state, tables, *, writes=(), seeds=(None, None, None)):
    """Three updates in a row, then the sums of all three and the last state."""
    state, totals = stream.pad(state), []
    for step, (table, seed) in enumerate(zip((*tables, tables[0]), seeds, strict=True)):
        used = stream.writing() if step in writes else stream
        kept = {"sine": SPEC["state"]}
        found, sums = used.map(
            update, {"state": state}, {"row": table}, results=SPEC, sums=ZEROS, kept=kept, seed=seed
        )
        state = found["state"]
        totals.append(sums["sum"])
    return tf.concat(totals, axis=0), stream.unpad(state)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("writes", [(), (1,), (2,), (0, 1, 2)])
def test_values_and_gradients_are_those_of_a_stream_that_writes_everything(writes, jit_compile):
    def gradients(stream_class, writes):
        @tf.function(jit_compile=jit_compile)
        def of(state, tables):
            stream = stream_class.of({"target": TARGET}, 3)
            with tf.GradientTape() as tape:
                tape.watch((state, tables))
                totals, last = run(stream, state, tables, writes=writes)
                loss = tf.reduce_sum(totals**3) + tf.reduce_sum(tf.cos(last))
            return [totals, last, *(tf.convert_to_tensor(x) for x in tape.gradient(loss, [state, *tables]))]

        return of(STATE, TABLES)

    for expected, found in zip(gradients(EdgeStream, ()), gradients(RecomputingStream, writes), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_noise_is_the_same_whenever_it_is_drawn():
    seeds = [tf.constant([3, step]) for step in range(3)]
    expected = run(EdgeStream.of({"target": TARGET}, 3), STATE, TABLES, seeds=seeds)
    found = run(RecomputingStream.of({"target": TARGET}, 3), STATE, TABLES, seeds=seeds)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_maxima_of_what_is_pending():
    def largest(columns, inputs, tables):
        return tf.math.unsorted_segment_max(inputs["state"], columns["target"], 3)

    found = []
    for stream in (EdgeStream.of({"target": TARGET}, 3), RecomputingStream.of({"target": TARGET}, 3)):
        state = stream.pad(STATE)
        for seed in (None, tf.constant([5, 6])):
            row = {"row": TABLES[0]}
            state = stream.map(update, {"state": state}, row, results=SPEC, seed=seed)[0]["state"]
        found.append(stream.maximum(largest, {"state": state}, {}, [3, 2]))
    assert isinstance(state, Pending)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


def test_a_stream_that_is_not_divided_writes():
    stream = RecomputingStream.of({"target": TARGET})
    found, _ = stream.map(update, {"state": STATE}, {"row": TABLES[0]}, results=SPEC)
    assert tf.is_tensor(found["state"])


def test_nothing_pending_is_held_for_all_edges():
    """Arrays [chunks, chunk, 2] in the loops of the compiled step: the first state alone."""

    def arrays(stream_class):
        @tf.function(jit_compile=True)
        def step(state, tables):
            stream = stream_class.of({"target": TARGET}, 3)
            with tf.GradientTape() as tape:
                tape.watch(tables)
                loss = tf.reduce_sum(run(stream, state, tables)[0] ** 3)
            return tape.gradient(loss, tables)

        text = step.experimental_get_compiler_ir(STATE, TABLES)(stage="optimized_hlo")
        loops = [line for line in text.splitlines() if " while(" in line]
        return [len(re.findall(r"f32\[3,3,2\]", line.split(" while(")[0])) for line in loops]

    assert max(arrays(EdgeStream)) >= 3
    assert max(arrays(RecomputingStream)) <= 1
