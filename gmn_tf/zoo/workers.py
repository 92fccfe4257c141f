"""Makes the parts of a population in worker processes of one processor each.

One part per processor is about twice as fast as one part on two processors, and a part comes out the same to
the last bit however many workers there are.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import gmn_tf
from gmn_tf.errors import GmnError, ZooError


def default_workers() -> int:
    """One worker per processor this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def made_parts(
    module: str, folder: Path, plan: dict[str, Any], missing: list[int], workers: int
) -> Generator[int, None, None]:
    """Makes the missing parts and yields the number of each when it is written.

    Args:
        module: name of a module of this package with a function `maker(folder, plan)`, which answers the
            function that makes the part of a number.
        folder: where the parts go.
        plan: the population's plan, as JSON takes it.
        missing: numbers of the parts to make.
        workers: processes, as many as there are parts at most.

    Raises:
        ZooError: a part could not be written, or a worker process died; the other workers are stopped.
    """
    todo: queue.Queue[int] = queue.Queue()
    for number in missing:
        todo.put(number)
    outcomes: queue.Queue[int | ZooError] = queue.Queue()
    pool = [_Worker(module, folder, plan) for _ in range(min(workers, len(missing)))]
    try:
        for worker in pool:
            worker.start(todo, outcomes)
        for _ in missing:
            outcome = outcomes.get()
            if isinstance(outcome, ZooError):
                raise outcome
            yield outcome
    finally:
        for worker in pool:
            worker.stop()


class _Worker:
    """A process that reads part numbers from its input and answers one JSON line for each.

    When this process dies, its input ends, and it ends after the part it is at.
    """

    def __init__(self, module: str, folder: Path, plan: dict[str, Any]) -> None:
        order = json.dumps({"module": module, "folder": os.fspath(folder.resolve()), "plan": plan})
        package = os.fspath(Path(gmn_tf.__file__).parent.parent)
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(paths),
            "CUDA_VISIBLE_DEVICES": "-1",
            "KERAS_BACKEND": "tensorflow",
        }
        self._thread: threading.Thread | None = None
        self._messages: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gmn_tf.zoo.workers", order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            env=environment,
        )

    def start(self, todo: queue.Queue[int], outcomes: queue.Queue[int | ZooError]) -> None:
        """Has parts made, in a thread, until none is left; stops at the first that fails."""
        self._thread = threading.Thread(target=self._serve, args=(todo, outcomes), daemon=True)
        self._thread.start()

    def _serve(self, todo: queue.Queue[int], outcomes: queue.Queue[int | ZooError]) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        while True:
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            try:
                self._process.stdin.write(f"{number}\n".encode())
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except (OSError, ValueError):
                answer = b""
            if not answer:
                outcomes.put(ZooError(f"A worker process died at part {number}: {self._last_message()}"))
                return
            error = json.loads(answer)["error"]
            outcomes.put(ZooError(error) if error else number)
            if error:
                return

    def stop(self) -> None:
        """Ends the process; parts it has not finished are not written."""
        self._process.terminate()
        self._process.wait()
        if self._thread is not None:
            self._thread.join()
        for stream in (self._process.stdin, self._process.stdout, self._messages):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _last_message(self) -> str:
        code = self._process.wait()
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return f"exit code {code}" + (f", {lines[-1]}" if lines else "")


def _main(order: str) -> None:
    """The worker's side."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print is no answer
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    job = json.loads(order)
    make = importlib.import_module(job["module"]).maker(Path(job["folder"]), job["plan"])
    for line in sys.stdin:
        error = None
        try:
            make(int(line))
        except GmnError as problem:
            error = str(problem)
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()


if __name__ == "__main__":
    _main(sys.argv[1])
