"""Rows are added, kept and told apart; what is stored gives the figures."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from made_up import noisy, open_results, row, targets

from gmn_tf.comparison.results import Results, population_name, row_name, settings_hash
from gmn_tf.errors import RunError
from gmn_tf.tasks.metrics import METRICS
from gmn_tf.training.accuracy_task import AccuracyTask
from gmn_tf.training.folder import zoo_hash
from gmn_tf.zoo.store import Zoo


def test_a_row_is_stored_with_its_predictions_and_their_figures(tmp_path):
    results = open_results(tmp_path)
    predictions = noisy(0.1)
    added = results.add(row("gmn"), predictions)
    again = Results(results.path)
    assert again.rows == {"all.gmn.seed-0.aa": added}
    stored = np.array(added["predictions"])
    np.testing.assert_allclose(stored, predictions, atol=1e-6)
    for name, metric in METRICS.items():
        assert added["figures"][name] == metric(again.targets("all"), stored)
    assert len((results.path / "rows" / "all.gmn.seed-0.aa.json").read_text().splitlines()) == len(added) + 2


def test_figures_that_are_not_defined_are_null(tmp_path):
    results = open_results(tmp_path)
    added = results.add(row("gmn"), np.full(len(targets()), 0.5))
    assert added["figures"]["tau"] is None and added["figures"]["r2"] < 0
    assert "NaN" not in (results.path / "rows" / "all.gmn.seed-0.aa.json").read_text()


def test_rows_of_two_machines_are_merged_by_copying(tmp_path):
    first, second = open_results(tmp_path / "a"), open_results(tmp_path / "b")
    first.add(row("gmn", 0), noisy(0.1))
    second.add(row("gmn", 1), noisy(0.1, 1))
    shutil.copytree(second.path / "rows", first.path / "rows", dirs_exist_ok=True)
    assert sorted(Results(first.path).rows) == ["all.gmn.seed-0.aa", "all.gmn.seed-1.aa"]


def test_refusals_are_kept_until_the_row_is_there(tmp_path):
    results = open_results(tmp_path)
    results.refuse(row("deepsets"), "too wide")
    assert Results(results.path).refused == {"all.deepsets.seed-0.aa": "too wide"}
    results.add(row("deepsets"), noisy(0.3))
    assert Results(results.path).refused == {}


def test_folders_of_a_zoo(tiny_zoo, tmp_path):
    zoo = Zoo.load(tiny_zoo)
    results = Results.of(tmp_path, zoo, AccuracyTask())
    assert results.path.name == f"cnn-none-{zoo_hash(zoo)[:8]}" == population_name(zoo)
    assert results.manifest == json.loads((tiny_zoo / "manifest.json").read_text())
    results.add_setting(zoo, "all", AccuracyTask())
    facts = Results.of(tmp_path, zoo, AccuracyTask()).networks["all"]
    assert facts["network"] == zoo.indices("test").tolist()
    assert (facts["train"], facts["validation"], facts["test"]) == (6, 2, 4)
    np.testing.assert_allclose(
        facts["test_accuracy"], zoo.table["test_accuracy"][zoo.indices("test")], atol=1e-6
    )


def test_what_tells_rows_apart():
    config = {"schema_version": 1, "settings": {"method": "gmn", "seed": 0, "setting": "all", "epochs": 3}}
    config["model"] = {"units": 1, "node_dim": 32}
    same = {**config, "zoo_hash": "1", "settings": {**config["settings"], "seed": 5, "setting": "wider"}}
    assert settings_hash(config) == settings_hash(same)
    for other in (
        {**config, "settings": {**config["settings"], "epochs": 4}},
        {**config, "model": {"units": 1, "node_dim": 33}},
        {**config, "schema_version": 2},
    ):
        assert settings_hash(other) != settings_hash(config)
    names = {row_name(row("gmn", seed, setting=setting)) for seed in (0, 1) for setting in ("all", "wider")}
    assert len(names) == 4


def test_damaged_results_are_refused(tmp_path):
    results = open_results(tmp_path)
    results.add(row("gmn"), noisy(0.1))
    (results.path / "rows" / "all.gmn.seed-0.aa.json").write_text('{"setting": ')
    with pytest.raises(RunError, match="damaged"):
        Results(results.path)
    with pytest.raises(RunError, match="not a folder of results"):
        Results(tmp_path / "nothing")
