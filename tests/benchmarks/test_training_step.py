"""The training-step benchmark compares what it times; its TensorFlow side, at a tiny size."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import training_step
from benchmarks.step import compare, parameters, report, stock, trunk, whole
from benchmarks.step.problem import Problem
from benchmarks.step.products import Product, products
from benchmarks.step.variants import PARTIES, VARIANTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem.make(networks=2, channels=2, width=4, num_blocks=2)


@pytest.fixture(scope="module")
def ours(problem):
    return trunk.trunk(problem).first()


def test_our_blocks_equal_stock_tfgnn(problem, ours):
    found = compare.check("trunk", ours, stock.shipped(problem).first())
    assert set(found) == {"answer", "gradient"}
    assert 0 < found["gradient"] < 1e-3  # two computations, not one read twice
    assert {f"gradient/{name}" for name in problem.weights} < set(ours)


def test_a_weight_that_is_off_is_seen(problem, ours):
    weights = {name: array.copy() for name, array in problem.weights.items()}
    weights["block_0/message/kernel"][0, 0] += 0.1
    off = stock.shipped(dataclasses.replace(problem, weights=weights)).first()
    with pytest.raises(compare.Disagreement, match=r"trunk: .* differs by"):
        compare.check("trunk", ours, off)


def test_answers_by_hand():
    """One edge from node 0 to 1, one block: e + Linear(SiLU(Linear([LN(x0), LN(x1), LN(e)]))), read out."""
    weights = parameters.draw(width=3, num_blocks=1, seed=3)
    rng = np.random.default_rng(0)
    nodes, edge = rng.standard_normal((2, 3)), rng.standard_normal((1, 3))

    def norm(states, kind):
        centred = states - states.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + parameters.NORM_EPSILON)
        return scaled * weights[f"block_0/{kind}/gamma"] + weights[f"block_0/{kind}/beta"]

    def linear(states, name):
        return states @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    x, e = norm(nodes, "node_norm"), norm(edge, "edge_norm")
    h = linear(np.concatenate([x[:1], x[1:], e], axis=1), "block_0/edge")
    h = h / (1 + np.exp(-h))
    expected = linear(edge + linear(h, "block_0/edge_output"), "readout")

    tiny = Problem(
        nodes=nodes.astype(np.float32),
        edges=edge.astype(np.float32),
        source=np.array([0], np.int32),
        target=np.array([1], np.int32),
        node_sizes=np.array([2], np.int32),
        edge_sizes=np.array([1], np.int32),
        labels=np.ones((1, 1), np.float32),
        flat=np.zeros((1, 1), np.float32),
        weights=weights,
    )
    np.testing.assert_allclose(trunk.trunk(tiny).first()["answer"], expected, rtol=1e-5)


def test_batches_hold_the_networks_they_are_drawn_from(problem):
    found = whole.pipeline_alone(problem).first()
    assert compare.check("pipeline", found, None) == {"answer": 0.0}
    assert np.ptp(found["reference"]) > 0


def test_the_problem_survives_its_file(problem, tmp_path):
    problem.save(tmp_path / "problem.npz")
    again = Problem.load(tmp_path / "problem.npz")
    assert again.num_blocks == 2 and set(again.weights) == set(problem.weights)
    np.testing.assert_array_equal(again.source, problem.source)
    assert len(problem.edges) == 2 * (18 * 4 + 22 * 2 + 10)


def test_the_floor_counts_every_product_of_the_blocks(problem):
    """W^2 per edge for C, D twice, Q once: 5; per node for A, B twice, P, aggregate, R (2), output: 9."""
    width, edges, nodes = 4, len(problem.edges), len(problem.nodes)
    expected = 3 * 2 * width**2 * (5 * edges + 9 * nodes)
    assert sum(product.operations for product in products(problem)) == expected
    x, w, _ = Product(1, 20, 3, 2).operands()
    np.testing.assert_allclose(Product(1, 20, 3, 2).few_rows(), (x @ w)[:16], rtol=1e-5)


def test_ratios_are_taken_round_by_round():
    def readings(*seconds):
        return [{"seconds": s, "processor": s, "faults": 0, "peak": 2e9, "increase": 1e9} for s in seconds]

    samples = [
        {"pyg_memory": readings(3.0, 30.0, 3.0), "trunk": readings(1.0, 10.0, 1.0)},
        {
            "pyg_memory": readings(4.0, 4.0, 4.0),
            "fit": readings(2.0, 2.0, 2.0),
            "floor_tf": readings(1.0, 1.0, 1.0),
        },
    ]
    result = report.summarize(samples, {}, {"pyg": "gone", "fit": "no room"}, edges=100)
    rows = result["variants"]
    assert rows["pyg_memory"]["ratio"] == 3.0 and rows["trunk"]["ratio"] == 1.0
    assert rows["fit"]["share_of_floor"] == 0.5 and rows["fit"]["edges_per_second"] == 50
    assert result["best_pyg_to_fit"] == 2.0
    text = "\n".join(report.notes(result))
    assert "3.00 times our blocks" in text and "Left out: pyg: gone" in text
    assert "Left out of a party: fit: no room" in text


def test_every_variant_has_a_seat():
    assert {name for party in PARTIES for name in party} == set(VARIANTS)


def test_without_torch_one_sentence_says_so(capsys):
    assert training_step.main(["--variants", "pyg", "--torch-python", "no/such/python"]) == 0
    assert "no/such/python has no torch and torch_geometric" in capsys.readouterr().out


@pytest.mark.slow
def test_the_script_compares_times_and_writes(tmp_path):
    command = [sys.executable, "-m", "benchmarks.training_step", "--quick", "--rounds", "2"]
    command += ["--variants", "tfgnn", "trunk", "fit", "floor_tf", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "training_step_quick.json").read_text())
    assert set(result["variants"]) == {"tfgnn", "trunk", "fit", "floor_tf"} and not result["failures"]
    assert result["variants"]["trunk"]["differences"]["answer"] < 1e-4
    assert all(row["seconds"] > 0 and row["increase_bytes"] > 0 for row in result["variants"].values())
    assert "gmn_tf's blocks" in (tmp_path / "training_step_quick.md").read_text()
