"""The benchmark scripts, at a reduced size: they check their answers, and write what they measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import gmn_tf

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def conversion(monkeypatch):
    """The script as a module, its parts run in this process."""
    spec = importlib.util.spec_from_file_location("conversion", FOLDER / "conversion.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parts = {
        "model": lambda arguments: module.measure_model(arguments.model),
        "zoo": lambda arguments: module.measure_zoo(arguments.networks),
    }
    monkeypatch.setattr(module, "_in_fresh_process", lambda part, arguments: parts[part](arguments))
    return module


def run(module, out):
    return module.main(["--model", "small", "--networks", "50", "--out", str(out)])


def test_it_writes_what_it_measured(conversion, tmp_path, capsys):
    code = run(conversion, tmp_path)
    report = json.loads((tmp_path / "conversion.json").read_text())
    text = (tmp_path / "conversion.md").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert report["zoo"]["parameters"] == report["zoo"]["edges"] == 4970
    assert report["zoo"]["networks"] == 50 and report["model"]["model"] == "small"
    model = report["model"]
    assert model["refill_ratio"] == pytest.approx(model["plan_and_fill_s"] / model["refill_s"])
    assert model["plan_and_fill_s"] == pytest.approx(model["plan_s"] + model["fill_s"])
    missed = [
        name for name in conversion.TARGETS if not conversion.meets(name, conversion.figure(report, name))
    ]
    assert code == bool(missed) and text.count("**missed**") == len(missed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conversion.json", "conversion.md"]


def test_a_missed_target_is_said_and_exits_with_1(conversion, tmp_path, monkeypatch, capsys):
    text, sign, _ = conversion.TARGETS["plan_and_fill_s"]
    monkeypatch.setitem(conversion.TARGETS, "plan_and_fill_s", (text, sign, 0.0))
    assert run(conversion, tmp_path) == 1
    assert "**missed**" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["values", "flat"])
def test_wrong_answers_are_not_timed(conversion, tmp_path, monkeypatch, name):
    right = getattr(gmn_tf.ParameterGraph, name)
    monkeypatch.setattr(
        gmn_tf.ParameterGraph, name, lambda *args, **settings: right(*args, **settings) + np.float32(1e-3)
    )
    with pytest.raises(SystemExit, match="do not come back bit for bit"):
        run(conversion, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_peak_is_that_of_what_came_since(conversion):
    before, peak = conversion.start_peak()
    block = np.ones(25_000_000)  # 200 MB
    assert 1.8e8 < peak() - before < 4e8
    del block
