"""Trains parts of a population in this process, or in several processes of one processor each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gmn_tf.errors import ZooError
from gmn_tf.zoo.data import Data, load_data
from gmn_tf.zoo.parts import is_finished, train_part
from gmn_tf.zoo.plan import Plan

_POLL_SECONDS = 0.2


def trained_parts(folder: Path, plan: Plan, data: Data, missing: list[int], workers: int) -> Iterator[int]:
    """Trains the missing parts and yields the number of each when it is written.

    Raises:
        ZooError: a part could not be written, or a worker process failed; other workers are stopped.
    """
    if workers == 1 or len(missing) < 2:
        for architecture in missing:
            train_part(folder, plan, data, architecture)
            yield architecture
        return
    yield from _in_processes(folder, plan, missing, min(workers, len(missing)))


def _in_processes(folder: Path, plan: Plan, missing: list[int], workers: int) -> Iterator[int]:
    waiting = set(missing)
    with tempfile.TemporaryFile() as messages:
        processes = []
        try:
            for worker in range(workers):
                order = json.dumps(
                    {
                        "folder": os.fspath(folder.resolve()),
                        "plan": plan.to_dict(),
                        "parts": missing[worker::workers],
                    }
                )
                command = [sys.executable, "-m", "gmn_tf.zoo.workers", order]
                processes.append(subprocess.Popen(command, stdout=messages, stderr=messages))
            while waiting:
                codes = [process.poll() for process in processes]
                for architecture in sorted(a for a in waiting if is_finished(folder, a)):
                    waiting.discard(architecture)
                    yield architecture
                if waiting and any(code not in (None, 0) for code in codes):
                    messages.seek(0)
                    last = messages.read().decode(errors="replace").strip().rsplit("\n", 1)[-1]
                    raise ZooError(f"A worker process failed: {last}")
                if (
                    waiting
                    and all(code == 0 for code in codes)
                    and not any(is_finished(folder, a) for a in waiting)
                ):
                    raise ZooError(f"The worker processes ended without part {min(waiting)}: call again.")
                time.sleep(_POLL_SECONDS)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


def _main(order: str) -> int:
    """One worker: trains its parts on one processor; a ZooError becomes the last line of its output."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    job = json.loads(order)
    plan = Plan(**job["plan"])
    data = load_data(plan.data)
    try:
        for architecture in job["parts"]:
            train_part(Path(job["folder"]), plan, data, architecture)
    except ZooError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
