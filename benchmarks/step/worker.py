"""The process of one variant: builds it, takes the first step, then one unit of steps per line it reads.

    python -m benchmarks.step.worker VARIANT PROBLEM.npz ANSWER.npz

It needs numpy and the variant's framework alone. It writes one JSON object per line: when it is ready,
after the first step (whose answers lie in ANSWER.npz by then), and after each unit.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks import memory
from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import Problem
from benchmarks.step.variants import VARIANTS


class Run(Protocol):
    """A variant, ready to step."""

    steps: int
    """Steps in one unit."""

    def unit(self) -> None:
        """Takes that many steps and waits until they are done."""

    def first(self) -> Arrays:
        """The first step (or a check that stands for it); what it answered, for the comparison."""


def main() -> None:
    name, problem, answer = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    wire = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes elsewhere

    def say(**message: Any) -> None:
        wire.write(json.dumps(message) + "\n")

    module, factory = VARIANTS[name].factory.split(":")
    run: Run = getattr(importlib.import_module(module), factory)(Problem.load(problem))
    before = memory.start_peak()
    say(ready=True)
    for line in sys.stdin:
        if line.strip() == "first":
            np.savez(answer, **run.first())
            run.unit()  # warm
            say(first=True)
        elif line.strip() == "unit":
            say(**timed(run), peak=memory.peak(), increase=memory.peak() - before)
        else:
            break


def timed(run: Run) -> dict[str, float]:
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    processor, start = time.process_time(), time.perf_counter()
    run.unit()
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return {
        "seconds": seconds / run.steps,
        "processor": processor / run.steps,
        "faults": faults / run.steps,
    }


if __name__ == "__main__":
    main()
