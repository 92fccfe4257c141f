"""The tables of accuracy prediction: every method on every population, setting and seed.

    .venv/bin/python scripts/reproduce_accuracy.py --zoos zoos/varying_cnns zoos/diverse

Trains what results/accuracy has no row of yet and keeps what it has, so it can be stopped and started again,
on one machine or on several whose rows are copied together. For each population it writes README.md,
table.json and chart.png: R2, Kendall's tau and mean absolute error (mean and deviation over seeds),
parameters, seconds and the budget each method was given, and how far the graph metanetwork is ahead of each,
with paired bootstrap intervals over the test networks. docs/accuracy.md leads from an empty folder to there.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

from gmn_tf.commands.console import start_tensorflow
from gmn_tf.errors import GmnError, RunError
from gmn_tf.models.registry import METHODS


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--zoos", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("results/accuracy"), help="default: %(default)s")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"), help="default: %(default)s")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help=f"default: {' '.join(METHODS)}")
    parser.add_argument("--settings", nargs="+", metavar="NAME", help="default: all that a zoo has")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="in place of each method's own number")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="METHOD.NAME=VALUE",
        help="a setting or argument of one method, such as gmn.block=transformer: a row of its own",
    )
    parser.add_argument(
        "--time-limit", type=float, metavar="MINUTES", help="stop after so long, to go on later"
    )
    parser.add_argument("--strategy", default="auto")
    parser.add_argument(
        "--no-jit", action="store_true", help="without XLA: starts sooner, slower steps; for trials"
    )
    parser.add_argument("--samples", type=int, default=2000, help="bootstrap draws")
    given = parser.parse_args(arguments)

    start_tensorflow()
    from gmn_tf.comparison.report import write_report
    from gmn_tf.comparison.reproduce import reproduce

    try:
        if not given.zoos:
            write_report(given.out, samples=given.samples)
            print(f"{given.out}: tables made anew from the rows there; --zoos DIR trains missing ones.")
            return 0
        counts = reproduce(
            given.zoos,
            out=given.out,
            runs=given.runs,
            methods=given.methods,
            settings=given.settings,
            seeds=given.seeds,
            changes={} if given.epochs is None else {"epochs": given.epochs},
            changes_of=_changes_of(given.set),
            time_limit=None if given.time_limit is None else 60 * given.time_limit,
            strategy=given.strategy,
            jit_compile=False if given.no_jit else None,
            samples=given.samples,
            say=functools.partial(print, flush=True),
        )
    except GmnError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"{given.out}: {counts['made']} rows made, {counts['kept']} kept, {counts['refused']} refused, "
        f"{counts['left']} left for the next start."
    )
    return 0


def _changes_of(pairs: list[str]) -> dict[str, dict[str, Any]]:
    """METHOD.NAME=VALUE pairs; a value is read as JSON where it is JSON, and is a word otherwise."""
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        left, equals, value = pair.partition("=")
        method, dot, name = left.partition(".")
        if not (method and dot and name and equals):
            raise RunError(f"received --set {pair}, expected METHOD.NAME=VALUE, such as gmn.num_blocks=4")
        try:
            found.setdefault(method, {})[name] = json.loads(value)
        except ValueError:
            found.setdefault(method, {})[name] = value
    return found


if __name__ == "__main__":
    sys.exit(main())
