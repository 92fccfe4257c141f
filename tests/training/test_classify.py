"""Training classifiers: any method learns, is stored, opened and judged."""

from __future__ import annotations

import json

import gmn_tf  # noqa: F401  isort: skip

import made_up_inrs
import numpy as np
import pytest

from gmn_tf.errors import InrError, RunError, ZooError
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.models.registry import CLASSIFY
from gmn_tf.tasks import statnn_classifier
from gmn_tf.training.classify_task import ClassifyTask
from gmn_tf.training.evaluate_classes import evaluate_classes, table_text
from gmn_tf.training.fit import config_of, train
from gmn_tf.training.run import Run
from gmn_tf.training.settings import Settings

GMN = {"num_blocks": 1, "node_dim": 8, "edge_dim": 8, "message_dim": 8, "readout_dim": 8, "max_layers": 8}
SMALL = {
    "gmn": GMN,
    "nfn": {"width": 6, "num_layers": 1, "hidden_dim": 8, "max_layers": 8},
    "mlp": {"length": 40, "hidden_dim": 16, "max_layers": 8},
    "statnn": {},
}
BUDGET = {"epochs": 25, "batch_size": 8, "learning_rate": 1e-2, "averaging": 0.0}
QUIET = {"progress": False, "jit_compile": False}
CHANGES = {"noise": 0.02, "signs": 0.5, "translation": 0.05}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return made_up_inrs.write(tmp_path_factory.mktemp("classes") / "zoo")


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(statnn_classifier, "MAX_TREES", 10)
    monkeypatch.setattr(statnn_classifier, "LEAF_NODES", (4,))
    monkeypatch.setattr(statnn_classifier, "LEAF_SIZES", (3,))


def run_training(zoo, out, name, **further):
    task = ClassifyTask.of(zoo)
    own = {} if name == "statnn" else {"augment": CHANGES, **BUDGET}
    return train(task, zoo, out, method=name, **{**own, **SMALL[name], **QUIET, **further})


@pytest.fixture(scope="module")
def trained(zoo, tmp_path_factory):
    out = tmp_path_factory.mktemp("classifier") / "run"
    return out, run_training(zoo, out, "gmn")


def test_it_learns_the_labels(zoo, trained):
    out, summary = trained
    assert summary["validation"]["accuracy"] >= 0.85 and summary["validation"]["loss"] < 0.6
    stored = json.loads((out / "config.json").read_text())
    assert stored["task"] == CLASSIFY and stored["task_options"] == {"num_classes": 3}
    assert stored["settings"]["augment"] == CHANGES and stored["model"]["units"] == 3
    report = evaluate_classes(out, zoo, out=out / "evaluation", samples=50)
    figures = report["figures"]["graph metanetwork"]
    assert figures["accuracy"] >= 0.8 > report["figures"]["constant"]["accuracy"]
    assert report["accuracy_interval"]["low"] <= figures["accuracy"] <= report["accuracy_interval"]["high"]
    counts = np.array(report["confusion"])
    assert counts.sum() == 16 and np.trace(counts) / 16 == figures["accuracy"]
    assert "constant" in table_text(report) and "% right" in table_text(report)
    assert (out / "evaluation" / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_it_answers_alike_for_graphs_and_for_permuted_neurons(zoo, trained):
    run, test = Run.load(trained[0]), zoo.indices("test")
    probabilities = run.predict(zoo, test)
    assert probabilities.shape == (16, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    graph = ParameterGraph.from_keras(zoo.template(0))
    networks = [(graph, zoo.flat(int(number))) for number in test]
    np.testing.assert_allclose(run.predict_graphs(networks), probabilities, atol=1e-5)
    weights = made_up_inrs.ARCHITECTURE.weight_list(zoo.flat(int(test[0])))
    order = np.array([2, 0, 3, 1])
    weights = [weights[0][:, order], weights[1][order], weights[2][order], *weights[3:]]
    permuted = np.concatenate([array.ravel() for array in weights])
    assert np.abs(permuted - networks[0][1]).max() > 0.01
    np.testing.assert_allclose(run.predict_graphs([(graph, permuted)]), probabilities[:1], atol=1e-5)


@pytest.mark.parametrize("name", ["gmn_transformer", "gmn_probes"])
def test_variants_of_the_metanetwork_are_made(name, zoo):
    task = ClassifyTask.of(zoo)
    model = config_of(zoo, Settings.of(name, CLASSIFY), task)["model"]
    assert model["units"] == 3 and model["symmetry"] == "sign"
    assert (model["block"] == "transformer", model["num_probes"]) == {
        "gmn_transformer": (True, 0),
        "gmn_probes": (False, 16),
    }[name]


@pytest.mark.parametrize("name", ["nfn", "mlp", "statnn"])
def test_any_method_is_trained_stored_and_opened(name, zoo, tmp_path):
    summary = run_training(zoo, tmp_path / "run", name, **({} if name == "statnn" else {"epochs": 2}))
    assert summary["finished"] and set(summary["validation"]) == {"loss", "accuracy"}
    run, test = Run.load(tmp_path / "run"), zoo.indices("test")
    probabilities = run.predict(zoo, test)
    assert probabilities.shape == (16, 3) and np.ptp(probabilities) > 0
    if name != "statnn":  # the last layer is one of its own, and learns
        assert run.model.trainable_weights[-1].shape == (3,)
        assert np.abs(run.model.trainable_weights[-1].numpy()).max() > 1e-4
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    again = run_training(zoo, tmp_path / "run", name, **({} if name == "statnn" else {"epochs": 2}), say=str)
    assert not again["trained"]


def test_changes_differ_from_epoch_to_epoch_and_not_from_run_to_run(zoo, tmp_path):
    losses = [
        run_training(zoo, tmp_path / str(number), "mlp", epochs=2, dropout_rate=0.0, **further)["validation"][
            "loss"
        ]
        for number, further in enumerate(({}, {}, {"augment": False}))
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6) != losses[2]


def test_wrong_changes_zoos_and_tasks_are_refused(zoo, tmp_path, tiny_zoo):
    from gmn_tf.zoo.opening import open_zoo

    with pytest.raises(InrError, match="Unknown augmentation turning"):
        run_training(zoo, tmp_path / "a", "mlp", augment={"turning": 1})
    with pytest.raises(ZooError, match="without the column label"):
        ClassifyTask.of(open_zoo(tiny_zoo))
    run_training(zoo, tmp_path / "b", "statnn")
    other = made_up_inrs.write(tmp_path / "other")
    other.table["label"] = other.table["label"] + 3
    with pytest.raises(ZooError, match=r"received networks of class [345], expected classes up to 2"):
        evaluate_classes(tmp_path / "b", other)
    with pytest.raises(RunError, match="augment was"):
        run_training(zoo, tmp_path / "c", "mlp", epochs=1)
        run_training(zoo, tmp_path / "c", "mlp", epochs=1, augment=False)


def test_tensorboard_gets_the_confusion(zoo, trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained[0] / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {"validation/accuracy", "validation/loss", "train/loss", "confusion"} <= tags
