"""What an export's metadata and card tell: population, figures, limits, commands, signatures."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_exports import make_run

from gmn_tf import provenance
from gmn_tf.errors import RunError
from gmn_tf.export import export
from gmn_tf.graph import schema
from gmn_tf.models.graph_metanetwork import GraphMetanetwork
from gmn_tf.training.fit import change
from gmn_tf.training.settings import Settings
from gmn_tf.zoo.store import Zoo


def report(**changes):
    figures = {"metanetwork": {"r2": 0.9414, "tau": None, "mae": 0.05}}
    own = {"split": "test", "networks": 30, "zoo_hash": "0", "trained_on_this_zoo": True}
    return {**own, "figures": figures, **changes}


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


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


def test_the_commands_make_the_same_settings_again(_judged_zoo):
    """Parsed as the command line would, they give the run's configuration back."""
    settings = change(
        Settings(), epochs=7, reduce_type="sum|max", weight_decay=0.01, edge_dim=16, augment=False
    )
    arguments = {"num_channels": settings.channels, **settings.model}
    model = GraphMetanetwork(1, name="metanetwork", **arguments)
    config = {"settings": {**vars(settings), "model": None}, "model": model.get_config()}
    manifest = Zoo.load(_judged_zoo).manifest
    usual = provenance.usual_arguments(model)
    zoo, train, out = provenance.commands(config, manifest, name="mine", defaults=usual)
    assert zoo == "gmn-tf zoo --family cnn --data mnist:mnist.npz --size 120 --seed 0 --out ZOO"
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
    assert found.keys() == {"epochs", "reduce_type", "weight_decay", "edge_dim", "augment"}
    assert change(Settings(), **found) == settings
    assert len(provenance.commands(config, None, name="mine", defaults=usual)) == 2


def test_figures_of_every_setting_are_listed(run, tmp_path):
    (run / "evaluation").mkdir()
    (run / "evaluation" / "report.json").write_text(json.dumps(report()))
    (run / "evaluation-wider").mkdir()
    (run / "evaluation-wider" / "report.json").write_text(json.dumps(report(setting="wider", networks=12)))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(report(setting="unseen_family", trained_on_this_zoo=False)))
    out = export(run, tmp_path / "out", evaluations=[other])
    metadata = json.loads((out / "metadata.json").read_text())
    assert [entry["setting"] for entry in metadata["evaluations"]] == ["all", "wider", "unseen_family"]
    assert [entry["of"] for entry in metadata["evaluations"]] == [
        *["this metanetwork"] * 2,
        "a metanetwork trained the same way",
    ]
    card = (out / "README.md").read_text()
    assert card.count("| metanetwork | 0.941 | - | 0.050 |") == 3
    assert "Setting `all`: on 30 held-out networks of the zoo it was trained on (test split, zoo 0):" in card
    assert "Setting `wider`: on 12" in card
    assert "Setting `unseen_family`, a metanetwork trained the same way: on 30 networks of ANOTHER" in card
    assert not (out / "check").exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"figures": {}}', '{"figures": {"a": 1}}'])
def test_what_is_no_report_is_refused(run, tmp_path, text):
    path = tmp_path / "report.json"
    with pytest.raises(RunError, match="no such file"):
        export(run, tmp_path / "out", evaluations=[path])
    path.write_text(text)
    with pytest.raises(RunError, match="no report of gmn-tf evaluate"):
        export(run, tmp_path / "out", evaluations=[path])
    assert not (tmp_path / "out").exists()


def test_the_card_has_all_that_a_user_must_know(_judge, run, tmp_path):
    metadata = json.loads((_judge / "metadata.json").read_text())
    assert metadata["schema_version"] == schema.SCHEMA_VERSION and metadata["task"] == "accuracy"
    assert metadata["training"]["settings"]["channels"] == 9 and metadata["evaluations"] == []
    assert metadata["population"]["training_networks"] == 80
    card = (_judge / "README.md").read_text()
    for text in (
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
        "check/",
    ):
        assert text in " ".join(card.split()) or text in card, text
    assert "/some/where" not in card + json.dumps(metadata)
    bare = export(run, tmp_path / "bare")
    assert "Not told" in (bare / "README.md").read_text()
    assert not list(Path(tmp_path).glob(".*"))
    shutil.rmtree(bare)
