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
import sys
from typing import TYPE_CHECKING

from gmn_tf.commands.console import start_tensorflow
from gmn_tf.comparison import script
from gmn_tf.models.registry import ACCURACY

if TYPE_CHECKING:
    from gmn_tf.training.task import Task
    from gmn_tf.zoo.store import Zoo


def make_task(given: argparse.Namespace, zoos: list[Zoo]) -> Task:
    from gmn_tf.training.accuracy_task import AccuracyTask

    return AccuracyTask()


def main(arguments: list[str] | None = None) -> int:
    return script.main(
        __doc__,
        task=ACCURACY,
        name="accuracy",
        make_task=make_task,
        start=start_tensorflow,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
