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

import psutil

from benchmarks.step import compare, report
from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import Problem
from benchmarks.step.session import Session, VariantFailed
from benchmarks.step.variants import PARTIES, TRUNK, VARIANTS

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
    if not chosen:
        return 0
    sizes = QUICK if options.quick else FULL
    problem = Problem.make(**sizes)
    with tempfile.TemporaryDirectory() as temporary:
        table = Table(Path(temporary), problem, options.torch_python, failures)
        parties = [[name for name in party if name in chosen] for party in PARTIES]
        try:
            samples = [table.seat(party, rounds=options.rounds) for party in parties if party]
        except compare.Disagreement as error:
            print(f"Nothing further is timed, the variants disagree: {error}", file=sys.stderr)
            return 1
    result = report.summarize(samples, table.differences, failures, edges=len(problem.edges))
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


class Table:
    """Where parties of variants take their turns.

    Args:
        folder: for their files.
        problem: what they are given.
        torch_python: the interpreter of variants that need torch.
        failures: by variant, why it is left out; added to.
    """

    def __init__(self, folder: Path, problem: Problem, torch_python: str, failures: dict[str, str]) -> None:
        self._folder, self._torch_python, self._failures = folder, torch_python, failures
        self._needed = 25_000 * len(problem.edges)  # bytes; the hungriest variant takes about that
        self._reference: Arrays | None = None
        self.differences: dict[str, dict[str, float]] = {}
        problem.save(folder / "problem.npz")

    def seat(self, party: list[str], *, rounds: int) -> report.Samples:
        """Compares the party's first steps, then times it.

        Raises:
            compare.Disagreement: a variant computes something else.
        """
        with contextlib.ExitStack() as stack:
            sessions: dict[str, Session] = {}
            for name in party:
                try:
                    sessions[name], answers = self._start(name, stack)
                except VariantFailed as error:
                    self._failures[name] = str(error)
                    print(f"{VARIANTS[name].title}: left out, {error}", flush=True)
                    continue
                trunk = VARIANTS[name].scope == TRUNK
                found = compare.check(name, answers, self._reference if trunk else None)
                if trunk and self._reference is None:
                    self._reference = answers
                if name not in self.differences:
                    self.differences[name] = found
                print(f"{VARIANTS[name].title}: {_sentence(found)}", flush=True)
            return take_turns(sessions, rounds=rounds)

    def _start(self, name: str, stack: contextlib.ExitStack) -> tuple[Session, Arrays]:
        available = psutil.virtual_memory().available
        if available < self._needed:
            raise VariantFailed(
                f"{available / 1e9:.1f} GB of memory are free, it may need {self._needed / 1e9:.1f}: "
                "choose fewer with --variants"
            )
        problem = self._folder / "problem.npz"
        session = Session(name, problem=problem, folder=self._folder, torch_python=self._torch_python)
        return stack.enter_context(session), session.first()


def take_turns(sessions: dict[str, Session], *, rounds: int) -> report.Samples:
    """Readings of A B C, A B C, ..."""
    samples: report.Samples = {name: [] for name in sessions}
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
