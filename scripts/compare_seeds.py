"""Trains the accuracy metanetwork with several seeds on one zoo and compares it with StatNN.

    .venv/bin/python scripts/compare_seeds.py --zoo quickstart/zoo --out runs/seeds [--seeds 0 1 2]

Prints R2, Kendall's tau and mean absolute error on the test networks for every seed (of the
metanetwork's weights and shuffling, and of StatNN's trees), with 95 % paired bootstrap intervals of the
differences, and the time each training took; writes comparison.json. Started again it goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import gmn_tf  # isort: skip

from gmn_tf.tasks.metrics import METRICS
from gmn_tf.training import files
from gmn_tf.training.evaluate import evaluate
from gmn_tf.training.fit import train_accuracy
from gmn_tf.zoo.store import Zoo


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and comparison.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="default: the package's")
    arguments = parser.parse_args()
    changes = {} if arguments.epochs is None else {"epochs": arguments.epochs}
    try:
        rows = [_one(arguments.zoo, arguments.out, seed, changes) for seed in arguments.seeds]
        files.write_json(arguments.out / "comparison.json", {"seeds": rows, "summary": _summary(rows)})
    except gmn_tf.GmnError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _print(rows)
    return 0


def _one(zoo_path: Path, out: Path, seed: int, changes: dict[str, int]) -> dict:
    run = out / f"seed-{seed}"
    start = time.monotonic()
    summary = train_accuracy(zoo_path, run, seed=seed, **changes)
    seconds = time.monotonic() - start if summary["trained"] else None
    report = evaluate(run, Zoo.load(zoo_path), out=run / "evaluation", seed=seed)
    return {"seed": seed, "training_seconds": seconds, "validation": summary["validation"], **report}


def _summary(rows: list[dict]) -> dict:
    apart = [row["metanetwork_minus_statnn"] for row in rows]
    return {
        figure: {
            "mean_difference": sum(a[figure]["difference"] for a in apart) / len(apart),
            "ahead_on": sum(a[figure]["difference"] * sign > 0 for a in apart),
        }
        for figure, sign in (("r2", 1), ("tau", 1), ("mae", -1))
    }


def _print(rows: list[dict]) -> None:
    from rich.console import Console
    from rich.table import Table

    titles = {"r2": "R2", "tau": "tau", "mae": "mean abs. error"}
    table = Table(
        title=f"metanetwork | StatNN, difference (95 % interval), {rows[0]['networks']} test networks"
    )
    table.add_column("seed", justify="right")
    for figure in METRICS:
        table.add_column(titles[figure])
    table.add_column("training", justify="right")
    for row in rows:
        cells = []
        for figure in METRICS:
            ours, theirs = (row["figures"][name][figure] for name in ("metanetwork", "statnn"))
            apart = row["metanetwork_minus_statnn"][figure]
            cells.append(
                f"{ours:.3f} | {theirs:.3f}  {apart['difference']:+.3f} "
                f"({apart['low']:+.3f} .. {apart['high']:+.3f})"
            )
        seconds = row["training_seconds"]
        table.add_row(str(row["seed"]), *cells, "-" if seconds is None else f"{seconds:.0f} s")
    Console(width=140).print(table)
    for figure, found in _summary(rows).items():
        ahead = f"ahead on {found['ahead_on']} of {len(rows)} seeds"
        print(f"{titles[figure]}: {ahead}, mean {found['mean_difference']:+.3f}")


if __name__ == "__main__":
    sys.exit(main())
