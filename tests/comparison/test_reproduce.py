"""The whole of it at reduced size: rows are trained, kept, resumed, and the tables written."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from gmn_tf.comparison import reproduce as module
from gmn_tf.comparison.reproduce import reproduce
from gmn_tf.comparison.results import Results
from gmn_tf.comparison.script import changes_of
from gmn_tf.errors import RunError, ZooError
from gmn_tf.tasks import statnn
from gmn_tf.training.run import Run
from gmn_tf.zoo.store import Zoo

SCRIPT = Path(__file__).parents[2] / "scripts" / "reproduce_accuracy.py"
TINY = {"set_dim": 4, "readout_dim": 4, "num_layers": 1, "max_layers": 8, "batch_size": 4}


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(statnn, "MAX_TREES", 5)
    monkeypatch.setattr(statnn, "LEAF_NODES", (3,))
    monkeypatch.setattr(statnn, "LEAF_SIZES", (1,))


@pytest.fixture
def run(tiny_zoo, tmp_path):
    said: list[str] = []

    def start(**more):
        said.clear()
        arguments = {"methods": ["statnn", "deepsets"], "seeds": [0], "changes": {"epochs": 2}, **more}
        counts = reproduce(
            [tiny_zoo],
            out=tmp_path / "results",
            runs=tmp_path / "runs",
            changes_of={"deepsets": TINY},
            jit_compile=False,
            samples=20,
            progress=False,
            say=said.append,
            **arguments,
        )
        return counts, list(said)

    return start


def rows(tmp_path):
    (folder,) = [path for path in (tmp_path / "results").iterdir() if path.is_dir()]
    return Results(folder).rows


def test_rows_are_made_once_and_accumulate(run, tiny_zoo, tmp_path):
    counts, said = run()
    assert counts == {"made": 2, "kept": 0, "refused": 0, "left": 0}
    assert said[0].startswith("[1/2] cnn-none-") and "StatNN, trees, seed 0" in said[0]
    made = rows(tmp_path)
    zoo = Zoo.load(tiny_zoo)
    for name, row in made.items():
        opened = Run.load(next((tmp_path / "runs").iterdir()) / name)
        np.testing.assert_allclose(row["predictions"], opened.predict(zoo, zoo.indices("test")), atol=1e-5)
        assert row["machine"] and row["settings"]["seed"] == 0
    assert sorted(row["changes"].get("epochs", 0) for row in made.values()) == [0, 2]
    assert {row["parameters"] > 0 for row in made.values()} == {True}

    counts, said = run(seeds=[1, 0], methods=["statnn"])
    assert counts == {"made": 1, "kept": 1, "refused": 0, "left": 0}
    after = rows(tmp_path)
    assert len(after) == 3 and {name: after[name] for name in made} == made

    counts, _ = run(changes={"epochs": 1})  # another budget: rows of their own, for those it concerns
    assert counts == {"made": 1, "kept": 1, "refused": 0, "left": 0}
    folder = next(path for path in (tmp_path / "results").iterdir() if path.is_dir())
    assert {"README.md", "table.json", "chart.png", "manifest.json"} <= {p.name for p in folder.iterdir()}
    assert "DeepSets (batch_size=4, epochs=1" in (folder / "README.md").read_text()


def test_time_runs_out_and_the_next_start_goes_on(run, tmp_path):
    counts, _ = run(methods=["deepsets"], time_limit=1e-9)
    assert counts == {"made": 0, "kept": 0, "refused": 0, "left": 1}
    counts, _ = run(methods=["deepsets"], time_limit=2.0, changes={"epochs": 10_000, "patience": 0})
    assert counts["left"] == 1 and not rows(tmp_path)
    state = next((tmp_path / "runs").rglob("summary.json"))
    assert json.loads(state.read_text())["epochs"] >= 1
    counts, said = run(methods=["deepsets"], time_limit=2.0, changes={"epochs": 10_000, "patience": 0})
    assert counts["left"] == 1 and any("goes on after epoch" in text for text in said)


def test_a_method_that_refuses_is_passed_over_and_tried_again(run, tmp_path, monkeypatch):
    whole = module.train

    def refusing(task, zoo, out, *, settings, **more):
        if settings.method == "statnn":
            raise RunError("received networks of ten layers, expected nine")
        return whole(task, zoo, out, settings=settings, **more)

    monkeypatch.setattr(module, "train", refusing)
    counts, said = run()
    assert counts == {"made": 1, "kept": 0, "refused": 1, "left": 0}
    assert "  refused: received networks of ten layers, expected nine" in said
    folder = next(path for path in (tmp_path / "results").iterdir() if path.is_dir())
    assert "ten layers" in (folder / "README.md").read_text()
    monkeypatch.setattr(module, "train", whole)
    counts, _ = run()
    assert counts == {"made": 1, "kept": 1, "refused": 0, "left": 0}
    assert "ten layers" not in (folder / "README.md").read_text()


def test_an_interruption_leaves_tables_of_what_is_there(run, tmp_path, monkeypatch):
    whole = module.train

    def interrupted(task, zoo, out, *, settings, **more):
        if settings.method == "deepsets":
            raise KeyboardInterrupt
        return whole(task, zoo, out, settings=settings, **more)

    monkeypatch.setattr(module, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert "| StatNN, trees |" in (tmp_path / "results" / "README.md").read_text()


def test_unknown_names_are_refused(run):
    with pytest.raises(RunError, match="received the method 'magic'"):
        run(methods=["magic"])
    with pytest.raises(ZooError, match=r"received the settings wider, expected one .* has all"):
        run(settings=["wider"])


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("reproduce_accuracy", SCRIPT)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_script(script, tiny_zoo, tmp_path, capsys):
    folders = ["--out", str(tmp_path / "results"), "--runs", str(tmp_path / "runs"), "--samples", "20"]
    given = ["--zoos", str(tiny_zoo), "--methods", "statnn", "--seeds", "0", "1", *folders]
    assert script.main(given) == 0
    assert "2 rows made, 0 kept, 0 refused, 0 left" in capsys.readouterr().out
    assert script.main(given) == 0
    assert "0 rows made, 2 kept" in capsys.readouterr().out
    (tmp_path / "results" / "README.md").unlink()
    assert script.main(folders) == 0
    assert "StatNN, trees" in (tmp_path / "results" / "README.md").read_text()
    assert script.main([*given, "--set", "statnn"]) == 2
    assert "expected METHOD.NAME=VALUE" in capsys.readouterr().err
    assert changes_of(["gmn.block=transformer", "gmn.num_blocks=4", "dmc.a=b=c"]) == {
        "gmn": {"block": "transformer", "num_blocks": 4},
        "dmc": {"a": "b=c"},
    }
