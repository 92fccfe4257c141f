"""What the presets of `GraphMetanetwork` cost: parameters, edges per second, memory.

    .venv/bin/python -m benchmarks.presets

On the batch of the training-step benchmark (32 small CNNs of 4,970 weights), compiled, each preset in a
fresh process. Speeds are those of the machine it runs on; their ratios to the preset "small" carry over.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import files, memory

RESULTS = Path(__file__).resolve().parent / "results"
_HEADERS = (
    "preset",
    "parameters",
    "training, edges / s",
    "to small",
    "inference, edges / s",
    "to small",
    "training, added GB",
    "bytes / edge",
)


def measure(name: str, *, networks: int, channels: int, readings: int) -> dict[str, Any]:
    """Medians of `readings` compiled steps and answers, in this process."""
    import gmn_tf  # isort: skip
    import numpy as np
    import tensorflow as tf

    from benchmarks.step.problem import Problem, parameter_graph
    from gmn_tf.tasks import accuracy
    from gmn_tf.training import pipeline
    from gmn_tf.training.plan import Planner
    from gmn_tf.training.population import Population

    problem = Problem.make(networks=networks, channels=channels, width=4, num_blocks=1)
    graph = parameter_graph(channels)
    population = Population.from_graphs([(graph, flat) for flat in problem.flat[:networks]], channels=1)
    planner = Planner(population.num_edges, networks)
    budget = planner.budget(population.num_nodes, epochs=1)
    batch = next(iter(pipeline.training_dataset(population, problem.labels[:, 0], planner, budget)))

    model = gmn_tf.GraphMetanetwork.from_preset(name)
    model.adapt(pipeline.batches(population, batch_size=networks))
    adam = tf.keras.optimizers.Adam(1e-3, jit_compile=True)
    model.compile(adam, accuracy.loss(), jit_compile=True)
    step = model.make_train_function()
    data = iter(tf.data.Dataset.from_tensors(batch).repeat())
    before = memory.start_peak()
    training = _median(lambda: tf.nest.flatten(step(data))[0].numpy(), readings)
    added = memory.peak() - before
    answer = tf.function(lambda graph: model(graph, training=False), jit_compile=True)
    inference = _median(lambda: answer(batch[0]).numpy(), readings)
    edges = int(population.num_edges.sum())
    assert np.isfinite(answer(batch[0]).numpy()).all()
    return {
        "preset": name,
        "parameters": sum(int(np.prod(weight.shape)) for weight in model.trainable_weights),
        "edges": edges,
        "training_seconds": training,
        "inference_seconds": inference,
        "added_bytes": added,
    }


def _median(run: Any, readings: int) -> float:
    run()
    times = []
    for _ in range(readings):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def markdown(rows: list[dict[str, Any]], cores: int) -> str:
    """The table under benchmarks/results."""
    small = next((row for row in rows if row["preset"] == "small"), rows[0])
    lines = [
        "# Presets",
        "",
        f"`python -m benchmarks.presets`: a padded batch of {rows[0]['edges']:,} edges, float32,",
        f"{cores} cores. Speeds are this machine's; ratios carry over.",
        "",
        "| " + " | ".join(_HEADERS) + " |",
        "|---|" + "---:|" * (len(_HEADERS) - 1),
    ]
    for row in rows:
        cells = [row["preset"], f"{row['parameters']:,}"]
        for mode in ("training", "inference"):
            seconds, reference = row[f"{mode}_seconds"], small[f"{mode}_seconds"]
            cells += [f"{row['edges'] / seconds:,.0f}", f"{reference / seconds:.2f}"]
        cells += [f"{row['added_bytes'] / 1e9:.2f}", f"{row['added_bytes'] / row['edges']:,.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    from gmn_tf.models.presets import PRESETS

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.presets", description=str(__doc__).split("\n")[0]
    )
    parser.add_argument("--networks", type=int, default=32, help="in the batch (%(default)s)")
    parser.add_argument("--channels", type=int, default=16, help="of each network (%(default)s)")
    parser.add_argument("--readings", type=int, default=7, help="of each figure (%(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="where the results go")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    sizes = {"networks": options.networks, "channels": options.channels, "readings": options.readings}
    if options.one:
        print(json.dumps(measure(options.one, **sizes)))
        return 0
    rows = []
    for name in PRESETS:
        command = [sys.executable, "-m", "benchmarks.presets", "--one", name]
        command += [word for key, value in sizes.items() for word in (f"--{key}", str(value))]
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(command, capture_output=True, text=True, cwd=root)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return 1
        rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
    cores = len(os.sched_getaffinity(0))
    options.out.mkdir(parents=True, exist_ok=True)
    files.write(options.out / "presets.json", json.dumps({"cores": cores, "rows": rows}, indent=1) + "\n")
    files.write(options.out / "presets.md", markdown(rows, cores))
    print(markdown(rows, cores))
    return 0


if __name__ == "__main__":
    sys.exit(main())
