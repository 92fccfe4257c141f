"""The scripts of the tables of classes and representations, on a zoo that nobody fitted."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest
from made_up_inrs import write

from gmn_tf.comparison.measures import MEASURES
from gmn_tf.models.registry import CLASSIFY, REPRESENT
from gmn_tf.tasks import statnn_classifier

ROOT = Path(__file__).resolve().parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tables") / "zoo")


def folders(tmp_path: Path) -> list[str]:
    return ["--out", str(tmp_path / "results"), "--runs", str(tmp_path / "runs"), "--samples", "20"]


def test_the_table_of_classes(zoo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(statnn_classifier, "MAX_TREES", 5)
    monkeypatch.setattr(statnn_classifier, "LEAF_SIZES", (3,))
    script = load("reproduce_inr_classification")
    given = ["--zoos", str(zoo.path), "--methods", "statnn", "--seeds", "0", "1", *folders(tmp_path)]
    assert script.main(given) == 0
    assert "2 rows made, 0 kept, 0 refused, 0 left" in capsys.readouterr().out
    (folder,) = (path for path in (tmp_path / "results").iterdir() if path.is_dir())
    text = (folder / "README.md").read_text()
    assert text.startswith("# Classifying INRs") and "| StatNN, trees |" in text
    row = json.loads(next((folder / "rows").glob("*.json")).read_text())
    labels = zoo.table["label"][zoo.indices("test")]
    assert row["figures"]["accuracy"] == np.mean(np.array(row["predictions"]) == labels)
    assert (folder / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_ablations_leave_one_thing_out_each():
    script = load("reproduce_inr_classification")
    changes = script.ablations()
    assert {"augment": False} in changes and {"symmetry": None} in changes
    without = next(c["augment"] for c in changes if isinstance(c.get("augment"), dict))
    assert "noise" in without and not set(script.PICTURE) & set(without)
    assert len({json.dumps(c, sort_keys=True) for c in changes}) == len(changes)


def test_the_table_of_representations(zoo, tmp_path, capsys):
    script = load("reproduce_inr_representation")
    given = ["--zoos", str(zoo.path), "--methods", "statistics", "--seeds", "0", *folders(tmp_path)]
    assert script.main([*given, "--dim", "8"]) == 0
    assert "1 rows made" in capsys.readouterr().out
    (folder,) = (path for path in (tmp_path / "results").iterdir() if path.is_dir())
    assert "mean squared error" in (folder / "README.md").read_text()
    figures = json.loads(next((folder / "rows").glob("*.json")).read_text())["figures"]
    assert 0 < figures["mse"] < 8 and 0 < figures["r2"] < 1
    assert script.main([*given, "--dim", "0"]) == 2
    assert "expected 1 or more" in capsys.readouterr().err


def test_figures_by_hand():
    labels, predicted = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    assert MEASURES[CLASSIFY].figures(labels, predicted) == {"accuracy": 0.75}
    counts = np.array([[1, 0, 3, 0]])
    assert MEASURES[CLASSIFY].resampled(labels, predicted, counts)["accuracy"][0] == 0.25
    found = MEASURES[REPRESENT].figures(np.array([4.0, 8.0]), np.array([1.0, 2.0]))
    assert found == {"mse": 1.5, "r2": 0.75}
