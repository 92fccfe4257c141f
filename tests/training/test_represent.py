"""Training representations without labels: views, any method, regression from what is frozen."""

from __future__ import annotations

import json

import gmn_tf  # noqa: F401  isort: skip

import made_up_inrs
import numpy as np
import pytest

from gmn_tf.errors import RunError, ZooError
from gmn_tf.models.registry import REPRESENT, methods
from gmn_tf.training import pipeline
from gmn_tf.training.evaluate_representations import evaluate_representations, project, table_text
from gmn_tf.training.fit import train
from gmn_tf.training.inr_change import inr_change
from gmn_tf.training.plan import Planner
from gmn_tf.training.population import Population
from gmn_tf.training.represent_task import RepresentTask
from gmn_tf.training.run import Run

GMN = {"num_blocks": 1, "node_dim": 8, "edge_dim": 8, "message_dim": 8, "readout_dim": 8}
SMALL = {
    "gmn": {**GMN, "readout_members": 1},
    "nfn": {"width": 6, "num_layers": 1, "hidden_dim": 8},
    "mlp": {"length": 40, "hidden_dim": 16},
}
BUDGET = {"epochs": 6, "batch_size": 16, "learning_rate": 1e-2, "progress": False, "jit_compile": False}
CHANGES = {"noise": 0.05, "signs": 0.5}
TASK = RepresentTask(8, 0.2)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return made_up_inrs.write(tmp_path_factory.mktemp("waves") / "zoo")


def run_training(zoo, out, name="gmn", **further):
    own = {} if name == "statistics" else {"augment": CHANGES, **BUDGET, **SMALL[name]}
    return train(TASK, zoo, out, method=name, **{**own, **further})


@pytest.fixture(scope="module")
def trained(zoo, tmp_path_factory):
    out = tmp_path_factory.mktemp("representation") / "run"
    return out, run_training(zoo, out)


def test_each_network_is_twice_in_a_batch_changed_each_time(zoo):
    population = Population.from_zoo(zoo, zoo.indices("train")[:6])
    population.change = inr_change(zoo, {"noise": 0.1})
    planner = Planner(population.num_edges, 4, seed=0)
    budget = planner.budget(population.num_nodes, epochs=1)
    targets = TASK.targets(zoo, zoo.indices("train")[:6])
    first, last = pipeline.training_dataset(population, targets, planner, budget, views=2).take(2)
    for (graph, target, weight), real in ((first, 3), (last, 3)):
        target, weight = target.numpy()[:, 0], weight.numpy()
        assert len(target) == 2 * 4 + 1
        np.testing.assert_array_equal(target[:real], target[real : 2 * real])
        assert len(set(target[:real])) == real and target[:real].min() >= 1
        np.testing.assert_allclose(weight[: 2 * real], 1 / (2 * real))
        assert (target[2 * real :] == 0).all() and (weight[2 * real :] == 0).all()
        sizes = graph.edge_sets["edges" if "edges" in graph.edge_sets else next(iter(graph.edge_sets))].sizes
        edges = int(sizes[0])
        value = next(iter(graph.edge_sets.values()))["value"].numpy()[:, 0]
        one, other = (value[i * edges : (i + 1) * edges] for i in (0, real))
        own = population.values(np.array([int(target[0]) - 1]))[0][:, 0]
        assert 0 < np.abs(one - other).max() < 2 and 0 < np.abs(one - own).max() < 1
        assert np.corrcoef(one, other)[0, 1] > 0.95


def test_it_learns_and_is_judged(zoo, trained):
    out, summary = trained
    history = (out / "history.csv").read_text().splitlines()
    losses = [float(line.split(",")[2]) for line in history[1:]]
    assert history[0].split(",")[2] == "val_loss" and losses[-1] < losses[0] - 0.2
    assert summary["validation"]["retrieval"] > 0.6
    report = evaluate_representations(out, zoo, out=out / "evaluation", samples=50)
    ours, constant = report["figures"]["graph metanetwork"], report["figures"]["constant"]
    assert ours["mse"] < 0.5 * constant["mse"] and report["features"] == 16
    np.testing.assert_allclose(ours["mse"], (ours["mse_amplitude"] + ours["mse_frequency"]) / 2)
    test = zoo.indices("test")
    np.testing.assert_allclose(constant["mse"], TASK.measured(zoo, test).mean())
    assert report["mse_interval"]["low"] < ours["mse"] < report["mse_interval"]["high"]
    assert "16 frozen features" in table_text(report)
    assert (out / "evaluation" / "regression.png").read_bytes().startswith(b"\x89PNG")
    # The scores of the tables are the same errors.
    scores = TASK.scores_of(Run.load(out), zoo, test)
    assert scores.shape == (16,) and scores.mean() == pytest.approx(ours["mse"])


def test_the_projector_shows_the_representation(zoo, trained):
    run = Run.load(trained[0])
    logs = project(run, zoo, zoo.indices("test"))
    vectors = np.loadtxt(logs / "representation.tsv")
    np.testing.assert_allclose(vectors, run.predict(zoo, zoo.indices("test")), rtol=1e-4, atol=1e-5)
    assert (logs / "facts.tsv").read_text().startswith("network\tamplitude\tfrequency\tlabel\n")


@pytest.mark.parametrize("name", ["nfn", "mlp", "statistics"])
def test_any_method_is_trained_stored_and_opened(name, zoo, tmp_path):
    further = {} if name == "statistics" else {"epochs": 1}
    assert run_training(zoo, tmp_path / "run", name, **further)["finished"]
    features = Run.load(tmp_path / "run").predict(zoo, zoo.indices("test"))
    assert features.shape[0] == 16 and features.shape[1] >= 8 and np.ptp(features) > 0
    report = evaluate_representations(tmp_path / "run", zoo, samples=20)
    assert np.isfinite(report["figures"][methods(REPRESENT)[name].title]["mse"])
    assert json.loads((tmp_path / "run" / "config.json").read_text())["task_options"] == {
        "dim": 8,
        "temperature": 0.2,
    }


def test_the_untrained_metanetwork_is_the_trained_one_before(zoo):
    own, untrained = (methods(REPRESENT)[name] for name in ("gmn", "gmn_untrained"))
    assert untrained.model == own.model and untrained.target == own.target
    same = {"epochs", "learning_rate"}
    assert {k: v for k, v in untrained.settings.items() if k not in same} == {
        k: v for k, v in own.settings.items() if k not in same
    }
    # So small a step that a weight of size 1e-4 or more stays what it is, bit for bit.
    assert np.float32(1e-4) + np.float32(untrained.settings["learning_rate"]) == np.float32(1e-4)


def test_what_cannot_be_judged_is_refused(zoo, trained, tmp_path):
    run = Run.load(trained[0])
    for options in ({"dim": 0}, {"temperature": 0.0}):
        with pytest.raises(RunError, match="expected 1 or more, and more than 0"):
            RepresentTask(**options)
    with pytest.raises(ZooError, match="without the column height"):
        evaluate_representations(run, zoo, columns=("height",))
    from gmn_tf.training.classify_task import ClassifyTask

    train(ClassifyTask.of(zoo), zoo, tmp_path / "run", method="statnn")
    with pytest.raises(RunError, match="for the task 'classify', expected one for 'represent'"):
        evaluate_representations(tmp_path / "run", zoo)
