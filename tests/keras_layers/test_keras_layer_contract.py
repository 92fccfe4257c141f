"""What holds for every layer of the room: configuration, files, gradients, precision."""

from __future__ import annotations

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from equivariant_layers import LAYERS, normal, randomize
from typer.testing import CliRunner

import gmn_tf
from gmn_tf.cli import app
from gmn_tf.convert.load import load_keras_model


def model_with(layer, shape):
    """The layer between two others, with weights of generic position."""
    inputs = keras.Input(shape)
    x = keras.layers.Dense(shape[-1], name="before")(inputs)
    outputs = keras.layers.Dense(2, name="after")(keras.layers.Flatten()(layer(x)))
    model = keras.Model(inputs, outputs)
    randomize(model)
    return model


@pytest.mark.parametrize("build, shape", LAYERS)
def test_the_configuration_gives_the_same_layer(build, shape):
    layer = build()
    layer.build((None, *shape))
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    again.build((None, *shape))
    assert again.get_config() == layer.get_config()
    again.set_weights(randomize(layer))
    x = normal(2, *shape)
    np.testing.assert_array_equal(again(x), layer(x))


@pytest.mark.parametrize("build, shape", LAYERS)
def test_the_shape_that_is_promised_is_the_shape_that_comes(build, shape):
    layer = build()
    promised = layer.compute_output_shape((2, *shape))
    assert promised == layer(normal(2, *shape)).shape
    assert layer(keras.Input(shape)).shape[1:] == promised[1:]


@pytest.mark.parametrize("build, shape", LAYERS)
def test_a_file_comes_back_through_the_safe_loader(build, shape, tmp_path):
    model = model_with(build(), shape)
    model.save(tmp_path / "m.keras")
    loaded = load_keras_model(tmp_path / "m.keras")
    x = normal(2, *shape)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert gmn_tf.ParameterGraph.from_keras(loaded) == gmn_tf.ParameterGraph.from_keras(model)


def test_the_command_line_inspects_such_a_file(tmp_path):
    build, shape = LAYERS[8].values
    model_with(build(), shape).save(tmp_path / "m.keras")
    done = CliRunner().invoke(app, ["inspect", str(tmp_path / "m.keras"), "--json"])
    assert done.exit_code == 0, done.output
    # Dense 3 -> 3, three planes of 4 x 4 points with 3 features, Dense 3 -> 2.
    assert json.loads(done.stdout)["num_parameters"] == 12 + 3 * 16 * 3 + 8


@pytest.mark.parametrize("build, shape", LAYERS)
def test_gradients_reach_weights_and_inputs(build, shape):
    layer = build()
    x = tf.Variable(0.4 * normal(2, *shape))
    layer(x)
    randomize(layer)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(x)))
    for gradient in tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)]):
        array = tf.convert_to_tensor(gradient).numpy()
        assert np.all(np.isfinite(array)) and np.any(array != 0)


@pytest.mark.parametrize("build, shape", LAYERS)
def test_mixed_precision_computes_in_half_and_stores_in_single(build, shape):
    config = build().get_config()
    layer = type(build()).from_config({**config, "dtype": "mixed_bfloat16"})
    x = 0.4 * normal(2, *shape)
    assert layer(x).dtype == tf.bfloat16
    assert {v.dtype for v in layer.weights} == {"float32"}
    full = build()
    full(x)
    full.set_weights(randomize(layer))
    np.testing.assert_allclose(tf.cast(layer(x), tf.float32), full(x), rtol=0.05, atol=0.1)


def test_coordinates_keep_their_precision_under_half_precision():
    # Half precision has 8 bits: of 1,024 grid points along a line it could tell 256 or so.
    layer = gmn_tf.keras_layers.FeatureGrid(1, 1024, dtype="mixed_bfloat16")
    layer.build((None, 1))
    layer.set_weights([np.arange(1024, dtype=np.float32)[:, None] % 2])
    points = np.linspace(-1, 1, 1024, dtype=np.float32)[:, None]
    np.testing.assert_allclose(tf.cast(layer(points), tf.float32)[:, 0], np.arange(1024) % 2, atol=0.01)


@pytest.mark.parametrize("build, shape", LAYERS)
def test_it_stands_in_the_list_of_supported_layers(build, shape):
    assert type(build()).__name__ in gmn_tf.supported_layers()


OTHER_PROCESS = """
import sys
import numpy as np
from gmn_tf.convert.load import load_keras_model

for path in sys.argv[1:]:
    with np.load(path.replace(".keras", ".npz")) as file:
        outputs = load_keras_model(path)(file["x"])
        np.testing.assert_allclose(np.asarray(outputs), file["y"], rtol=1e-4, atol=1e-5)
"""


def test_a_process_that_knows_no_layer_yet_loads_their_files(tmp_path):
    paths = []
    for case in LAYERS:
        build, shape = case.values
        model, x = model_with(build(), shape), normal(2, *shape)
        paths.append(str(tmp_path / f"{case.id}.keras"))
        model.save(paths[-1])
        np.savez(tmp_path / f"{case.id}.npz", x=x, y=model(x))
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
