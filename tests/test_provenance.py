"""What an export's metadata and card tell: population, figures, limits, commands, signatures."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest

from gmn_tf import provenance
from gmn_tf.errors import RunError
from gmn_tf.export import export
from gmn_tf.export_card import card
from gmn_tf.graph import schema
from gmn_tf.training.fit import change, config_of
from gmn_tf.training.settings import Settings
from gmn_tf.zoo.store import Zoo


def report(**changes):
    figures = {"metanetwork": {"r2": 0.9414, "tau": None, "mae": 0.05}}
    own = {"split": "test", "networks": 30, "zoo_hash": "0", "trained_on_this_zoo": True}
    return {**own, "figures": figures, **changes}


def test_the_population_is_summed_up(_judged_zoo):
    zoo = Zoo.load(_judged_zoo)
    training = zoo.indices("train")
    facts = provenance.population(zoo, training)
    assert facts["data"]["name"] == "mnist:mnist.npz"  # not where it lay
    assert facts["families"] == {"cnn": 80} and facts["architectures"] == 10
    assert facts["counts"] == {"train": 80, "validation": 20, "test": 20} and facts["seed"] == 0
    sizes = zoo.table["num_parameters"][training]
    assert facts["parameters"] == [sizes.min(), sizes.max()]
    accuracy = zoo.table["test_accuracy"][training]
    np.testing.assert_allclose(
        list(facts["test_accuracy"].values()), np.quantile(accuracy, [0, 0.25, 0.5, 0.75, 1]), atol=1e-4
    )
    json.dumps(facts, allow_nan=False)
    zoo.table["family"] = np.array(["cnn", "vit"])[zoo.table["architecture"] % 2]
    zoo.table["width"] = np.asarray(zoo.table["architecture"]) + 3
    facts = provenance.population(zoo, training)
    assert facts["families"] == {"cnn": 40, "vit": 40} and facts["width"] == [3, 12]


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 7, "reduce_type": "sum|max", "weight_decay": 0.01, "edge_dim": 16, "augment": False},
        {"setting": "wider", "readout_members": 2, "seed": 3},
        {"method": "deepsets", "epochs": 5},
    ],
)
def test_the_commands_make_the_same_settings_again(_judged_zoo, changes):
    """Parsed as the command line would, they give the run's configuration back."""
    zoo = Zoo.load(_judged_zoo)
    settings = change(Settings.of(changes.get("method", "gmn")), **changes)
    config = json.loads(json.dumps(config_of(zoo, settings)))
    made, train, out = provenance.commands(config, zoo.manifest, name="mine")
    assert made == "gmn-tf zoo --family cnn --data mnist:mnist.npz --size 120 --seed 0 --out ZOO"
    assert out == "gmn-tf export --run RUN --zoo ZOO --out mine"
    words = shlex.split(train)
    assert words[:7] == ["gmn-tf", "train", "accuracy", "--zoo", "ZOO", "--out", "RUN"]
    found = {}
    for option, value in zip(words[7::2], words[8::2], strict=True):
        name, text = value.split("=", 1) if option == "--set" else (option[2:].replace("-", "_"), value)
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    assert found.keys() == changes.keys()
    again = change(Settings.of(found.get("method", "gmn")), **found)
    assert json.loads(json.dumps(config_of(zoo, again))) == config
    assert len(provenance.commands(config, None, name="mine")) == 2


def test_figures_of_every_setting_are_listed(_judge, tmp_path):
    run = tmp_path / "run"
    for folder, changes in (("evaluation", {}), ("evaluation-wider", {"setting": "wider", "networks": 12})):
        (run / folder).mkdir(parents=True)
        (run / folder / "report.json").write_text(json.dumps(report(**changes)))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(report(setting="unseen_family", trained_on_this_zoo=False)))
    found = provenance.evaluations(run, [other])
    assert [entry["setting"] for entry in found] == ["all", "wider", "unseen_family"]
    recipe = "a metanetwork trained the same way"
    assert [entry["of"] for entry in found] == ["this metanetwork", "this metanetwork", recipe]
    assert {name: found[0][name] for name in report()} == report()

    text = card(
        "it", {**json.loads((_judge / "metadata.json").read_text()), "evaluations": found}, check=False
    )
    assert text.count("| metanetwork | 0.941 | - | 0.050 |") == 3
    assert "Setting `all`: on 30 held-out networks of the zoo it was trained on (test split, zoo 0):" in text
    assert "Setting `wider`: on 12" in text
    assert "Setting `unseen_family`, a metanetwork trained the same way: on 30 networks of ANOTHER" in text
    assert "check/" not in text


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"figures": {}}', '{"figures": {"a": 1}}'])
def test_what_is_no_report_is_refused(tmp_path, text):
    path = tmp_path / "report.json"
    with pytest.raises(RunError, match="no such file"):
        provenance.evaluations(tmp_path, [path])
    path.write_text(text)
    with pytest.raises(RunError, match="no report of gmn-tf evaluate"):
        provenance.evaluations(tmp_path, [path])
    with pytest.raises(RunError, match="no report of gmn-tf evaluate"):
        export(tmp_path / "run", tmp_path / "out", evaluations=[path])
    assert not (tmp_path / "out").exists()


def test_the_card_has_all_that_a_user_must_know(_judge):
    metadata = json.loads((_judge / "metadata.json").read_text())
    assert metadata["schema_version"] == schema.SCHEMA_VERSION and metadata["task"] == "accuracy"
    assert metadata["training"]["settings"]["channels"] == 9 and metadata["evaluations"] == []
    assert metadata["population"]["training_networks"] == 80
    text = " ".join((_judge / "README.md").read_text().split())
    for part in (
        "80 networks of 10 architectures, trained on `mnist:mnist.npz` (80 cnn)",
        "Not evaluated",
        "distance to the 5th nearest of 80 training networks",
        "20 held-out networks of the same population",
        "## What it must not be used for",
        "Networks for other data than mnist:mnist.npz",
        "edge_kernel_position | int32 | [E, 3]",
        "answer `accuracy` and `distance`, float32 [B]",
        "gmn-tf zoo --family cnn",
        "gmn-tf train accuracy --zoo ZOO --out RUN --epochs 3",
        "`check/` holds",
    ):
        assert part in text, part
    assert "/some/where" not in text + json.dumps(metadata)
