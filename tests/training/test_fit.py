"""A whole run: what it writes, what it refuses, that it survives a kill and does not depend on replicas."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gmn_tf.errors import GmnError, RunError, SchemaError
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.tasks import statnn
from gmn_tf.tasks.metrics import r2
from gmn_tf.training.evaluate import evaluate, table_text
from gmn_tf.training.fit import train_accuracy
from gmn_tf.training.run import Run
from gmn_tf.training.state import State
from gmn_tf.training.structure import Structure

EPOCHS = 4
TIMEOUT = 400  # seconds; a process takes about 20 on a machine of its own
TINY = {
    "batch_size": 8,
    "learning_rate": 1e-2,
    "averaging": 0.5,
    "node_dim": 4,
    "edge_dim": 4,
    "message_dim": 4,
    "num_blocks": 1,
    "readout_dim": 4,
    "readout_heads": 1,
    "max_layers": 16,
    "max_groups": 16,
    "readout_dropout_rate": 0.0,  # chance would differ between replicas
    "group_dropout_rate": 0.0,
}
"""Settings of a metanetwork that traces and trains in seconds."""
WORKER = Path(__file__).with_name("worker.py")


def start(zoo_path, out, environment=None, **arguments) -> subprocess.Popen:
    text = json.dumps({**TINY, "epochs": EPOCHS, "jit_compile": False, **arguments})
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(zoo_path), str(out), text],
        env={**os.environ, "PYTHONPATH": root, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    return output


def history(run: Path) -> dict[str, np.ndarray]:
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "best"}


def same_curve(run: Path, reference: Path, tolerance: float = 1e-3) -> None:
    found, expected = history(run), history(reference)
    np.testing.assert_array_equal(found["epoch"], np.arange(1, EPOCHS + 1))
    for name in ("loss", "val_loss", "learning_rate"):
        np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def run(zoo_path, tmp_path_factory) -> Path:
    """An uninterrupted run on one device, under XLA."""
    out = tmp_path_factory.mktemp("fit") / "run"
    said: list[str] = []
    summary = train_accuracy(zoo_path, out, epochs=EPOCHS, progress=False, say=said.append, **TINY)
    assert summary["trained"] and summary["epochs"] == EPOCHS and not said
    return out


def test_run_folder(run, zoo):
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "best.weights.h5",
        "history.csv",
        "summary.json",
        "logs",
        "backup",
    }
    config = json.loads((run / "config.json").read_text())
    assert config["schema_version"] == 1 and config["settings"]["seed"] == 0 and config["zoo_hash"]
    assert config["model"]["node_dim"] == 4
    assert config["settings"]["method"] == "gmn" and config["settings"]["setting"] == "all"
    curve = history(run)
    assert curve["loss"][-1] < curve["loss"][0]
    best = State.load(run)
    assert best.best_loss == min(row["val_loss"] for row in best.history)


def test_summary_says_what_it_took(run, zoo):
    summary = json.loads((run / "summary.json").read_text())
    networks = len(zoo.indices("train"))
    assert summary["epochs"] == EPOCHS and summary["steps"] == EPOCHS * -(-networks // TINY["batch_size"])
    assert summary["networks_seen"] == EPOCHS * networks
    per_network = [
        Structure.of(ParameterGraph.from_keras(zoo.template(architecture)), channels=9).num_edges
        for architecture in zoo.table["architecture"][zoo.indices("train")]
    ]
    assert summary["edges_seen"] == EPOCHS * sum(per_network)
    trainable = Run.load(run).model.trainable_weights
    assert summary["parameters"] == sum(int(np.prod(v.shape)) for v in trainable)
    assert 0 < summary["training_seconds"] < TIMEOUT
    row = history(run)
    best = summary["best_epoch"] - 1
    assert summary["validation"]["loss"] == pytest.approx(row["val_loss"][best], rel=1e-4)
    assert summary["method"] == "gmn" and "epochs done" in summary["finished"]


def test_tensorboard_has_curves_and_pictures(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "logs"), size_guidance={"tensors": 0}).Reload()
    tags = set(events.Tags()["tensors"])
    scalars = {
        "train/loss",
        "train/learning_rate",
        *(f"validation/{n}" for n in ("loss", "r2", "tau", "mae")),
    }
    assert scalars | {"predicted against true"} <= tags
    assert len(events.Tensors("train/loss")) == EPOCHS


def test_loaded_run_predicts_what_was_judged(run, zoo):
    opened = Run.load(run)
    validation = zoo.indices("validation")
    predictions = opened.predict(zoo, validation)
    best = State.load(run)
    row = best.history[best.best_epoch - 1]
    assert r2(zoo.table["test_accuracy"][validation], predictions) == pytest.approx(row["val_r2"], abs=1e-4)
    networks = [
        (ParameterGraph.from_keras(zoo.template(int(zoo.table["architecture"][i]))), zoo.flat(int(i)))
        for i in validation
    ]
    np.testing.assert_allclose(opened.predict_graphs(networks), predictions, atol=1e-6)


def test_evaluate_reports_and_draws(run, zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(statnn, "MAX_TREES", 20)
    monkeypatch.setattr(statnn, "LEAF_NODES", (7,))
    report = evaluate(run, zoo, out=tmp_path / "evaluation", samples=50)
    assert json.loads((tmp_path / "evaluation" / "report.json").read_text()) == report
    assert (tmp_path / "evaluation" / "scatter.png").read_bytes()[:4] == b"\x89PNG"
    assert set(report["figures"]) == {"metanetwork", "statnn", "constant"}
    assert report["trained_on_this_zoo"] and report["networks"] == 9
    assert report["figures"]["constant"]["tau"] is None
    apart = report["metanetwork_minus_statnn"]["r2"]
    expected = report["figures"]["metanetwork"]["r2"] - report["figures"]["statnn"]["r2"]
    assert apart["difference"] == pytest.approx(expected)
    text = table_text(report)
    assert "StatNN" in text and f"{report['figures']['statnn']['r2']:.3f}" in text


def test_finished_run_says_so_and_does_nothing(run, zoo_path):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    said: list[str] = []
    summary = train_accuracy(zoo_path, run, epochs=EPOCHS, progress=False, say=said.append, **TINY)
    assert not summary["trained"] and "finished already" in said[0]
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_refusals(run, zoo_path, tmp_path):
    with pytest.raises(RunError, match=r"learning_rate was 0\.01, is 0\.02"):
        train_accuracy(zoo_path, run, epochs=EPOCHS, progress=False, **{**TINY, "learning_rate": 0.02})
    with pytest.raises(RunError, match="node_dim was 4, is 5"):
        train_accuracy(zoo_path, run, epochs=EPOCHS, progress=False, **{**TINY, "node_dim": 5})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(RunError, match="other things"):
        train_accuracy(zoo_path, tmp_path / "full", progress=False)
    with pytest.raises(RunError, match="is a file"):
        train_accuracy(zoo_path, tmp_path / "full" / "note.txt", progress=False)
    for wrong in ({"epochs": 0}, {"nonsense": 1}, {"strategy": "magic"}, {"units": 3}, {"averaging": 1.0}):
        with pytest.raises(GmnError, match="received"):
            train_accuracy(zoo_path, tmp_path / "new", progress=False, **wrong)
    assert not (tmp_path / "new").exists()


def test_damaged_runs_are_refused(run, tmp_path):
    import shutil

    copy = Path(shutil.copytree(run, tmp_path / "run"))
    (copy / "best.weights.h5").write_bytes((run / "best.weights.h5").read_bytes()[:2000])
    with pytest.raises(RunError, match="damaged"):
        Run.load(copy)
    (copy / "best.weights.h5").unlink()
    with pytest.raises(RunError, match="no epoch is finished"):
        Run.load(copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "schema_version": 0}))
    with pytest.raises(SchemaError, match="schema 0"):
        Run.load(copy)
    (copy / "backup" / "state.npz").write_bytes(b"PK")
    with pytest.raises(RunError, match="damaged"):
        State.load(copy)
    with pytest.raises(RunError, match="not a training run"):
        Run.load(tmp_path)


def test_patience_and_best_survive_in_the_state(tmp_path):
    state = State()
    judged = []
    for epoch, loss in enumerate([0.5, 0.4, 0.45, 0.42], start=1):
        state.epoch = epoch
        judged.append(state.judge(loss, [np.array([float(epoch)])]))
    assert judged == [True, True, False, False]
    state.save(tmp_path)
    again = State.load(tmp_path)
    assert (again.best_loss, again.best_epoch, again.waited) == (0.4, 2, 2)
    again.epoch = 5
    assert not again.judge(0.41, [np.array([5.0])])
    assert again.best_weights[0] == [2.0] and again.waited == 3


def test_a_time_limit_stops_after_an_epoch_and_the_rest_follows(run, zoo_path, tmp_path):
    out = tmp_path / "limited"
    arguments = {"epochs": EPOCHS, "progress": False, **TINY}
    first = train_accuracy(zoo_path, out, time_limit=1e-3, jit_compile=False, **arguments)
    assert first["epochs"] == 1 and not first["finished"]
    assert json.loads((out / "summary.json").read_text())["finished"] == ""
    said: list[str] = []
    rest = train_accuracy(zoo_path, out, jit_compile=False, say=said.append, **arguments)
    assert "goes on after epoch 1" in said[0] and rest["epochs"] == EPOCHS
    assert rest["training_seconds"] > first["training_seconds"]
    same_curve(out, run)
    with pytest.raises(RunError, match="time_limit=0, expected seconds"):
        train_accuracy(zoo_path, tmp_path / "new", time_limit=0, **arguments)


def test_runs_of_the_first_version_go_on(run, zoo_path, tmp_path):
    """They name neither a method nor a setting, and keep no account of time."""
    import shutil

    copy = Path(shutil.copytree(run, tmp_path / "run"))
    config = json.loads((copy / "config.json").read_text())
    del config["settings"]["method"], config["settings"]["setting"]
    (copy / "config.json").write_text(json.dumps(config))
    state = State.load(copy)
    state.plan, state.seconds = {}, 0.0
    state.save(copy)
    summary = train_accuracy(zoo_path, copy, epochs=EPOCHS, progress=False, say=lambda text: None, **TINY)
    assert not summary["trained"] and summary["parameters"] is None and summary["training_seconds"] is None
    assert Run.load(copy).setting == "all"


def test_killed_on_two_replicas_and_resumed_on_one(run, zoo, zoo_path, tmp_path):
    """SIGKILL in the middle of epoch 3 of a run on two replicas, which then goes on on one device."""
    out = tmp_path / "killed"
    process = start(zoo_path, out, strategy="mirrored", replicas=2, kill=[2, 1])
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGKILL, output
    before = State.load(out)
    assert before.epoch == 2 and not before.finished
    assert len(history(out)["epoch"]) == 2
    assert not list(out.rglob(".*")), "nothing half-written"
    for row, expected in zip(before.history, State.load(run).history, strict=False):
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-3)
        assert row["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-3)

    said: list[str] = []
    train_accuracy(zoo_path, out, epochs=EPOCHS, jit_compile=False, progress=False, say=said.append, **TINY)
    assert "goes on after epoch 2" in said[0]
    after, whole = State.load(out), State.load(run)
    same_curve(out, run)
    assert after.history[:2] == before.history
    assert (after.best_epoch, after.waited) == (whole.best_epoch, whole.waited)
    assert after.best_loss == pytest.approx(whole.best_loss, rel=1e-3)
    predictions = [Run.load(folder).predict(zoo, zoo.indices("test")) for folder in (out, run)]
    np.testing.assert_allclose(*predictions, atol=1e-3)


def test_two_workers_give_the_same_curve(run, zoo_path, tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    processes = [
        start(
            zoo_path,
            tmp_path / "workers",
            {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})},
            strategy="multiworker",
        )
        for index in range(2)
    ]
    for process in processes:
        finish(process)
    same_curve(tmp_path / "workers", run)


@pytest.mark.parametrize(
    "text", ["", "{", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 4}}']
)
def test_bad_tf_config_is_refused(text, monkeypatch):
    from gmn_tf.training.strategy import place

    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(RunError, match="TF_CONFIG"):
        place("multiworker")
