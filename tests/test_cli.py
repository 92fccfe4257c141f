"""The command line: every --help, and one sentence with exit code 2 for each kind of bad input."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from gmn_tf import cli
from gmn_tf.graph import schema

COMMANDS = ["inspect", "check", "zoo", "train", "train accuracy", "evaluate", "export", "predict", "rank"]
COMMANDS += ["render"]


@pytest.fixture
def gmn_tf(monkeypatch, capsys):
    """Runs the command line in this process; returns exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["gmn-tf", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def refused(gmn_tf):
    """Runs the command line, expects bad input, and returns the one sentence it says."""

    def run(*arguments):
        code, _, err = gmn_tf(*arguments)
        assert code == 2, err
        assert "Traceback" not in err
        lines = [line for line in err.splitlines() if line.strip()]
        assert len(lines) == 1 and lines[0].startswith("gmn-tf: ") and lines[0].endswith("."), err
        return lines[0]

    return run


@pytest.fixture
def model_file(tmp_path):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)]
    )
    model.save(tmp_path / "good.keras")
    return tmp_path / "good.keras"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_tells_what_the_command_does(gmn_tf, command):
    code, out, _ = gmn_tf(*command.split(), "--help")
    assert code == 0
    assert f"Usage: gmn-tf {command}".strip() in out
    assert len(out.split()) > 30


def test_help_is_quick_and_alike_for_both_names():
    outputs = set()
    for start in (
        [sys.executable, "-m", "gmn_tf"],
        [sys.executable, "-c", "from gmn_tf.cli import main; main()"],
    ):
        elapsed = []
        for _ in range(3):
            began = os.times()
            done = subprocess.run([*start, "zoo", "--help"], capture_output=True, text=True, check=True)
            ended = os.times()  # processor time: others may be using this machine
            elapsed.append(sum(ended[2:4]) - sum(began[2:4]))
        outputs.add(done.stdout)
        assert min(elapsed) < 1.0
    assert len(outputs) == 1


def test_version(gmn_tf):
    assert gmn_tf("--version")[:2] == (0, "0.1.0\n")


@pytest.mark.parametrize(
    "arguments", [["inspect"], ["zoo"], ["no-such-command"], ["inspect", "--no-such-option"]]
)
def test_wrong_usage_exits_with_2(gmn_tf, arguments):
    code, _, err = gmn_tf(*arguments)
    assert code == 2 and "Usage:" in err and "Traceback" not in err


def test_inspect_accounts_for_every_weight(gmn_tf, model_file):
    code, out, _ = gmn_tf("inspect", model_file, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["weights_in_model"] == facts["num_parameters"] == 3 * 4 + 4 + 4 * 2 + 2
    assert facts["left_out"] == facts["state"] == 0
    assert sum(facts["edges_by_type"].values()) == facts["num_edges"]
    assert sum(facts["nodes_by_type"].values()) == facts["num_nodes"]


def test_inspect_prints_and_draws(gmn_tf, model_file, tmp_path):
    code, out, _ = gmn_tf("inspect", model_file, "--plot", tmp_path / "graph.png")
    assert code == 0
    assert "26 weights in the model: 26 on edges, 0 left out" in out
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_check_passes_on_a_sound_model(gmn_tf, model_file):
    code, out, _ = gmn_tf("check", model_file, "--json")
    report = json.loads(out)
    assert code == 0 and report["passed"] and report["round_trip_exact"]
    assert report["group_order"] == 24  # the four hidden neurons


def test_check_says_when_it_cannot_tell(gmn_tf, tmp_path):
    """exp(exp(...)) of anything overflows: exit code 1."""
    a = keras.Input((3,))
    x = keras.layers.Dense(4)(a)
    for _ in range(4):
        x = keras.ops.exp(20.0 * x)
    keras.Model(a, keras.layers.Dense(2)(x)).save(tmp_path / "m.keras")
    code, out, _ = gmn_tf("check", tmp_path / "m.keras")
    assert code == 1 and "CANNOT TELL" in out
    code, out, _ = gmn_tf("check", tmp_path / "m.keras", "--json")
    report = json.loads(out)
    assert code == 1 and report["verdict"] == "cannot tell" and not report["passed"]
    assert report["round_trip_exact"]


def test_numbers_that_json_does_not_have_are_null(capsys):
    from gmn_tf.commands import console

    console.print_json({"a": float("nan"), "b": [np.float32("inf"), -np.inf, 1.5]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, None, 1.5]}


def test_weights_alone_are_looked_at_with_their_architecture(gmn_tf, refused, model_file, tmp_path):
    model = keras.saving.load_model(model_file)
    model.save_weights(tmp_path / "ckpt.weights.h5")
    arguments = [tmp_path / "ckpt.weights.h5", "--architecture", model_file]
    code, out, _ = gmn_tf("inspect", *arguments, "--json")
    assert code == 0 and json.loads(out)["num_parameters"] == 26
    code, out, _ = gmn_tf("check", *arguments, "--json")
    assert code == 0 and json.loads(out)["passed"]
    for command in ("inspect", "check"):
        assert "without an architecture" in refused(command, tmp_path / "ckpt.weights.h5")
        assert "no such file" in refused(command, tmp_path / "none.h5", *arguments[1:])
        assert "no such file" in refused(command, arguments[0], "--architecture", tmp_path / "none.keras")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)]).save_weights(tmp_path / "other.weights.h5")
    assert "saved from" in refused("check", tmp_path / "other.weights.h5", *arguments[1:])


@pytest.mark.parametrize("command", ["inspect", "check"])
def test_files_that_are_no_model(refused, tmp_path, model_file, command):
    whole = model_file.read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.keras").write_text("hello")
    assert "cut short" in refused(command, tmp_path / "cut.keras")
    assert "no zip archive" in refused(command, tmp_path / "text.keras")
    assert "no such file" in refused(command, tmp_path / "none.keras")
    assert "this is a folder" in refused(command, tmp_path)


@pytest.mark.parametrize("command", ["inspect", "check"])
def test_models_that_are_refused(refused, tmp_path, command):
    def save(name, *layers):
        model = keras.Sequential([keras.Input((3,)), *layers])
        model.save(tmp_path / name)
        return model

    save("lambda.keras", keras.layers.Lambda(lambda x: x + 1))
    assert "never run" in refused(command, tmp_path / "lambda.keras")
    model = save("nan.keras", keras.layers.Dense(2))
    model.set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    model.save(tmp_path / "nan.keras")
    assert "NaN or infinite" in refused(command, tmp_path / "nan.keras")


def test_an_unsupported_layer_is_named_with_the_way_out(refused, tmp_path, unsupported_layer):
    layer, shape = unsupported_layer
    # Behind weights: what reads inputs alone needs no converter.
    keras.Sequential([keras.Input(shape), keras.layers.Dense(*shape), layer]).save(tmp_path / "m.keras")
    sentence = refused("inspect", tmp_path / "m.keras")
    assert layer.name in sentence and type(layer).__name__ in sentence and "register_converter" in sentence


@pytest.fixture
def unsupported_layer():
    return keras.layers.MelSpectrogram(fft_length=64, sequence_stride=32, name="far_out"), (256,)


def test_zoos_that_cannot_be_used(refused, tmp_path, tiny_zoo):
    run = tmp_path / "run"
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("train", "accuracy", "--zoo", tmp_path / "empty", "--out", run)
    assert "none" in refused("train", "accuracy", "--zoo", tmp_path / "none", "--out", run)
    weights = next(tiny_zoo.glob("weights-*.npy"))
    weights.write_bytes(weights.read_bytes()[:-100])
    assert weights.name in refused("train", "accuracy", "--zoo", tiny_zoo, "--out", run)
    assert not run.exists()


def test_zoo_refuses_a_folder_with_something_else(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert "exists" in refused("zoo", "--out", tmp_path, "--size", "3")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--size", "0"],
        ["--data", "imagenet"],
        ["--family", "gpt"],
        ["--workers", "0"],
        ["--family", "small_cnn_zoo", "--keras", "2"],
        ["--family", "small_cnn_zoo", "--data", "patches"],
    ],
)
def test_zoo_refuses_settings_that_make_no_zoo(refused, tmp_path, arguments):
    refused("zoo", "--out", tmp_path / "zoo", *arguments)
    assert not list(tmp_path.iterdir())


def test_train_and_evaluate_and_export_refuse_what_is_no_run(refused, tmp_path, tiny_zoo):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("mine")
    assert "notes" in refused("train", "accuracy", "--zoo", tiny_zoo, "--out", tmp_path / "notes")
    for run in (tmp_path / "none", tmp_path / "notes"):
        assert str(run) in refused("evaluate", "--run", run, "--zoo", tiny_zoo)
        assert str(run) in refused("export", "--run", run, "--out", tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_baseline_is_trained_and_judged(gmn_tf, tmp_path, tiny_zoo):
    run = tmp_path / "run"
    begin = ["train", "accuracy", "--zoo", tiny_zoo, "--out", run, "--method", "statnn"]
    code, out, _ = gmn_tf(*begin, "--json")
    summary = json.loads(out)
    assert code == 0 and summary["method"] == "statnn" and summary["trained"]
    assert set(summary["validation"]) == {"loss", "r2", "tau", "mae"}
    code, out, _ = gmn_tf(*begin)
    assert code == 0 and "finished already" in out and "R2" in out
    code, out, _ = gmn_tf("evaluate", "--run", run, "--zoo", tiny_zoo)
    assert code == 0 and "StatNN, trees" in out and "4 test networks" in out


def test_train_refuses_methods_settings_and_arguments_that_are_not_there(refused, tmp_path, tiny_zoo):
    begin = ["train", "accuracy", "--zoo", tiny_zoo, "--out", tmp_path / "run"]
    assert "'magic', expected one of gmn, deepsets" in refused(*begin, "--method", "magic")
    assert "num_blocks=2" in refused(*begin, "--method", "deepsets", "--num-blocks", "2")
    said = refused(*begin, "--method", "statnn", "--setting", "wider")
    assert 'no setting "wider": expected one of all' in said
    assert "time_limit=0" in refused(*begin, "--method", "statnn", "--time-limit", "0")


def test_predict_refuses_what_is_no_metanetwork(refused, tmp_path, model_file):
    assert "nothing" in refused("predict", "--model", tmp_path / "none", model_file)
    assert "a file" in refused("predict", "--model", model_file, model_file)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "saved_model.pb").write_bytes(b"")
    assert "metadata.json" in refused("predict", "--model", tmp_path / "other", model_file)
    old = {"schema_version": schema.SCHEMA_VERSION + 1, "num_channels": 1, "gmn_tf_version": "9.9"}
    (tmp_path / "other" / "metadata.json").write_text(json.dumps(old))
    assert "9.9" in refused("predict", "--model", tmp_path / "other", model_file)
    (tmp_path / "other" / "metadata.json").write_text("{")
    assert "damaged" in refused("predict", "--model", tmp_path / "other", model_file)


def test_predict_uses_the_general_metanetwork_by_default(
    gmn_tf, refused, model_file, _judge, tmp_path, monkeypatch
):
    from gmn_tf import savedmodels

    monkeypatch.setattr(savedmodels, "FOLDERS", (tmp_path / "empty",))
    assert "without its general metanetwork" in refused("predict", model_file)
    monkeypatch.setattr(savedmodels, "FOLDERS", (_judge.parent,))
    monkeypatch.setattr(savedmodels, "DEFAULT", _judge.name)
    code, out, _ = gmn_tf("predict", model_file, "--json")
    answer = json.loads(out)
    assert code == 0 and answer["model"] == str(_judge)
    (row,) = answer["predictions"]
    assert 0 < row["predicted"] < 1 and row["distance"] > 2 and row["percentile"] == 100
    assert row["range"] == "unlike its training networks"
    code, out, _ = gmn_tf("predict", "--model", _judge.name, model_file)
    assert code == 0 and f"{row['distance']:.2f}" in out and "unlike its training networks" in out
    assert "1 of 1 are unlike anything" in out


def test_predict_refuses_tables_it_cannot_read(refused, tmp_path, model_file):
    arguments = ["predict", "--model", tmp_path, model_file, "--measured"]
    assert "no such file" in refused(*arguments, tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert "columns file and test_accuracy" in refused(*arguments, tmp_path / "other.csv")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "x.npy"),
        OSError(
            "Can't write data (file write failed: errno = 28, error message = 'No space left on device')"
        ),
        RuntimeError("save failed"),
    ],
)
def test_a_full_disk_is_one_sentence(refused, monkeypatch, model_file, tmp_path, error):
    from gmn_tf.graph.parameter_graph import ParameterGraph

    if isinstance(error, RuntimeError):
        error.__cause__ = OSError(errno.ENOSPC, "No space left on device")

    def plot(self, path, **kwargs):
        raise error

    monkeypatch.setattr(ParameterGraph, "plot", plot)
    assert "No space left on device" in refused("inspect", model_file, "--plot", tmp_path / "x.png")


def test_other_failures_of_the_system_are_one_sentence(refused, monkeypatch, model_file, tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refused("inspect", model_file, "--plot", tmp_path / "file" / "x.png")


def test_a_bug_keeps_its_traceback(gmn_tf, monkeypatch, model_file):
    from gmn_tf.graph.parameter_graph import ParameterGraph

    def fail(self):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(ParameterGraph, "summary", fail)
    monkeypatch.setattr(sys, "argv", ["gmn-tf", "inspect", str(model_file)])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_render_writes_the_picture(gmn_tf, refused, model_file, tmp_path):
    from matplotlib.image import imread

    from gmn_tf.inr.architecture import InrArchitecture
    from gmn_tf.inr.rendering import render_image

    architecture = InrArchitecture(hidden=(5,))
    inr = architecture.keras_model()
    inr.set_weights(architecture.weight_list(architecture.initial(1, seed=0)[0]))
    inr.save(tmp_path / "inr.keras")
    picture = tmp_path / "new" / "picture.png"
    code, out, _ = gmn_tf("render", tmp_path / "inr.keras", "--size", "6x9", "--out", picture, "--json")
    assert code == 0 and json.loads(out)["shape"] == [6, 9, 1]
    shown = imread(picture)
    assert shown.shape[:2] == (6, 9)
    np.testing.assert_allclose(shown[..., 1], np.clip(render_image(inr, 6, 9)[..., 0], 0, 1), atol=0.003)
    assert "--size 6x: expected pixels a side" in refused(
        "render", model_file, "--size", "6x", "--out", picture
    )
    assert "expected an INR of pictures" in refused("render", model_file, "--out", picture)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--recipe", "nfn"], "Received --recipe, which only INRs have"),
        (["--family", "siren", "--hidden", "3,x"], "expected numbers of units, such as 32,32"),
        (["--family", "siren", "--keras", "2"], "which INRs do not have"),
        (["--family", "siren", "--size", "7", "--per-image", "2"], "expected a multiple of 2"),
    ],
)
def test_options_of_inrs_are_for_inrs(refused, tmp_path, arguments, sentence):
    assert sentence in refused("zoo", "--out", tmp_path / "zoo", *arguments)
    assert list(tmp_path.iterdir()) == []
