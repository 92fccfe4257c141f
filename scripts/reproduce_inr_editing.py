"""The tables of INR editing: every method on every population of INRs of pictures, operation and seed.

    .venv/bin/python scripts/reproduce_inr_editing.py --zoos zoos/mnist_inrs --operation dilate
    .venv/bin/python scripts/reproduce_inr_editing.py --zoos zoos/patch_inrs --operation contrast

Trains what results/inr_editing has no row of yet and keeps what it has, so it can be stopped and started
again, on one machine or on several whose rows are copied together. For each population and operation it
writes README.md, table.json, chart.png and edited.png: mean squared error of what edited networks show (mean
and deviation over seeds, pixels from 0 to 1), parameters, seconds and the budget each method was given, how
far the graph metanetwork is ahead of each, with paired bootstrap intervals over the test networks, and the
first test networks before, as they should be, and after, by every method. docs/inrs.md has the recipes of
the populations.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gmn_tf.commands.console import start_tensorflow
from gmn_tf.comparison import script
from gmn_tf.models.registry import EDIT

if TYPE_CHECKING:
    from gmn_tf.training.task import Task
    from gmn_tf.zoo.store import Zoo

SHOWN = 10
"""Test networks in the picture."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--operation", default="dilate", help="as of gmn-tf train edit (default: %(default)s)"
    )
    parser.add_argument("--target", default="image", help="as of gmn-tf train edit (default: %(default)s)")


def make_task(given: argparse.Namespace, zoos: list[Zoo]) -> Task:
    from gmn_tf.training.edit_task import EditTask

    return EditTask(given.operation, target=given.target)


def draw(given: argparse.Namespace, zoos: list[Zoo], task: Task) -> None:
    """Writes edited.png of every zoo from the runs of its first seed that are here."""
    from gmn_tf.comparison.report import PICTURE, write_report
    from gmn_tf.comparison.reproduce import run_folder
    from gmn_tf.comparison.results import Results
    from gmn_tf.comparison.summary import summarize
    from gmn_tf.inr import zoos as inr_zoos
    from gmn_tf.inr.pictures import sheet
    from gmn_tf.training import files
    from gmn_tf.training.run import Run

    for zoo in zoos:
        results = Results.of(given.out, zoo, task)
        shown = zoo.indices("test")[:SHOWN]
        target = task.targets(zoo, shown)
        shape = (len(shown), *inr_zoos.image_shape(zoo))
        rows = {"unedited": inr_zoos.renderings(zoo, shown), "target": target.reshape(shape)}
        for entry in summarize(results, samples=1):
            folder = run_folder(given.runs, results, entry.rows[0])
            if entry.setting == "all" and entry.method != "unedited" and Path(folder).is_dir():
                found = Run.load(folder).predict(zoo, shown)
                rows[_short(entry.title)] = found.reshape(shape)
        files.write_bytes(results.path / PICTURE, sheet(rows, title=results.path.name))
    write_report(given.out, samples=given.samples)


def _short(title: str) -> str:
    """A method's name as it fits beside a row of pictures."""
    words = title.replace("graph metanetwork", "GMN").replace(" on flattened weights", "")
    return words.replace(", ", ",\n").replace(" (", "\n(")


def main(arguments: list[str] | None = None) -> int:
    return script.main(
        __doc__,
        task=EDIT,
        name="inr_editing",
        make_task=make_task,
        start=start_tensorflow,
        arguments=arguments,
        add_arguments=add_arguments,
        finish=draw,
    )


if __name__ == "__main__":
    sys.exit(main())
