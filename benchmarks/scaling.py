"""How time per edge and peak memory of the metanetwork grow with the network it reads.

    .venv/bin/python -m benchmarks.scaling

Run it from the root of the repository. One wide MLP of growing width, from 10^4 to 10^7 edges, each size
in a process of its own, which is ended when it takes more memory than `--memory` allows. Modes: inference
compiled as one program; streaming, by `call_streaming`; a training step; one that computes products
again, `recompute=True`; and one that computes states again as well, `recompute="states"`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import files, memory, scaling_report

RESULTS = Path(__file__).resolve().parent / "results"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
RECOMPUTE = {"training": False, "recomputing": True, "states": "states"}
MODES = ("inference", "streaming", *RECOMPUTE)
MODEL = {"num_blocks": 3, "node_dim": 32, "edge_dim": 32, "message_dim": 32}
_SECONDS = 10.0  # readings are taken for about that long, at least 3
_TOLERANCE = 1e-5  # of the largest answer
_UNITS = 16  # a single answer may lie near 0, where relative differences say nothing
_XLA = True


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.one, mode=options.modes[0], chunk=options.chunk)))
        return 0
    rows = []
    for mode in options.modes:
        for edges in options.sizes:
            row = {"mode": mode, "asked": edges, **_in_a_process(edges, mode, options)}
            print(scaling_report.line(row), flush=True)
            rows.append(row)
            _write(rows, options)
    scaling_report.show(rows)
    return 1 if any(row.get("disagrees") for row in rows) else 0


def _write(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Writes what is known so far: a run that is stopped leaves the sizes that it has done."""
    scaling_report.add_ratios(rows)
    result = {"model": MODEL, "chunk": options.chunk, "cores": len(os.sched_getaffinity(0)), "rows": rows}
    options.out.mkdir(parents=True, exist_ok=True)
    files.write(options.out / "scaling.json", json.dumps(result, indent=1) + "\n")
    files.write(options.out / "scaling.md", scaling_report.markdown(result))
    scaling_report.plot(rows, options.out / "scaling.png")


def _answer(mode: str, model: Any) -> Any:
    """The function from a scalar GraphTensor to the metanetwork's answers, float32 [1, _UNITS]."""
    import numpy as np
    import tensorflow as tf

    if mode == "streaming":
        return lambda graph: model.call_streaming(graph, progress=False)
    compiled = tf.function(lambda graph: model(graph, training=False), jit_compile=_XLA)
    return lambda graph: np.asarray(compiled(graph))


def measure(edges: int, *, mode: str, chunk: int | None) -> dict[str, Any]:
    """Time and memory of one size, in this process.

    Returns:
        {"edges", "seconds" (median), "compile_seconds", "peak_bytes", "increase_bytes", "difference"}, the
        last one the relative difference to the answers for all edges at once, for graphs small enough.
    """
    import gmn_tf  # isort: skip
    import keras
    import numpy as np
    import tensorflow as tf

    width = round((edges / 2) ** 0.5)  # two layers of width x width
    mlp = keras.Sequential(
        [keras.Input((width,)), keras.layers.Dense(width, "relu"), keras.layers.Dense(width)]
    )
    parameter_graph = gmn_tf.ParameterGraph.from_keras(mlp)
    graph = parameter_graph.to_graph_tensor(parameter_graph.values(mlp))
    del mlp
    tf.keras.utils.set_random_seed(0)
    from gmn_tf.layers.edge_stream import default_chunk_size

    size = default_chunk_size(MODEL["edge_dim"]) if chunk is None else chunk
    model = gmn_tf.GraphMetanetwork(
        _UNITS,
        edge_chunk_size=size,
        recompute=RECOMPUTE.get(mode, False),
        max_layers=8,
        max_groups=8,
        **MODEL,
    )
    result: dict[str, Any] = {"edges": parameter_graph.num_edges, "width": width}
    del parameter_graph
    if mode in ("inference", "streaming"):
        answer = _answer(mode, model)

        def run() -> Any:
            return answer(graph)

    else:
        step = train_step(model)

        def run() -> Any:
            return step(graph).numpy()

    before = memory.start_peak()
    start = time.perf_counter()
    first = run()
    result["compile_seconds"] = time.perf_counter() - start
    readings: list[float] = []
    while len(readings) < 3 or (sum(readings) < _SECONDS and len(readings) < 20):
        start = time.perf_counter()
        run()
        readings.append(time.perf_counter() - start)
    result |= {"seconds": statistics.median(readings), "readings": readings}
    result |= {"peak_bytes": memory.peak(), "increase_bytes": memory.peak() - before}
    if mode in ("inference", "streaming") and result["edges"] <= 1_000_000:  # after the peak has been read
        whole = gmn_tf.GraphMetanetwork.from_config({**model.get_config(), "edge_chunk_size": 0})
        whole.set_weights(model.get_weights())
        plain = whole(graph, training=False).numpy()
        difference = float(np.abs(plain - first).max() / np.abs(plain).max())
        result |= {"difference": difference, "disagrees": not difference <= _TOLERANCE}
    return result


def train_step(model: Any) -> Any:
    """A compiled step of Adam on a GraphTensor, towards an answer of one half; it returns the loss."""
    import tensorflow as tf

    optimizer = tf.keras.optimizers.Adam(1e-3, jit_compile=_XLA)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=_XLA)
    def step(graph: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(graph, training=True)
            cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(0.5 * tf.ones_like(logits), logits)
            loss = tf.reduce_mean(cross_entropy)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


def _in_a_process(edges: int, mode: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scaling", "--one", str(edges), "--modes", mode]
    if options.chunk is not None:
        command += ["--chunk", str(options.chunk)]
    limit = options.memory * 1e9
    with tempfile.TemporaryFile("w+") as log:
        root = Path(__file__).resolve().parents[1]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=root)
        reader: list[str] = []
        thread = threading.Thread(target=lambda: reader.append(process.communicate()[0]))
        thread.start()
        over, start = False, time.monotonic()
        while thread.is_alive():
            thread.join(0.1)
            late = time.monotonic() - start > options.seconds
            over = over or _resident(process.pid) > limit
            if over or late:
                process.kill()
        log.seek(0)
        last = (log.read().strip().splitlines() or ["no word"])[-1]
    if over:
        return {"error": f"more than {options.memory:g} GB"}
    if process.returncode == -9:
        return {"error": f"not done in {options.seconds:g} s, or ended by the system for its memory"}
    if process.returncode:
        return {"error": last[:300]}
    result: dict[str, Any] = json.loads(reader[0].strip().splitlines()[-1])
    return result


def _resident(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _parser() -> argparse.ArgumentParser:
    description = str(__doc__).split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=description)
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=SIZES, metavar="EDGES", help="about how many edges")
    add("--modes", nargs="+", choices=MODES, default=MODES, help="what is timed (all)")
    add("--chunk", type=int, metavar="EDGES", help="edges at a time (1 MB of states; 0: all)")
    add(
        "--memory",
        type=float,
        default=_default_memory(),
        metavar="GB",
        help="ends what takes more (%(default)s)",
    )
    add("--seconds", type=float, default=900, help="ends a size that takes longer (%(default)s)")
    add("--out", type=Path, default=RESULTS, metavar="DIR", help="where the results go")
    add("--one", type=int, help=argparse.SUPPRESS)
    return parser


def _default_memory() -> float:
    import psutil

    return round(0.8 * psutil.virtual_memory().available / 1e9, 1)


if __name__ == "__main__":
    sys.exit(main())
