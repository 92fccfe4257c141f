"""Means, deviations and paired intervals of rows, and the files that show them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up import noisy, open_results, row, targets

from gmn_tf.comparison.report import markdown, overview, write_report
from gmn_tf.comparison.summary import summarize
from gmn_tf.tasks.metrics import mean_absolute_error, paired_bootstrap, r2

SAMPLES = 300


@pytest.fixture
def results(tmp_path):
    results = open_results(tmp_path)
    for seed in (0, 1, 2):
        results.add(row("gmn", seed), noisy(0.05, seed))
        results.add(row("deepsets", seed), noisy(0.25, 10 + seed))
    results.add(row("statnn"), noisy(0.05))
    results.add(row("gmn", 0, settings_hash="bb", changes={"block": "transformer"}), noisy(0.1, 5))
    results.add(row("deepsets", 0, setting="wider"), noisy(0.2, 6))
    results.refuse(row("statnn_mlp"), "does not take them")
    return results


@pytest.fixture
def entries(results):
    return summarize(results, samples=SAMPLES)


def of(entries, title, setting="all"):
    (found,) = [entry for entry in entries if entry.title == title and entry.setting == setting]
    return found


def test_order_and_titles(entries):
    assert [(entry.setting, entry.title) for entry in entries] == [
        ("all", "graph metanetwork"),
        ("all", "graph metanetwork (block=transformer)"),
        ("all", "DeepSets"),
        ("all", "StatNN, trees"),
        ("wider", "DeepSets"),
    ]


def test_mean_and_deviation_over_seeds(entries):
    scores = [r2(targets(), np.round(noisy(0.25, 10 + seed), 6)) for seed in range(3)]
    entry = of(entries, "DeepSets")
    assert entry.seeds == [0, 1, 2]
    assert entry.figures["r2"]["mean"] == pytest.approx(np.mean(scores))
    assert entry.figures["r2"]["deviation"] == pytest.approx(np.std(scores, ddof=1))
    assert of(entries, "StatNN, trees").figures["r2"]["deviation"] is None
    assert entry.costs["parameters"] == 1000 and entry.costs["edges_seen"] is None


def test_intervals_are_paired_over_test_networks(entries):
    apart = of(entries, "DeepSets").reference_minus
    assert apart["r2"]["low"] > 0 and apart["mae"]["high"] < 0  # far better, surely
    errors = [
        np.mean([mean_absolute_error(targets(), np.round(noisy(size, start + seed), 6)) for seed in range(3)])
        for size, start in ((0.05, 0), (0.25, 10))
    ]
    assert apart["mae"]["difference"] == pytest.approx(errors[0] - errors[1])


def test_with_one_seed_each_it_is_the_plain_paired_bootstrap(tmp_path):
    results = open_results(tmp_path)
    ours, theirs = np.round(noisy(0.1, 1), 6), np.round(noisy(0.12, 2), 6)
    results.add(row("gmn"), ours)
    results.add(row("statnn"), theirs)
    apart = of(summarize(results, samples=4000), "StatNN, trees").reference_minus["mae"]
    expected = paired_bootstrap(targets(), ours, theirs, mean_absolute_error, seed=9, samples=4000)
    width = expected[2] - expected[1]
    assert apart["difference"] == pytest.approx(expected[0])
    assert apart["low"] == pytest.approx(expected[1], abs=0.1 * width)
    assert apart["high"] == pytest.approx(expected[2], abs=0.1 * width)


def test_the_metanetwork_is_not_compared_with_itself_nor_where_it_is_missing(entries):
    assert of(entries, "graph metanetwork").reference_minus is None
    assert of(entries, "DeepSets", "wider").reference_minus is None


def test_equal_predictions_differ_by_nothing(results):
    results.add(row("deepsets", 0, setting="wider"), noisy(0.1))
    results.add(row("gmn", 0, setting="wider"), noisy(0.1))
    apart = of(summarize(results, samples=SAMPLES), "DeepSets", "wider").reference_minus
    for figure in apart.values():
        assert figure == {"difference": 0.0, "low": 0.0, "high": 0.0}


def test_lines_of_one_title_are_told_apart(results):
    results.add(row("statnn", settings_hash="cc"), noisy(0.3))
    titles = [entry.title for entry in summarize(results, samples=10) if entry.method == "statnn"]
    assert sorted(titles) == ["StatNN, trees [aa]", "StatNN, trees [cc]"]


def test_markdown_shows_figures_costs_and_what_is_not_there(results, entries):
    text = markdown(results, entries, samples=SAMPLES)
    entry = of(entries, "DeepSets")
    line = next(line for line in text.splitlines() if line.startswith("| DeepSets |"))
    figure = entry.figures["r2"]
    assert f"{figure['mean']:.3f} ± {figure['deviation']:.3f}" in line
    assert line.endswith("| 1,000 | 12 | 3 | 30 | - | 0, 1, 2 |")
    low = entry.reference_minus["tau"]["low"]
    assert f"({low:+.3f} .. " in text
    assert "80 training, 10 validation, 60 test networks" in text
    assert "does not take them" in text and "2 processors" in text
    assert "seed 7" in text and "## wider: test networks are wider" in text


def test_files_are_made_from_the_rows_alone(results, tmp_path):
    found = write_report(tmp_path, samples=20)
    folder = results.path
    assert list(found) == [folder.name]
    assert (folder / "chart.png").read_bytes().startswith(b"\x89PNG")
    table = json.loads((folder / "table.json").read_text())
    assert table["settings"]["all"] == {"train": 80, "validation": 10, "test": 60}
    assert table["entries"][0]["title"] == "graph metanetwork"
    assert table["entries"][0]["seeds"] == [0, 1, 2] and "rows" not in table["entries"][0]
    text = (tmp_path / "README.md").read_text()
    assert f"({folder.name}/README.md)" in text and "| StatNN, trees | " in text
    assert text == overview(found)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_report(tmp_path, samples=20)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
