"""One training step of the metanetwork beside PyTorch Geometric and stock TF-GNN.

    .venv/bin/python -m benchmarks.training_step --torch-python .venv-torch/bin/python

Run it from the root of the repository. Every variant has a process of its own; first steps are
compared, then all take turns. benchmarks/README.md says what is in a step and what is not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.step import compare, report
from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import Problem
from benchmarks.step.session import Session, VariantFailed
from benchmarks.step.variants import TRUNK, VARIANTS

RESULTS = Path(__file__).resolve().parent / "results"
QUICK = {"networks": 4, "channels": 4, "width": 16, "num_blocks": 2}
FULL = {"networks": 32, "channels": 16, "width": 64, "num_blocks": 4}
_PAUSE = 0.2  # seconds in which the threads of the variant before fall asleep


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    chosen, failures = list(options.variants or VARIANTS), {}
    if any(VARIANTS[name].torch for name in chosen) and not has_torch(options.torch_python):
        print(
            f"PyTorch Geometric is left out: {options.torch_python} has no torch and torch_geometric; "
            "install benchmarks/requirements.txt elsewhere and name that interpreter with --torch-python."
        )
        failures = {n: "no torch in the interpreter" for n in chosen if VARIANTS[n].torch}
        chosen = [name for name in chosen if not VARIANTS[name].torch]
    sizes = QUICK if options.quick else FULL
    problem = Problem.make(**sizes)
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        problem.save(folder / "problem.npz")
        sessions: dict[str, Session] = {}
        differences: dict[str, dict[str, float]] = {}
        reference: Arrays | None = None
        for name in chosen:
            try:
                session = Session(
                    name,
                    problem=folder / "problem.npz",
                    folder=folder,
                    torch_python=options.torch_python,
                )
                sessions[name] = stack.enter_context(session)
                answers = session.first()
            except VariantFailed as error:
                sessions.pop(name, None)
                failures[name] = str(error)
                print(f"{VARIANTS[name].title}: left out, {error}", flush=True)
                continue
            try:
                differences[name] = compare.check(name, answers, reference)
            except compare.Disagreement as error:
                print(f"Nothing was timed, the variants disagree: {error}", file=sys.stderr)
                return 1
            if VARIANTS[name].scope == TRUNK and reference is None:
                reference = answers
            print(f"{VARIANTS[name].title}: {_sentence(differences[name])}", flush=True)
        samples = take_turns(sessions, rounds=options.rounds)
    result = report.summarize(samples, differences, failures, edges=len(problem.edges))
    result["setting"] = {
        **sizes,
        "nodes": len(problem.nodes),
        "rounds": options.rounds,
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "command": "python -m benchmarks.training_step" + (" --quick" if options.quick else ""),
        "samples": samples,
    }
    report.show(result)
    report.write(result, options.out, "training_step_quick" if options.quick else "training_step")
    return 0


def take_turns(sessions: dict[str, Session], *, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Readings of A B C, A B C, ..."""
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in sessions}
    for number in range(rounds):
        for name, session in sessions.items():
            time.sleep(_PAUSE)
            samples[name].append(session.unit())
        print(f"round {number + 1} of {rounds}", flush=True)
    return samples


def has_torch(python: str) -> bool:
    """Whether that interpreter exists and imports torch and torch_geometric."""
    try:
        done = subprocess.run([python, "-c", "import torch, torch_geometric"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def _sentence(differences: dict[str, float]) -> str:
    if not differences:
        return "ready"
    return "agrees, " + ", ".join(f"{kind} {value:.1e}" for kind, value in differences.items())


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_step", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--torch-python", default=sys.executable, metavar="PATH", help="interpreter with torch"
    )
    parser.add_argument(
        "--variants", nargs="+", choices=list(VARIANTS), metavar="NAME", help=", ".join(VARIANTS)
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each takes its turn (7)")
    parser.add_argument("--quick", action="store_true", help="a small batch, to see that it runs")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="where the results go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
