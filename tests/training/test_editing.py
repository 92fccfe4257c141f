"""The task "edit": through what networks show, for any method, in a run that goes on."""

from __future__ import annotations

import csv
from pathlib import Path

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest
import tensorflow as tf

from gmn_tf.errors import InrError, RunError
from gmn_tf.inr import zoos
from gmn_tf.inr.generate import generate_inr_zoo
from gmn_tf.inr.operations import dilate
from gmn_tf.models.registry import EDITORS
from gmn_tf.tasks import editing
from gmn_tf.training.edit_task import EditTask
from gmn_tf.training.edited_rendering import flat_weights
from gmn_tf.training.evaluate_edits import evaluate_edits, table_text
from gmn_tf.training.fit import train
from gmn_tf.training.population import Population
from gmn_tf.training.run import Run

SMALL = {
    "gmn": {"num_blocks": 2, "node_dim": 8, "edge_dim": 8, "message_dim": 8},
    "gmn_transformer": {"num_blocks": 2, "node_dim": 8, "edge_dim": 8, "message_dim": 8, "num_heads": 2},
    "nfn": {"num_places": 3, "width": 6, "num_layers": 2},
    "mlp": {"length": 128, "hidden_dim": 16},
}
BUDGET = {"epochs": 12, "batch_size": 8, "learning_rate": 1e-2, "averaging": 0.0, "jit_compile": False}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """32 INRs of 8 x 8 digits, 16 of them for training."""
    return generate_inr_zoo(
        tmp_path_factory.mktemp("edits") / "zoo",
        size=32,
        hidden=(8, 8),
        validation=8,
        test=8,
        steps=150,
        learning_rate=1e-2,
        workers=1,
    )


def losses(run: Path) -> np.ndarray:
    with (run / "history.csv").open() as file:
        return np.array([float(row["val_loss"]) for row in csv.DictReader(file)])


def test_flat_weights_by_hand():
    """Two components of up to 3 weights; one weight stands on two edges, one edge carries none."""
    values = tf.constant([[1.0], [3.0], [5.0], [9.0], [7.0]])
    slots = tf.constant([[2], [2], [0], [-1], [1]])
    component = tf.constant([0, 0, 0, 0, 1])
    found = flat_weights(values, slots, component, components=2, size=3)
    np.testing.assert_array_equal(found, [[5, 0, 2], [0, 7, 0]])


def test_targets_are_the_operation_done_to_the_pictures_or_to_what_is_shown(zoo):
    test = zoo.indices("test")
    pictures, shown = zoos.images(zoo, test), zoos.renderings(zoo, test)
    assert pictures.shape == shown.shape == (8, 8, 8, 1)
    for index, picture in zip(test[:2], shown, strict=False):
        points = np.stack(np.meshgrid(*2 * [np.linspace(-1, 1, 8)], indexing="ij"), -1).reshape(-1, 2)
        np.testing.assert_allclose(
            zoo.model(index).predict_on_batch(points).reshape(8, 8, 1), picture, atol=1e-5
        )
    np.testing.assert_array_equal(EditTask("dilate").targets(zoo, test), dilate(pictures).reshape(8, 64))
    np.testing.assert_array_equal(
        EditTask(dilate, target="rendering").targets(zoo, test), dilate(shown).reshape(8, 64)
    )
    assert np.mean((pictures - shown) ** 2) < 0.3 * np.mean((pictures - pictures.mean()) ** 2)


@pytest.mark.parametrize("name", [*SMALL])
def test_without_a_step_networks_show_what_they_showed(zoo, name):
    task = EditTask("dilate")
    test = zoo.indices("test")
    population = Population.from_zoo(zoo, test)
    pictures = zoos.renderings(zoo, test).reshape(8, 64)
    changed = []
    for step in (0.0, 0.5):
        tf.keras.utils.set_random_seed(1)
        model = task.build(EDITORS[name], channels=1, model={**SMALL[name], "initial_step": step})
        model.adapt([population.structure(0).graph_tensor(population.flat(i)) for i in range(8)])
        shown = task.predictor(model, zoo, channels=1)(population)
        changed.append(np.abs(shown - pictures).max())
    assert changed[0] < 1e-5 and changed[1] > 1e-2


@pytest.mark.parametrize("name", [*SMALL])
def test_training_brings_what_is_shown_nearer_to_its_target(zoo, tmp_path, name):
    """On the 16 training networks themselves: well below what they are off unedited."""
    run = tmp_path / name
    budget = {**BUDGET, "epochs": 24, "initial_step": 1.0 if name == "mlp" else 0.1}
    train(EditTask("dilate"), zoo, run, method=name, progress=False, **budget, **SMALL[name])
    task, indices = EditTask("dilate"), zoo.indices("train")
    errors = task.scores(zoo, indices, Run.load(run).predict(zoo, indices))
    assert errors.mean() < 0.75 * task.measured(zoo, indices).mean()
    assert (run / "edited.png").read_bytes().startswith(b"\x89PNG") and any((run / "logs").iterdir())


def test_a_run_goes_on_and_is_the_one_it_would_have_been(zoo, tmp_path):
    arguments = {**BUDGET, "epochs": 3, "progress": False, "method": "mlp", **SMALL["mlp"]}
    task = EditTask("erode")
    summary = train(task, zoo, tmp_path / "whole", **arguments)
    assert set(summary["validation"]) == {"loss", "psnr"} and summary["method"] == "mlp"
    while not train(task, zoo, tmp_path / "cut", time_limit=1e-3, say=lambda text: None, **arguments)[
        "finished"
    ]:
        pass
    np.testing.assert_allclose(losses(tmp_path / "cut"), losses(tmp_path / "whole"), rtol=1e-4)
    with pytest.raises(RunError, match=r"task_options.*operation was 'erode', is 'dilate'|operation was"):
        train(EditTask("dilate"), zoo, tmp_path / "cut", **arguments)
    loaded = Run.load(tmp_path / "cut")
    test = zoo.indices("test")
    errors = task.scores(zoo, test, loaded.predict(zoo, test))
    report = evaluate_edits(loaded, zoo, out=tmp_path / "report", samples=50)
    own, unedited = report["figures"]["MLP on flattened weights"], report["figures"]["unedited"]
    assert own["mse"] == pytest.approx(errors.mean()) and own["mse"] != unedited["mse"]
    assert unedited["mse"] == pytest.approx(task.measured(zoo, test).mean())
    apart = report["minus_unedited"]
    assert apart["difference"] == pytest.approx(own["mse"] - unedited["mse"])
    assert apart["low"] <= apart["difference"] <= apart["high"]
    assert "erode on 8 test networks" in table_text(report)
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.json", "edited.png"}


def test_the_step_under_xla_is_the_step(zoo, tmp_path):
    arguments = {**BUDGET, "epochs": 1, "progress": False, "method": "mlp", **SMALL["mlp"]}
    for compiled in (False, True):
        train(EditTask("dilate"), zoo, tmp_path / str(compiled), **{**arguments, "jit_compile": compiled})
    np.testing.assert_allclose(losses(tmp_path / "True"), losses(tmp_path / "False"), rtol=1e-3)


def test_an_operation_of_ones_own(zoo, tmp_path):
    def negative(images):
        return 1 - images

    task = EditTask(negative)
    assert task.options == {"operation": "own:negative", "target": "image"}
    run = tmp_path / "run"
    train(task, zoo, run, method="mlp", progress=False, **{**BUDGET, "epochs": 1}, **SMALL["mlp"])
    with pytest.raises(RunError, match="own:negative', a function that it knows by name alone"):
        evaluate_edits(run, zoo)
    assert evaluate_edits(run, zoo, task=task, samples=10)["operation"] == "own:negative"
    with pytest.raises(RunError, match="received a run for the task"):
        evaluate_edits(run, zoo, task=EditTask("erode"))


def test_unedited_is_a_method(zoo, tmp_path):
    summary = train(EditTask("dilate"), zoo, tmp_path / "run", method="unedited")
    found = Run.load(tmp_path / "run").predict(zoo, zoo.indices("test"))
    np.testing.assert_allclose(found, zoos.renderings(zoo, zoo.indices("test")).reshape(8, 64), atol=1e-6)
    measured = EditTask("dilate").measured(zoo, zoo.indices("validation"))
    assert summary["validation"]["loss"] == pytest.approx(measured.mean()) and summary["parameters"] == 0


def test_what_cannot_be_edited_is_refused(zoo, zoo_path, tmp_path):
    with pytest.raises(InrError, match="Unknown operation"):
        EditTask("sharpen")
    with pytest.raises(RunError, match="received target='thing'"):
        EditTask("dilate", target="thing")
    with pytest.raises(RunError, match="received channels=9, expected 1"):
        train(EditTask("dilate"), zoo, tmp_path / "a", channels=9)
    with pytest.raises(RunError, match="received the method 'statnn', expected one of gmn"):
        train(EditTask("dilate"), zoo, tmp_path / "a", method="statnn")
    with pytest.raises(InrError, match="is no zoo of INRs"):
        train(EditTask("dilate"), zoo_path, tmp_path / "a", progress=False)
    assert editing.figures(np.array([0.1, np.nan]))["loss"] == np.inf


def test_at_the_command_line(zoo, tmp_path, capsys):
    """`gmn-tf train edit`, then `gmn-tf evaluate`, with the method that needs no training."""
    from gmn_tf.cli import app

    run = tmp_path / "run"
    given = ["--zoo", str(zoo.path), "--operation", "dilate:5", "--method", "unedited", "--out", str(run)]
    app(["train", "edit", *given], standalone_mode=False)
    assert "validation mean squared error 0." in capsys.readouterr().out
    app(["evaluate", "--run", str(run), "--zoo", str(zoo.path)], standalone_mode=False)
    out = capsys.readouterr().out
    assert "dilate:5 on 8 test networks" in out and "edited.png" in out
    assert (run / "evaluation" / "report.json").exists()
    with pytest.raises(InrError, match="Unknown operation 'blur'"):
        app(
            ["train", "edit", "--zoo", str(zoo.path), "--operation", "blur", "--out", "x"],
            standalone_mode=False,
        )
