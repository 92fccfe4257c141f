"""Tables of edits: figures by hand, rows of a run, the picture beside them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest

from gmn_tf.comparison.measures import MEASURES
from gmn_tf.comparison.results import Results
from gmn_tf.inr.generate import generate_inr_zoo
from gmn_tf.models.registry import EDIT, EDITORS
from gmn_tf.training.edit_task import EditTask

SCRIPT = Path(__file__).parents[2] / "scripts" / "reproduce_inr_editing.py"


def test_figures_by_hand():
    unedited, errors = np.array([0.2, 0.4]), np.array([0.1, 0.01])
    found = MEASURES[EDIT].figures(unedited, errors)
    assert found == pytest.approx({"mse": 0.055, "psnr": 15.0, "share": 0.055 / 0.3})
    drawn = MEASURES[EDIT].resampled(unedited, errors, np.array([[2, 0], [1, 1]]))
    np.testing.assert_allclose(drawn["mse"], [0.1, 0.055])
    np.testing.assert_allclose(drawn["share"], [0.5, 0.055 / 0.3])


def test_the_script_makes_rows_tables_and_pictures(tmp_path, capsys, monkeypatch):
    spec = importlib.util.spec_from_file_location("reproduce_inr_editing", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    zoo = generate_inr_zoo(
        tmp_path / "zoo", size=24, hidden=(6,), validation=4, test=4, steps=20, learning_rate=1e-2, workers=1
    )
    for name in ("hidden_dim", "length"):
        monkeypatch.setitem(EDITORS["mlp"].model, name, 32)
    out, runs = tmp_path / "results", tmp_path / "runs"
    given = ["--zoos", str(zoo.path), "--out", str(out), "--runs", str(runs), "--operation", "erode"]
    given += [
        "--methods",
        "mlp",
        "unedited",
        "--settings",
        "all",
        "--seeds",
        "0",
        "--epochs",
        "2",
        "--no-jit",
        "--samples",
        "20",
    ]
    assert script.main(given) == 0
    assert "2 rows made, 0 kept" in capsys.readouterr().out
    (folder,) = [path for path in out.iterdir() if path.is_dir()]
    assert folder.name.endswith("-erode-image") and folder.name.startswith("siren-digits-")
    assert json.loads((folder / "task.json").read_text())["options"] == {
        "operation": "erode",
        "target": "image",
    }
    results, task = Results(folder), EditTask("erode")
    measured = task.measured(zoo, zoo.indices("test"))
    np.testing.assert_allclose(results.targets("all"), measured, atol=1e-6)
    by_method = {row["method"]: row for row in results.rows.values()}
    assert by_method["unedited"]["figures"]["mse"] == pytest.approx(measured.mean(), abs=1e-5)
    assert by_method["unedited"]["figures"]["share"] == pytest.approx(1.0, abs=1e-4)
    assert len(by_method["mlp"]["predictions"]) == 4 and by_method["mlp"]["steps"] == 4
    text = (folder / "README.md").read_text()
    for part in (
        "# Editing INRs",
        "edited.png",
        "| MLP on flattened weights (epochs=2) |",
        "operation `erode`",
    ):
        assert part in text
    assert (folder / "edited.png").read_bytes().startswith(b"\x89PNG")
    assert script.main(given) == 0
    assert "0 rows made, 2 kept" in capsys.readouterr().out
    assert "mean squared error" in (out / "README.md").read_text()


def test_manifests_name_data_without_its_folder():
    from gmn_tf.comparison.results import _without_folders

    manifest = {"data": {"name": "mnist:/some/where/mnist.npz"}, "files": ["a/b", "patches32"], "seed": 3}
    assert _without_folders(manifest) == {
        "data": {"name": "mnist:mnist.npz"},
        "files": ["a/b", "patches32"],
        "seed": 3,
    }
