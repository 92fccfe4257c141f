"""The parent's hold on the process of one variant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.step.parameters import Arrays
from benchmarks.step.variants import VARIANTS

ROOT = Path(__file__).resolve().parents[2]


class VariantFailed(RuntimeError):
    """A variant's process ended; the message is its last word."""


class Session:
    """A variant's process, started at once; use it as a context manager.

    Args:
        name: of the variant.
        problem: the .npz file it reads.
        folder: where its answers and its log go.
        torch_python: the interpreter of variants that need torch.
    """

    def __init__(self, name: str, *, problem: Path, folder: Path, torch_python: str) -> None:
        self.name, self.variant = name, VARIANTS[name]
        self._answer, self._log = folder / f"{name}.npz", folder / f"{name}.log"
        python = torch_python if self.variant.torch else sys.executable
        module = "benchmarks.step.worker"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [python, "-m", module, name, str(problem), str(self._answer)],
                cwd=ROOT,
                env={**os.environ, **self.variant.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._read()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def first(self) -> Arrays:
        """Takes the first step; its answers."""
        self._ask("first")
        with np.load(self._answer, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def unit(self) -> dict[str, float]:
        """Takes a unit of steps: seconds, processor seconds and page faults per step; peak memory so far."""
        return self._ask("unit")

    def close(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, what: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(what + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the process is gone: _read says why
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            last = (self._log.read_text().strip().splitlines() or ["nothing"])[-1]
            self.close()
            raise VariantFailed(f"{self.name} ended with code {code}, last word: {last}")
        message: dict[str, Any] = json.loads(line)
        return message
