"""Exports: what is served equals the metanetwork, also where this package cannot be imported."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn
from small_exports import metanetwork

import gmn_tf
from gmn_tf import serving
from gmn_tf.errors import RunError, SchemaError, ZooError
from gmn_tf.export import export, load
from gmn_tf.export_kinds import KINDS
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.predictor import Predictor, merge, raw_columns
from gmn_tf.training.structure import Structure

CHECK_SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "check_export.py"


def networks():
    """Models of different kinds and sizes."""
    layers = keras.layers
    keras.utils.set_random_seed(1)
    image = keras.Input((6, 6, 2))
    return [
        keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(2)]),
        keras.Sequential(
            [image, layers.Conv2D(3, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(2)]
        ),
        keras.Sequential([image, layers.Conv2D(4, 5), layers.GlobalAveragePooling2D(), layers.Dense(3)]),
    ]


@pytest.fixture(scope="module", params=[1, 9], ids=["plain", "bundled"])
def served(request):
    """A metanetwork, the functions that serve it, and its own answers on the networks."""
    model = metanetwork(request.param)
    answers = []
    for network in networks():
        graph = ParameterGraph.from_keras(network)
        tensor = Structure.of(graph, channels=request.param).graph_tensor(graph.flatten(network))
        answers.append(float(tf.sigmoid(model(tensor)[0, 0])))
    assert np.ptp(answers) > 1e-3  # else agreement would say nothing
    return model, serving.AccuracyServer(model), np.array(answers)


def records():
    graphs = [ParameterGraph.from_keras(network) for network in networks()]
    tensors = [
        Structure.of(graph).graph_tensor(graph.flatten(network))
        for graph, network in zip(graphs, networks(), strict=True)
    ]
    return [tfgnn.write_example(tensor).SerializeToString() for tensor in tensors]


def test_serialized_examples_answer_like_the_metanetwork(served):
    _, server, answers = served
    together = server.serving_default(tf.constant(records()))[serving.OUTPUT]
    assert together.shape == (3,) and together.dtype == tf.float32
    np.testing.assert_allclose(together, answers, rtol=1e-5)
    for record, answer in zip(records(), answers, strict=True):
        alone = server.serving_default(tf.constant([record]))[serving.OUTPUT]
        np.testing.assert_allclose(alone, [answer], rtol=1e-5)


def test_raw_tensors_answer_like_the_metanetwork(served):
    """Edges with as many values as the metanetwork's, and plain ones, which every metanetwork takes."""
    model, server, answers = served
    for channels in {1, model.num_channels}:
        columns = []
        for network in networks():
            graph = ParameterGraph.from_keras(network)
            columns.append(raw_columns(Structure.of(graph, channels=channels), graph.flatten(network)))
        raw = {name: tf.constant(column) for name, column in merge(columns).items()}
        np.testing.assert_allclose(server.raw(**raw)[serving.OUTPUT], answers, rtol=1e-5)


def test_requests_that_do_not_fit_fail_with_a_reason(served):
    _, server, _ = served
    graph = ParameterGraph.from_keras(networks()[0])
    good = raw_columns(Structure.of(graph), graph.flatten(networks()[0]))
    cases = {
        "node_sizes must add up": {serving.NODE_SIZES: good[serving.NODE_SIZES] + 1},
        "edge_layer has another number of rows": {"edge_layer": good["edge_layer"][:-1]},
        "names a node that is not there": {"edge_source": good["edge_source"] + 1000},
        "values? per edge": {"edge_value": np.repeat(good["edge_value"], 4, axis=1)},
    }
    for message, change in cases.items():
        columns = {name: tf.constant(column) for name, column in {**good, **change}.items()}
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            server.raw(**columns)
    with pytest.raises(tf.errors.InvalidArgumentError):
        server.serving_default(tf.constant([b""]))


def test_predictor_takes_models_and_files_one_or_many(served, tmp_path, monkeypatch):
    model, server, answers = served
    predictor = Predictor(server.raw, num_channels=model.num_channels, metadata={}, owner=server)
    inputs = networks()
    inputs[1].save(tmp_path / "one.keras")
    inputs[1] = tmp_path / "one.keras"
    together = predictor(inputs)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, answers, rtol=1e-5)
    np.testing.assert_allclose(predictor(str(tmp_path / "one.keras")), answers[1], rtol=1e-5)
    assert np.shape(predictor(inputs[0])) == () and predictor([]).shape == (0,)
    monkeypatch.setattr("gmn_tf.predictor.MAX_EDGES", 100)  # a call for each network
    np.testing.assert_allclose(predictor(inputs), answers, rtol=1e-5)


@pytest.fixture
def run_folder(_judge_run):
    return _judge_run


@pytest.fixture
def exported(_judge):
    return _judge


def test_a_process_without_this_package_gets_the_same_answers(exported):
    done = subprocess.run(
        [sys.executable, CHECK_SCRIPT, exported], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "3 networks" in done.stdout and "in distance, passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "change"), [("accuracy", 1e-3), pytest.param("distance", 1e-2, marks=pytest.mark.slow)]
)
def test_the_check_of_an_export_can_fail(exported, tmp_path, name, change):
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    answers = json.loads((copy / "check" / "answers.json").read_text())
    answers[name][1] += change
    (copy / "check" / "answers.json").write_text(json.dumps(answers))
    done = subprocess.run([sys.executable, CHECK_SCRIPT, copy], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "FAILED" in done.stdout


def test_run_and_export_load_alike(run_folder, exported):
    from_export, from_run = gmn_tf.load(exported), gmn_tf.load(run_folder)
    np.testing.assert_allclose(from_export(networks()), from_run(networks()), rtol=1e-5)
    assert from_export.metadata["num_channels"] == from_run.metadata["num_channels"] == 9


def test_existing_folders_are_replaced_only_when_asked_and_only_exports(run_folder, exported, tmp_path):
    with pytest.raises(RunError, match="exists already"):
        export(run_folder, exported)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="not an export"):
        export(run_folder, tmp_path / "mine", overwrite=True)
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    (copy / "old.txt").write_text("old")
    export(run_folder, copy, overwrite=True)
    assert not (copy / "old.txt").exists() and (copy / "saved_model.pb").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "mine"]


def test_nothing_is_left_behind_when_writing_fails(run_folder, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(KINDS, "accuracy", dataclasses.replace(KINDS["accuracy"], card=full))
    with pytest.raises(OSError, match="No space"):
        export(run_folder, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_is_no_run_is_refused_before_anything_is_written(run_folder, tmp_path):
    with pytest.raises(RunError, match=r"config\.json"):
        export(tmp_path / "none", tmp_path / "out")
    with pytest.raises(ZooError, match="not a zoo"):
        export(run_folder, tmp_path / "out", zoo=tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_damaged_exports_and_other_schemas_are_refused(exported, tmp_path):
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    metadata = json.loads((copy / "metadata.json").read_text())
    (copy / "metadata.json").write_text(json.dumps({**metadata, "schema_version": 99}))
    with pytest.raises(SchemaError, match=r"schema version 99 .* draws version"):
        load(copy)
    (copy / "metadata.json").write_text(json.dumps(metadata))
    whole = (copy / "saved_model.pb").read_bytes()
    (copy / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match="cannot be read"):
        load(copy)
    with pytest.raises(RunError, match="expected the folder of a run or an export"):
        load(copy / "saved_model.pb")


def test_checkpoints_of_one_architecture_are_judged(exported, tmp_path, monkeypatch, capsys):
    """A folder of `.weights.h5` files and the `.keras` file of their run: as the models themselves."""
    from gmn_tf import cli

    models = [networks()[1] for _ in range(3)]
    rng = np.random.default_rng(0)
    files = []
    for number, model in enumerate(models):
        model.set_weights([w + rng.uniform(0.0, 0.5, w.shape) for w in model.get_weights()])
        files.append(tmp_path / f"epoch-{number}.weights.h5")
        model.save_weights(files[-1])
    models[0].save(tmp_path / "model.keras")
    judge = load(exported)
    answers = judge(models)
    assert np.ptp(answers) > 1e-4  # else agreement would say nothing
    np.testing.assert_allclose(judge(files, architecture=networks()[1]), answers, rtol=1e-5)
    mixed = [files[2], tmp_path / "model.keras", models[1]]
    together = judge(mixed, architecture=tmp_path / "model.keras")
    np.testing.assert_allclose(together, answers[[2, 0, 1]], rtol=1e-5)
    with pytest.raises(gmn_tf.GmnError, match="saved from"):
        judge(files[0], architecture=networks()[2])

    arguments = ["predict", "--model", exported, "--json", "--architecture", tmp_path / "model.keras", *files]
    monkeypatch.setattr(sys, "argv", ["gmn-tf", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert [row["file"] for row in rows] == [str(file) for file in files]
    np.testing.assert_allclose([row["predicted"] for row in rows], answers, rtol=1e-5)
