"""An editor in use: files in and out, permuted neurons, other sizes, and exports without this package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import gmn_tf  # isort: skip

import keras
import numpy as np
import pytest

from gmn_tf.edit_file import edit_file
from gmn_tf.editor import Editor
from gmn_tf.errors import InrError, ModelFileError, RunError
from gmn_tf.export import export, load_editor, load_predictor
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.generate import generate_inr_zoo
from gmn_tf.inr.rendering import render_image
from gmn_tf.training.edit_task import EditTask
from gmn_tf.training.evaluate_edits import evaluate_edits
from gmn_tf.training.fit import train

CHECK = Path(__file__).resolve().parents[1] / "scripts" / "check_editor.py"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    path = tmp_path_factory.mktemp("editor") / "zoo"
    return generate_inr_zoo(
        path, size=24, hidden=(8, 8), validation=4, test=4, steps=60, learning_rate=1e-2, workers=1
    )


@pytest.fixture(scope="module")
def run(zoo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor") / "run"
    small = {"num_blocks": 2, "node_dim": 8, "edge_dim": 8, "message_dim": 8}
    train(
        EditTask("dilate"),
        zoo,
        folder,
        epochs=4,
        learning_rate=1e-2,
        jit_compile=False,
        progress=False,
        **small,
    )
    evaluate_edits(folder, zoo, out=folder / "evaluation", samples=20)
    return folder


@pytest.fixture(scope="module")
def exported(run, zoo, tmp_path_factory):
    return export(run, tmp_path_factory.mktemp("editor") / "editor", zoo=zoo.path, examples=3)


def inr(hidden=(8, 8), seed=0, kind="siren", name="inr"):
    architecture = InrArchitecture(kind=kind, hidden=hidden)
    model = architecture.keras_model(name=name)
    model.set_weights(architecture.weight_list(architecture.initial(1, seed=seed)[0]))
    return model


def permuted(model, seed=0):
    """The same function with the neurons of every hidden layer in another order."""
    rng = np.random.default_rng(seed)
    weights = model.get_weights()
    for layer in range(0, len(weights) - 2, 2):
        order = rng.permutation(weights[layer].shape[1])
        weights[layer], weights[layer + 1] = weights[layer][:, order], weights[layer + 1][order]
        weights[layer + 2] = weights[layer + 2][order]
    twin = keras.models.clone_model(model)
    twin.set_weights(weights)
    return twin


@pytest.mark.parametrize("hidden", [(8, 8), (12, 12), (5,), (6, 7, 8)])
def test_permuted_neurons_show_the_same_after_editing(exported, hidden):
    """Also of widths and depths that it was not trained on."""
    editor = gmn_tf.load(exported)
    assert isinstance(editor, Editor) and editor.operation == "dilate"
    model = inr(hidden)
    twin = permuted(model)
    before = [render_image(each, 8, 8) for each in (model, twin)]
    after = [render_image(editor(each), 8, 8) for each in (model, twin)]
    np.testing.assert_allclose(before[1], before[0], atol=1e-5)
    np.testing.assert_allclose(after[1], after[0], atol=1e-5)
    assert np.abs(after[0] - before[0]).max() > 1e-3
    np.testing.assert_array_equal(render_image(model, 8, 8), before[0])  # the model itself stays as it is


def test_run_and_export_edit_alike(run, exported, zoo):
    model = zoo.model(int(zoo.indices("test")[0]))
    found = [load_editor(path)(model).get_weights() for path in (run, exported)]
    for mine, served in zip(*found, strict=True):
        np.testing.assert_allclose(served, mine, atol=1e-6)


def test_an_export_edits_without_this_package(exported):
    """Flat weights through the signature `weights`, and whole graphs through `raw`, elsewhere."""
    out = subprocess.run(
        [sys.executable, str(CHECK), str(exported)], capture_output=True, text=True, cwd=exported, timeout=300
    )
    assert out.returncode == 0, out.stderr
    found = json.loads(out.stdout)
    assert found["networks"] == 3 and found["largest_difference"] < 1e-5
    assert found["modules"] == []


def test_the_card_tells_what_it_is(exported):
    text = (exported / "README.md").read_text()
    for part in (
        "dilate",
        "mean squared error",
        "gmn-tf train edit --zoo ZOO --out RUN --operation dilate",
        "weights",
    ):
        assert part in text
    metadata = json.loads((exported / "metadata.json").read_text())
    assert metadata["task"] == "edit" and metadata["training"]["task_options"]["operation"] == "dilate"
    assert metadata["evaluations"][0]["figures"]["unedited"]["mse"] > 0


def test_a_file_is_edited_into_a_file_that_keras_opens(exported, tmp_path):
    model = inr(seed=3)
    model.save(tmp_path / "in.keras")
    found = edit_file(
        tmp_path / "in.keras",
        tmp_path / "out.keras",
        model=exported,
        picture=tmp_path / "both.png",
        size=16,
    )
    code = (
        "import sys, keras, numpy as np; m = keras.models.load_model(sys.argv[1]); "
        "assert 'gmn_tf' not in sys.modules; np.save(sys.argv[2], m.predict_on_batch(np.load(sys.argv[3])))"
    )
    points = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
    np.save(tmp_path / "points.npy", points)
    paths = [tmp_path / "out.keras", tmp_path / "shown.npy", tmp_path / "points.npy"]
    subprocess.run([sys.executable, "-c", code, *map(str, paths)], check=True, cwd=tmp_path, timeout=300)
    expected = gmn_tf.load(exported)(model).predict_on_batch(points)
    np.testing.assert_allclose(np.load(tmp_path / "shown.npy"), expected, atol=1e-5)
    assert np.abs(expected - model.predict_on_batch(points)).max() > 1e-3
    assert found["operation"] == "dilate" and found["parameters"] == 105 and 0 < found["change"] < 10
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RunError, match="exists already"):
        edit_file(tmp_path / "in.keras", tmp_path / "out.keras", model=exported)
    with pytest.raises(RunError, match=r"ends in \.keras"):
        edit_file(tmp_path / "in.keras", tmp_path / "out.h5", model=exported)
    with pytest.raises(ModelFileError):
        edit_file(tmp_path / "none.keras", tmp_path / "new.keras", model=exported)


def test_a_picture_of_what_shows_none_is_refused_before_anything_is_written(exported, tmp_path):
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2)])
    network.save(tmp_path / "in.keras")
    with pytest.raises(InrError, match="expected an INR of pictures"):
        edit_file(tmp_path / "in.keras", tmp_path / "out.keras", model=exported, picture=tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.keras"]
    edit_file(tmp_path / "in.keras", tmp_path / "out.keras", model=exported)  # without one it is taken


def test_editors_and_predictors_are_told_apart(exported, run, tmp_path):
    for path in (exported, run):
        with pytest.raises(RunError, match="edits networks, expected a metanetwork that predicts"):
            load_predictor(path)
    with pytest.raises(RunError, match="predicts accuracies, expected a metanetwork that edits"):
        load_editor(None)


def test_the_command(exported, tmp_path, capsys):
    from gmn_tf.cli import app

    inr().save(tmp_path / "in.keras")
    arguments = [
        "edit",
        "--model",
        str(exported),
        str(tmp_path / "in.keras"),
        "--out",
        str(tmp_path / "out.keras"),
    ]
    app([*arguments, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["operation"] == "dilate"
    assert keras.models.load_model(tmp_path / "out.keras").count_params() == 105
