"""Baselines through the metanetwork's door: trained, stored, opened, judged, and in which setting."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gmn_tf.errors import RunError, ZooError
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.models.registry import METHODS
from gmn_tf.tasks import statnn, statnn_mlp
from gmn_tf.training.evaluate import evaluate, table_text
from gmn_tf.training.fit import change, train_accuracy
from gmn_tf.training.run import Run
from gmn_tf.training.settings import Settings
from gmn_tf.zoo import files, splits
from gmn_tf.zoo.store import Zoo

SMALL = {
    "deepsets": {"set_dim": 6, "readout_dim": 6, "num_layers": 1, "max_layers": 8, "epochs": 2},
    "dmc": {"length": 256, "filters": 2, "hidden_dim": 4, "max_layers": 8, "epochs": 2},
    "weight_transformer": {
        "max_tokens": 16,
        "token_dim": 8,
        "num_heads": 2,
        "num_blocks": 1,
        "hidden_dim": 4,
        "max_layers": 8,
        "epochs": 2,
    },
    "nfn": {"num_places": 3, "width": 4, "num_layers": 1, "hidden_dim": 4, "max_layers": 8, "epochs": 2},
    "gmn_probes": {
        "probes": 4,
        "probe_epochs": 2,
        "head_epochs": 3,
        "hidden_dim": 4,
        "epochs": 2,
        "metanetwork": {"num_blocks": 1, "node_dim": 4, "edge_dim": 4, "message_dim": 4, "readout_dim": 4},
    },
    "probes": {"probes": 4, "latent_dim": 4, "hidden_dim": 4, "hidden_layers": 1, "epochs": 2},
    "statnn": {},
    "statnn_mlp": {"hidden_dim": 4, "epochs": 3},
}
"""Arguments with which a method trains in seconds."""
FIGURES = {"loss", "r2", "tau", "mae"}


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(statnn, "MAX_TREES", 10)
    monkeypatch.setattr(statnn, "LEAF_NODES", (7,))
    monkeypatch.setattr(statnn, "LEAF_SIZES", (2, 5))
    monkeypatch.setattr(statnn_mlp, "DROPOUT_RATES", (0.1,))


@pytest.fixture
def two_settings(zoo_path, tmp_path) -> Path:
    """The zoo with files of splits: "low_data" has every other training network."""
    folder = Path(shutil.copytree(zoo_path, tmp_path / "two-settings"))
    drawn = Zoo.load(folder).table["split"]
    fewer = drawn.copy()
    fewer[np.flatnonzero(drawn == "train")[1::2]] = "none"
    written = splits.write(folder, {"all": drawn, "low_data": fewer})
    manifest = json.loads((folder / files.MANIFEST).read_text())
    manifest["files"] |= {name: files.fingerprint(folder / name) for name in written}
    (folder / files.MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"gmn"}))
def test_any_method_is_trained_stored_opened_and_left_alone(name, zoo, zoo_path, tmp_path):
    out = tmp_path / "run"
    arguments = {"method": name, "progress": False, "jit_compile": False, **SMALL[name]}
    summary = train_accuracy(zoo_path, out, **arguments)
    assert summary["trained"] and summary["method"] == name and summary["finished"]
    assert summary["parameters"] > 10 and summary["training_seconds"] > 0
    assert set(summary["validation"]) == FIGURES
    stored = json.loads((out / "summary.json").read_text())
    assert stored == {key: value for key, value in summary.items() if key not in ("run", "trained")}
    config = json.loads((out / "config.json").read_text())
    assert config["settings"]["method"] == name and config["settings"]["seed"] == 0
    with (out / "history.csv").open() as file:
        assert list(csv.DictReader(file))
    assert list(out.glob("best.*")) and not list(out.rglob(".*"))

    opened, test = Run.load(out), zoo.indices("test")
    predictions = opened.predict(zoo, test)
    assert predictions.dtype == np.float64 and predictions.shape == (len(test),)
    assert ((predictions >= 0) & (predictions <= 1)).all() and np.ptp(predictions) > 0
    order = np.random.default_rng(0).permutation(len(test))
    np.testing.assert_allclose(opened.predict(zoo, test[order]), predictions[order], atol=1e-6)

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    said: list[str] = []
    again = train_accuracy(zoo_path, out, say=said.append, **arguments)
    assert not again["trained"] and "finished already" in said[0]
    assert again["validation"] == stored["validation"]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    with pytest.raises(RunError, match="seed was 0, is 1"):
        train_accuracy(zoo_path, out, **arguments, seed=1)


def test_a_run_is_judged_in_the_setting_it_was_trained_in(two_settings, tmp_path):
    zoo = Zoo.load(two_settings)
    for setting in ("all", "low_data"):
        train_accuracy(two_settings, tmp_path / setting, method="statnn", setting=setting)
    test = zoo.indices("test")
    whole, half = (Run.load(tmp_path / setting).predict(zoo, test) for setting in ("all", "low_data"))
    assert np.abs(whole - half).max() > 1e-3
    by_hand = statnn.StatNN(0).fit(zoo, zoo.indices("train")[::2], validation=zoo.indices("validation"))
    np.testing.assert_allclose(half, by_hand.predict(zoo, test))

    report = evaluate(tmp_path / "low_data", zoo, out=tmp_path / "evaluation", samples=20)
    assert report["method"] == "statnn" and report["setting"] == "low_data"
    # Its own baseline is fitted in the same setting, with the same seed: the same trees.
    assert report["figures"]["metanetwork"] == report["figures"]["statnn"]
    assert report["metanetwork_minus_statnn"]["mae"]["difference"] == 0
    text = table_text(report)
    assert "StatNN, trees" in text and 'setting "low_data"' in text


def test_a_model_on_graphs_is_trained_in_its_setting(two_settings, tmp_path):
    arguments = {"method": "deepsets", "progress": False, "jit_compile": False, **SMALL["deepsets"]}
    zoo = Zoo.load(two_settings)
    summary = train_accuracy(two_settings, tmp_path / "run", setting="low_data", **arguments)
    assert summary["setting"] == "low_data"
    assert summary["networks_seen"] == summary["epochs"] * len(zoo.indices("train")[::2])


def test_a_setting_that_the_zoo_lacks_is_refused(zoo_path, tmp_path):
    with pytest.raises(ZooError, match='no setting "sideways": expected one of all'):
        train_accuracy(zoo_path, tmp_path / "run", method="statnn", setting="sideways")


def test_fitted_methods_know_the_settings_they_use_alone(zoo_path, tmp_path):
    """So that a row of a table is not made again because a setting changed that it never looks at."""
    train_accuracy(zoo_path, tmp_path / "run", method="statnn", epochs=5)
    said: list[str] = []
    again = train_accuracy(zoo_path, tmp_path / "run", method="statnn", epochs=9, say=said.append)
    assert not again["trained"]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["settings"] == {"method": "statnn", "setting": "all", "seed": 0}


def test_a_fitted_run_that_was_cut_off_is_fitted_again(zoo_path, tmp_path):
    train_accuracy(zoo_path, tmp_path / "run", method="statnn")
    (tmp_path / "run" / "summary.json").unlink()
    with pytest.raises(RunError, match="not finished"):
        Run.load(tmp_path / "run")
    assert train_accuracy(zoo_path, tmp_path / "run", method="statnn")["trained"]
    Run.load(tmp_path / "run")


@pytest.mark.parametrize("name", ["statnn", "statnn_mlp"])
def test_damaged_runs_are_refused(name, zoo_path, tmp_path):
    out = tmp_path / "run"
    train_accuracy(zoo_path, out, method=name, **SMALL[name])
    whole = (out / "best.npz").read_bytes()
    with np.load(out / "best.npz") as stored:
        arrays = dict(stored)
    for data in (whole[:100], whole[: len(whole) // 2], b""):
        (out / "best.npz").write_bytes(data)
        with pytest.raises(RunError, match="damaged"):
            Run.load(out)
    del arrays["value" if name == "statnn" else "weight-1"]
    np.savez(out / "best.npz", **arrays)
    with pytest.raises(RunError, match="damaged"):
        Run.load(out)


def test_what_reads_zoos_alone_is_not_for_graphs_nor_exported(zoo, zoo_path, tmp_path):
    from gmn_tf.export import export

    train_accuracy(zoo_path, tmp_path / "run", method="statnn")
    opened = Run.load(tmp_path / "run")
    graph = ParameterGraph.from_keras(zoo.template(0))
    with pytest.raises(RunError, match="reads networks of a zoo alone"):
        opened.predict_graphs([(graph, zoo.flat(0))])
    with pytest.raises(RunError, match="reads networks of a zoo alone"):
        export(tmp_path / "run", tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_predictions_do_not_need_the_zoo_it_was_trained_on(zoo, zoo_path, tmp_path):
    """All that was learnt is in the run: the trees answer for a copy of some of the networks."""
    train_accuracy(zoo_path, tmp_path / "run", method="statnn")
    expected = Run.load(tmp_path / "run").predict(zoo, zoo.indices("test"))
    copy = Zoo.load(shutil.copytree(zoo_path, tmp_path / "zoo"))
    copy.manifest["seed"] = 99
    copy.table["test_accuracy"] = copy.table["test_accuracy"] * 0
    found = Run.load(tmp_path / "run").predict(copy, copy.indices("test"))
    np.testing.assert_array_equal(found, expected)


def test_settings_of_a_method():
    assert Settings() == Settings.of("gmn")
    sets = Settings.of("deepsets", epochs=3)
    assert (sets.channels, sets.augment, sets.epochs, sets.model) == (1, False, 3, {})
    assert change(sets, set_dim=7).model == {"set_dim": 7}
    with pytest.raises(RunError, match=r"node_dim=3, expected one of .*set_dim"):
        change(sets, node_dim=3)
    with pytest.raises(RunError, match=r"start from Settings\.of"):
        change(sets, method="gmn")
    for wrong in ("magic", ""):
        with pytest.raises(RunError, match="received the method"):
            Settings.of(wrong)
    with pytest.raises(RunError, match="received the method"):
        Settings(method="magic")


def test_gmn_accepts_no_argument_of_another_method(zoo_path, tmp_path):
    with pytest.raises(RunError, match="set_dim=3, expected one of"):
        train_accuracy(zoo_path, tmp_path / "run", set_dim=3)
    assert not Path(tmp_path / "run").exists()
