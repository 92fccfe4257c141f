"""INRs: by hand, the same in Keras and stacked, whole in files, whole in graphs."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import gmn_tf
from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import KINDS, InrArchitecture
from gmn_tf.inr.coordinates import grid

SMALL = {
    "siren": InrArchitecture(hidden=(5, 4)),
    "nfn": InrArchitecture.of_recipe("nfn", hidden=(5,), num_outputs=3),
    "relu": InrArchitecture(kind="relu", hidden=(4, 3), num_inputs=1, output_shift=0.0),
    "fourier": InrArchitecture(kind="fourier", hidden=(4,), num_features=6, frequency=5.0),
    "triplane": InrArchitecture(
        kind="triplane", hidden=(4,), num_inputs=3, num_features=3, resolution=4, num_outputs=2
    ),
    "plane": InrArchitecture(kind="triplane", hidden=(3,), num_features=2, resolution=3),
    "line": InrArchitecture(kind="triplane", hidden=(3,), num_inputs=1, num_features=2, resolution=5),
}


@pytest.fixture(params=SMALL)
def architecture(request) -> InrArchitecture:
    return SMALL[request.param]


def _points(architecture: InrArchitecture, number: int = 40) -> np.ndarray:
    shape = (number, architecture.num_inputs)
    return np.random.default_rng(0).uniform(-1.1, 1.1, shape).astype(np.float32)


def _model(architecture: InrArchitecture, flat: np.ndarray) -> keras.Model:
    model = architecture.keras_model()
    model.set_weights(architecture.weight_list(flat))
    return model


def test_a_siren_by_hand():
    # 1-2-1, omega 2: y = 3 sin(2 (0.5 x + 0.1)) - sin(2 (-x)) + 0.25, and the pixel is half of that plus 1.
    architecture = InrArchitecture(
        hidden=(2,), num_inputs=1, frequency=2.0, output_scale=0.5, output_shift=1.0
    )
    assert architecture.num_parameters == 7
    flat = np.array([[0.5, -1.0, 0.1, 0.0, 3.0, -1.0, 0.25]], np.float32)
    x = np.array([0.0, 0.3, -1.0])
    expected = 0.5 * (3.0 * np.sin(2.0 * (0.5 * x + 0.1)) - np.sin(-2.0 * x) + 0.25) + 1.0
    found = architecture.render(flat, x[:, np.newaxis].astype(np.float32))
    np.testing.assert_allclose(found.numpy()[0, :, 0], expected, rtol=1e-6)


def test_a_plane_by_hand():
    # One plane of 2 x 2 points with the values 0, 1 / 2, 3, read in the middle of the upper edge: 0.5.
    architecture = InrArchitecture(
        kind="triplane", hidden=(1,), num_features=1, resolution=2, output_shift=0.0
    )
    flat = np.array([[0.0, 1.0, 2.0, 3.0, 1.0, 0.0, 1.0, 0.0]], np.float32)
    found = architecture.render(flat, np.array([[-1.0, 0.0], [0.0, 0.0], [5.0, 1.0]], np.float32))
    np.testing.assert_allclose(found.numpy()[0, :, 0], [0.5, 1.5, 3.0], atol=1e-6)


def test_fourier_features_by_hand():
    # One frequency (2, -1), its sine and cosine summed by the hidden unit.
    architecture = InrArchitecture(kind="fourier", hidden=(1,), num_features=2, output_shift=0.0)
    flat = np.array([[2.0, -1.0, 1.0, 1.0, 0.5, 3.0, 0.0]], np.float32)
    angle = 2.0 * 0.4 + 1.0 * 0.1
    expected = 3.0 * (np.sin(angle) + np.cos(angle) + 0.5)
    found = architecture.render(flat, np.array([[0.4, -0.1]], np.float32))
    np.testing.assert_allclose(found.numpy()[0, 0, 0], expected, rtol=1e-6)


def test_the_recipes_network_has_1185_parameters():
    for name in ("dws", "nfn"):
        assert InrArchitecture.of_recipe(name).num_parameters == 1185
    assert InrArchitecture.of_recipe("nfn").output_scale == 0.5
    assert InrArchitecture.of_recipe("dws", kind="fourier").frequency == 10.0
    assert InrArchitecture.of_recipe("dws", kind="fourier", frequency=3.0).frequency == 3.0


def test_keras_has_the_same_weights_and_says_the_same(architecture):
    flat = architecture.initial(3, seed=1)
    points = _points(architecture)
    found = architecture.render(flat, points).numpy()
    assert found.shape == (3, len(points), architecture.num_outputs)
    for row in range(3):
        model = _model(architecture, flat[row])
        np.testing.assert_array_equal(np.concatenate([w.ravel() for w in model.get_weights()]), flat[row])
        np.testing.assert_allclose(model.predict_on_batch(points), found[row], atol=1e-5)
    assert found.std() > 1e-3
    each = np.stack([points, points[::-1], points])
    np.testing.assert_allclose(architecture.render(flat, each)[1], found[1][::-1], atol=1e-5)


def test_every_weight_lies_on_an_edge(architecture):
    flat = architecture.initial(1, seed=2)[0]
    model = _model(architecture, flat)
    graph = gmn_tf.ParameterGraph.from_keras(model)
    assert graph.num_parameters == architecture.num_parameters
    back = graph.weights(graph.values(model))
    np.testing.assert_array_equal(np.concatenate([w.ravel() for w in back]), flat)


@pytest.mark.parametrize("name", ["siren", "fourier", "triplane"])
def test_symmetries_of_the_graph_are_those_of_the_model(name):
    architecture = SMALL[name]
    report = gmn_tf.check_symmetry(_model(architecture, architecture.initial(1, seed=3)[0]))
    assert report.verdict == "sound", report


def test_swapped_hidden_neurons_show_the_same():
    architecture = SMALL["siren"]
    weights = architecture.weight_list(architecture.initial(1, seed=4)[0])
    order = np.array([3, 1, 4, 0, 2])
    swapped = [weights[0][:, order], weights[1][order], weights[2][order], *weights[3:]]
    points = _points(architecture)
    both = np.stack([np.concatenate([w.ravel() for w in one]) for one in (weights, swapped)])
    first, second = architecture.render(both, points).numpy()
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_model_of_keras_layers_opens_with_keras_alone(tmp_path):
    names = ["siren", "nfn", "relu", "fourier"]
    for name in names:
        architecture = SMALL[name]
        model = _model(architecture, architecture.initial(1, seed=5)[0])
        model.save(tmp_path / f"{name}.keras")
        points = _points(architecture)
        np.savez(tmp_path / f"{name}.npz", points=points, values=model.predict_on_batch(points))
    code = (
        "import sys, keras, numpy as np\n"
        f"for name in {names!r}:\n"
        "    data = np.load(name + '.npz')\n"
        "    model = keras.saving.load_model(name + '.keras', safe_mode=True)\n"
        "    np.testing.assert_allclose(model.predict_on_batch(data['points']), data['values'], atol=1e-6)\n"
        "assert not any(name.startswith('gmn_tf') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_a_triplane_file_opens_here(tmp_path):
    from gmn_tf.convert.load import load_keras_model

    architecture = SMALL["triplane"]
    model = _model(architecture, architecture.initial(1, seed=5)[0])
    model.save(tmp_path / "triplane.keras")
    points = _points(architecture)
    again = load_keras_model(tmp_path / "triplane.keras").predict_on_batch(points)
    np.testing.assert_allclose(again, model.predict_on_batch(points), atol=1e-6)


def test_a_keras_model_is_told_the_same_way_every_time():
    first, second = (InrArchitecture().keras_model(name="siren").to_json() for _ in range(2))
    assert first == second


def test_gradients_are_those_of_differences(architecture):
    points = tf.constant(_points(architecture, 6))
    flat = tf.constant(architecture.initial(2, seed=6))
    with tf.GradientTape() as tape:
        tape.watch(flat)
        total = tf.reduce_sum(architecture.render(flat, points) ** 2)
    gradient = tape.gradient(total, flat).numpy()
    assert np.isfinite(gradient).all()
    direction = np.random.default_rng(1).normal(size=gradient.shape)
    direction /= np.linalg.norm(direction)
    step = 1e-3
    ends = [
        np.sum(architecture.render(flat + sign * step * direction, points).numpy().astype(np.float64) ** 2)
        for sign in (1.0, -1.0)
    ]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(np.sum(gradient * direction), rel=0.02, abs=1e-3)


def test_values_survive_json():
    for architecture in SMALL.values():
        assert InrArchitecture.of_dict(architecture.to_dict()) == architecture
    with pytest.raises(InrError, match="expected the values of an INR"):
        InrArchitecture.of_dict({"width": 3})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "gabor"}, 'Unknown kind "gabor": expected one of siren, relu, fourier, triplane'),
        ({"recipe": "siren"}, 'Unknown recipe "siren": expected one of dws, nfn'),
        ({"hidden": ()}, "expected one or more layers"),
        ({"num_inputs": 0}, "expected 1 or more"),
        ({"frequency": 0.0}, "expected a frequency above 0"),
        ({"kind": "fourier", "num_features": 3}, "expected an even number"),
        ({"kind": "triplane", "resolution": 1}, "2 or more grid points"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(InrError, match=message):
        InrArchitecture(**values)


def test_weights_of_another_architecture_are_refused():
    with pytest.raises(InrError, match=r"Received weights of shape \(3,\), expected \(1185,\)"):
        InrArchitecture().weight_list(np.zeros(3))


def test_kinds_are_all_tried():
    assert {architecture.kind for architecture in SMALL.values()} == set(KINDS)


def test_a_grid_goes_row_by_row():
    np.testing.assert_array_equal(grid(2, 3), [[-1, -1], [-1, 0], [-1, 1], [1, -1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(grid(1, 2), [[0, -1], [0, 1]])
    with pytest.raises(InrError, match="expected at least 1 x 1"):
        grid(0, 3)
