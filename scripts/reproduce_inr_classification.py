"""The table of INR classification: every method on every population of INRs with labels, and seed.

    .venv/bin/python scripts/reproduce_inr_classification.py --zoos zoos/mnist_inrs

Trains what results/inr_classification has no row of yet and keeps what it has, so it can be stopped and
started again, on one machine or on several whose rows are copied together. For each population it writes
README.md, table.json and chart.png: accuracy (mean and deviation over seeds), parameters, seconds and the
budget each method was given, and how far the graph metanetwork is ahead of each, with paired bootstrap
intervals over the test networks.

    ... --ablate

adds rows of the graph metanetwork without one thing each: no augmentation, no movements of the picture, no
noise, no signs, no dropout, no statistics. docs/inrs.md has the recipe of the population.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from gmn_tf.commands.console import start_tensorflow
from gmn_tf.comparison import script
from gmn_tf.models.registry import CLASSIFY, methods

if TYPE_CHECKING:
    from gmn_tf.training.task import Task
    from gmn_tf.zoo.store import Zoo

PICTURE = ("rotation", "translation", "scaling", "shear", "contrast", "brightness")
"""Augmentations that move what an INR shows."""


def ablations() -> list[dict[str, object]]:
    """Settings of the graph metanetwork with one thing left out."""
    whole = dict(methods(CLASSIFY)["gmn"].settings["augment"])

    def without(*names: str) -> dict[str, object]:
        return {"augment": {name: value for name, value in whole.items() if name not in names}}

    return [
        {"augment": False},
        without(*PICTURE),
        without("noise"),
        {**without("signs"), "symmetry": None},
        {"symmetry": None},
        {"readout_dropout_rate": 0.0},
        {"readout_statistics": False},
    ]


def make_task(given: argparse.Namespace, zoos: list[Zoo]) -> Task:
    from gmn_tf.training.classify_task import ClassifyTask

    return ClassifyTask.of(zoos[0])


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    asked = [word for word in given if word != "--ablate"]
    code = script.main(
        __doc__,
        task=CLASSIFY,
        name="inr_classification",
        make_task=make_task,
        start=start_tensorflow,
        arguments=asked,
    )
    if "--ablate" not in given or code:
        return code
    for changes in ablations():
        words = [
            f"--set=gmn.{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in changes.items()
        ]
        code = script.main(
            __doc__,
            task=CLASSIFY,
            name="inr_classification",
            make_task=make_task,
            start=start_tensorflow,
            arguments=[*asked, "--methods", "gmn", *words],
        )
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
