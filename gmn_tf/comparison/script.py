"""What the scripts that reproduce tables have in common: their arguments, and what they print."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmn_tf.errors import GmnError, RunError
from gmn_tf.models.registry import methods

if TYPE_CHECKING:
    from gmn_tf.training.task import Task
    from gmn_tf.zoo.store import Zoo


def main(
    description: str | None,
    *,
    task: str,
    name: str,
    make_task: Callable[[argparse.Namespace, list[Zoo]], Task],
    start: Callable[[], None],
    arguments: list[str] | None = None,
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None,
    finish: Callable[[argparse.Namespace, list[Zoo], Task], None] | None = None,
) -> int:
    """Trains what the results lack and makes the tables anew; the exit code.

    Args:
        description: for `--help`.
        task: its name in the registry.
        name: of the folders below results/ and runs/.
        make_task: the task, from the script's arguments and the opened zoos.
        start: called before TensorFlow is imported.
        arguments: in place of the command line's.
        add_arguments: adds the script's own.
        finish: called at the end where there are zoos, with what `make_task` made.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = " ".join(methods(task))
    parser.add_argument("--zoos", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("results") / name, help="default: %(default)s")
    parser.add_argument("--runs", type=Path, default=Path("runs") / name, help="default: %(default)s")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help=f"default: {known}")
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
    if add_arguments is not None:
        add_arguments(parser)
    given = parser.parse_args(arguments)

    start()
    from gmn_tf.comparison.report import write_report
    from gmn_tf.comparison.reproduce import reproduce
    from gmn_tf.zoo.opening import open_zoo

    try:
        if not given.zoos:
            write_report(given.out, samples=given.samples)
            print(f"{given.out}: tables made anew from the rows there; --zoos DIR trains missing ones.")
            return 0
        zoos = [open_zoo(path) for path in given.zoos]
        made = make_task(given, zoos)
        counts = reproduce(
            zoos,
            out=given.out,
            runs=given.runs,
            task=made,
            methods=given.methods,
            settings=given.settings,
            seeds=given.seeds,
            changes={} if given.epochs is None else {"epochs": given.epochs},
            changes_of=changes_of(given.set),
            time_limit=None if given.time_limit is None else 60 * given.time_limit,
            strategy=given.strategy,
            jit_compile=False if given.no_jit else None,
            samples=given.samples,
            say=functools.partial(print, flush=True),
        )
        if finish is not None:
            finish(given, zoos, made)
    except GmnError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"{given.out}: {counts['made']} rows made, {counts['kept']} kept, {counts['refused']} refused, "
        f"{counts['left']} left for the next start."
    )
    return 0


def changes_of(pairs: list[str]) -> dict[str, dict[str, Any]]:
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
