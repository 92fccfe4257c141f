"""Results written by hand: predictions whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gmn_tf.comparison.results import Results

NETWORKS = 60
COSTS = {
    "parameters": 1000,
    "training_seconds": 12.5,
    "epochs": 3,
    "best_epoch": 2,
    "steps": 30,
    "networks_seen": 240,
    "edges_seen": None,
}


def targets() -> np.ndarray:
    return np.round(np.random.default_rng(0).random(NETWORKS), 6)


def open_results(root: Path, settings: tuple[str, ...] = ("all", "wider")) -> Results:
    folder = root / "cnn-digits-0123abcd"
    folder.mkdir(parents=True)
    manifest = {"family": "cnn", "data": {"name": "digits", "hash": "0"}, "seed": 7}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    counts = {"train": 80, "validation": 10, "test": NETWORKS}
    facts = {**counts, "network": list(range(NETWORKS)), "test_accuracy": targets().tolist()}
    (folder / "networks.json").write_text(json.dumps(dict.fromkeys(settings, facts)))
    return Results(folder)


def row(method: str, seed: int = 0, **more) -> dict:
    identity = {"zoo_hash": "0", "setting": "all", "method": method, "seed": seed, "settings_hash": "aa"}
    return {**identity, "changes": {}, **COSTS, "machine": "2 processors", **more}


def noisy(size: float, seed: int = 0) -> np.ndarray:
    return targets() + size * np.random.default_rng(100 + seed).normal(size=NETWORKS)
