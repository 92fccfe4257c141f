"""Conversion under other Keras backends, in processes where TensorFlow is never imported.

Long, and the backends are no requirement of this package (pip install "jax[cpu]" torch):
    .venv/bin/python -m pytest -m slow tests/convert/test_backends.py
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import keras
from keras import layers
import gmn_tf
from gmn_tf.keras_layers import FeaturePlanes, GroupEquivariantDense, SetEquivariantDense

image = keras.Input((8, 8, 3))
x = layers.Conv2D(4, 3, activation="relu")(image)
x = layers.DepthwiseConv2D(2)(layers.BatchNormalization()(x))
convolutional = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))

steps = keras.Input((5, 4))
x = layers.Dense(4)(steps)
x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 2)(x, x))
recurrent = keras.Model(steps, layers.Dense(2)(layers.GRU(3)(x)))

points = keras.Input((4, 3))
x = SetEquivariantDense(3, activation="relu")(FeaturePlanes(4, 3)(points))
x = GroupEquivariantDense(3, [[1, 2, 3, 0]])(x)
equivariant = keras.Model(points, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))

for model in (convolutional, recurrent, equivariant):
    graph = gmn_tf.ParameterGraph.from_keras(model)
    weights = model.get_weights()
    restored = graph.weights(graph.values(model), base=weights)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(weights, restored, strict=True))
    report = gmn_tf.check_symmetry(model, graph=graph)
    assert report.passed, str(report)
    print(graph.fingerprint)
print(keras.backend.backend())
assert "tensorflow" not in sys.modules or keras.backend.backend() == "tensorflow"
"""


def run(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *fingerprints, named = done.stdout.split()[-4:]
    assert named == backend
    return fingerprints


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_graph_is_the_same_under_another_backend_and_tensorflow_stays_out(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    assert run(backend) == run("tensorflow")
