"""How long conversion takes, and how much memory: one large model, and a zoo of small ones.

    .venv/bin/python benchmarks/conversion.py [--model ResNet50] [--networks 10000] [--out benchmarks/results]

Each part runs in a process of its own. Before anything is timed, its answer is checked: the weights come back
from the graph bit for bit. Writes conversion.json and conversion.md. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gmn_tf  # isort: skip

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
REPEATS = 5
TARGETS = {
    "plan_and_fill_s": ("plan and fill together, s", "<", 3.0),
    "extra_peak_gb": ("extra peak memory of both, GB", "<", 2.0),
    "refill_ratio": ("another checkpoint, times faster than plan and fill", ">=", 5.0),
    "ms_per_network": ("zoo: filling one network in a batch, ms", "<=", 0.1),
}
"""Measured on the model and the zoo of the default arguments."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="ResNet50", help="of keras.applications, or small")
    parser.add_argument("--networks", type=int, default=10_000, help="size of the zoo")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--part", choices=["model", "zoo"], help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.part:
        part = (
            measure_model(arguments.model) if arguments.part == "model" else measure_zoo(arguments.networks)
        )
        print(json.dumps(part))
        return 0
    rows = {part: _in_fresh_process(part, arguments) for part in ("model", "zoo")}
    report = {"machine": machine(), **rows}
    missed = any(not meets(name, figure(rows, name)) for name in TARGETS)
    arguments.out.mkdir(parents=True, exist_ok=True)
    _write(arguments.out / "conversion.json", json.dumps(report, indent=2) + "\n")
    _write(arguments.out / "conversion.md", page(report))
    print(page(report))
    return 1 if missed else 0


def measure_model(name: str) -> dict[str, Any]:
    """Plan and fill of one model, once, as it comes; then other weights of it, the best of a few times."""
    model = build(name)
    weights = model.get_weights()
    rng = np.random.default_rng(0)
    weights = [(w + rng.normal(0.0, 0.1, w.shape)).astype(w.dtype) for w in weights]
    other = [(w + rng.normal(0.0, 0.1, w.shape)).astype(w.dtype) for w in weights]
    before, peak = start_peak()
    start, processor = time.perf_counter(), time.process_time()
    graph = gmn_tf.ParameterGraph.from_keras(model)
    planned = time.perf_counter()
    values = graph.values(weights)
    processor = time.process_time() - processor
    first = time.perf_counter() - start
    extra = (peak() - before) / 1e9

    restored = graph.weights(values, base=weights)
    exact = all(a.tobytes() == b.tobytes() for a, b in zip(weights, restored, strict=True))
    if not exact:
        raise SystemExit(f"{name}: the weights do not come back bit for bit, so there is nothing to time")
    if not np.array_equal(np.sort(graph.values(other)), np.sort(np.append(_floats(other), _ones(graph)))):
        raise SystemExit(f"{name}: other weights do not fill the graph")
    del values, restored
    refill = best(lambda: graph.values(other))
    return {
        "model": name,
        "parameters": graph.num_parameters,
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "plan_s": planned - start,
        "fill_s": first - (planned - start),
        "plan_and_fill_s": first,
        "plan_and_fill_processor_s": processor,
        "extra_peak_gb": extra,
        "refill_s": refill,
        "refill_ratio": first / refill,
        "copy_s": best(lambda: [w.copy() for w in other]),
    }


def measure_zoo(networks: int) -> dict[str, Any]:
    """Filling many networks of one small architecture from flat vectors, all in one call."""
    model = small_cnn()
    start = time.perf_counter()
    graph = gmn_tf.ParameterGraph.from_keras(model)
    planned = time.perf_counter() - start
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(networks, graph.layout.size)).astype(np.float32)
    values = graph.values(flat)
    for number in (0, networks // 2, networks - 1):
        expected = graph.values(graph.layout.unflatten(flat[number], None))
        if values[number].tobytes() != expected.tobytes():
            raise SystemExit(f"network {number}: a batch is filled otherwise than one network")
        if graph.flat(values[number]).tobytes() != flat[number].tobytes():
            raise SystemExit(f"network {number}: the weights do not come back bit for bit")
    del values
    seconds = best(lambda: graph.values(flat))
    return {
        "networks": networks,
        "parameters": graph.num_parameters,
        "edges": graph.num_edges,
        "plan_s": planned,
        "fill_s": seconds,
        "ms_per_network": 1e3 * seconds / networks,
        "copy_ms_per_network": 1e3 * best(flat.copy) / networks,
    }


def build(name: str) -> Any:
    import keras

    if name == "small":
        layers = keras.layers
        a = keras.Input((16, 16, 3))
        x = layers.Conv2D(16, 3, padding="same")(a)
        for _ in range(3):
            y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(x)))
            x = layers.Add()([x, y])
        return keras.Model(a, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    return getattr(keras.applications, name)(weights=None)


def small_cnn() -> Any:
    """1-16-16-16-10 channels, 4,970 parameters: the architecture of Unterthiner et al. 2020."""
    import keras

    layers = keras.layers
    convolutions = [layers.Conv2D(16, 3, padding="same", activation="relu") for _ in range(3)]
    pooled = [layers.GlobalAveragePooling2D(), layers.Dense(10)]
    return keras.Sequential([keras.Input((8, 8, 1)), *convolutions, *pooled])


def best(function: Callable[[], Any]) -> float:
    """Least seconds of a few calls, one call before them not counted."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def start_peak() -> tuple[int, Callable[[], int]]:
    """Bytes this process holds now, and a function for the most it has held since."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the high-water mark starts anew
        return _status("VmRSS"), lambda: _status("VmHWM")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
            lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        )


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in /proc/self/status")


def _floats(weights: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([w.reshape(-1) for w in weights if w.dtype.kind == "f"])


def _ones(graph: gmn_tf.ParameterGraph) -> np.ndarray:
    return np.ones(graph.num_edges - graph.num_parameters, np.float32)


def machine() -> dict[str, Any]:
    import keras

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
        "gmn_tf": gmn_tf.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
    }


def figure(rows: dict[str, Any], name: str) -> float:
    return rows["zoo" if name == "ms_per_network" else "model"][name]


def meets(name: str, value: float) -> bool:
    _, sign, target = TARGETS[name]
    return {"<": value < target, "<=": value <= target, ">=": value >= target}[sign]


def page(report: dict[str, Any]) -> str:
    model, zoo, host = report["model"], report["zoo"], report["machine"]
    lines = [
        "# Conversion",
        "",
        "Written by `benchmarks/conversion.py`; the round trip was exact before anything was timed.",
        f"{host['system']}, {host['processors']} processors, Python {host['python']}, numpy {host['numpy']}, "
        f"Keras {host['keras']}.",
        "",
        "| | measured | target |",
        "|---|---:|---:|",
    ]
    for name, (text, sign, target) in TARGETS.items():
        value = figure(report, name)
        missed = "" if meets(name, value) else " **missed**"
        lines.append(f"| {text} | {value:.3g}{missed} | {sign} {target:g} |")
    lines += [
        "",
        f"Large model: {model['model']}, {model['parameters']:,} parameters, {model['edges']:,} edges; plan "
        f"{model['plan_s']:.2f} s, first fill {model['fill_s']:.2f} s (together "
        f"{model['plan_and_fill_processor_s']:.2f} s of processor time: less, where the machine is busy "
        f"otherwise), another checkpoint {model['refill_s']:.3f} s (copying its arrays alone: "
        f"{model['copy_s']:.3f} s).",
        "",
        f"Zoo: {zoo['networks']:,} networks of {zoo['parameters']:,} parameters, {zoo['edges']:,} edges; "
        f"plan {zoo['plan_s']:.2f} s once, filled from flat vectors in one call in {zoo['fill_s']:.2f} s "
        f"(copying them alone: {zoo['copy_ms_per_network']:.4f} ms a network).",
        "",
    ]
    return "\n".join(lines)


def _in_fresh_process(part: str, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", part, "--model", arguments.model]
    done = subprocess.run(
        [*command, "--networks", str(arguments.networks)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the part {part} failed with exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _write(path: Path, text: str) -> None:
    """Beside it first, then renamed: a file is whole or as it was."""
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_text(text)
    partial.rename(path)


if __name__ == "__main__":
    sys.exit(main())
