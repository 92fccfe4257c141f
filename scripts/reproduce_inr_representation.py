"""The table of representations learnt without labels: every method on sine-wave INRs, and seed.

    .venv/bin/python scripts/reproduce_inr_representation.py --zoos zoos/sine_inrs

Each method is trained to find two changed views of an INR among many (`gmn_tf.tasks.contrastive`); amplitude
and frequency of the waves are then regressed linearly from the frozen representation, fitted on the training
INRs. Trains what results/inr_representation has no row of yet and keeps what it has, so it can be stopped and
started again. For each population it writes README.md, table.json and chart.png: mean squared error (mean and
deviation over seeds), parameters, seconds and the budget each method was given, and how far the graph
metanetwork is ahead of each, with paired bootstrap intervals over the test networks. docs/inrs.md has the
recipe of the population.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from gmn_tf.commands.console import start_tensorflow
from gmn_tf.comparison import script
from gmn_tf.models.registry import REPRESENT

if TYPE_CHECKING:
    from gmn_tf.training.task import Task
    from gmn_tf.zoo.store import Zoo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dim", type=int, help="width of the projections that are contrasted")
    parser.add_argument("--temperature", type=float, help="of the contrastive loss")


def make_task(given: argparse.Namespace, zoos: list[Zoo]) -> Task:
    from gmn_tf.training.represent_task import RepresentTask

    options = {"dim": given.dim, "temperature": given.temperature}
    return RepresentTask(**{name: value for name, value in options.items() if value is not None})


def main(arguments: list[str] | None = None) -> int:
    return script.main(
        __doc__,
        task=REPRESENT,
        name="inr_representation",
        make_task=make_task,
        start=start_tensorflow,
        arguments=arguments,
        add_arguments=add_arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
