"""How many INRs are fitted in a second: MNIST-sized SIRENs of 2-32-32-1, each from a fresh random start.

    .venv/bin/python -m benchmarks.inr_fitting [--data mnist:/path/to/mnist.npz] [--networks 1024]
        [--workers N] [--out benchmarks/results]

The public path is timed: `generate_inr_zoo`, start of the worker processes, compilation, measuring and
writing included, with the recipe as it is by default. The PSNR of a sample is measured again on the Keras
models before anything is reported. Writes inr_fitting.json and inr_fitting.md. Exit code 1 when a target is
missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gmn_tf  # isort: skip

import numpy as np

from benchmarks.files import write

RESULTS = Path(__file__).resolve().parent / "results"
TARGETS = {
    "whole_per_second": ("networks per second, start and writing included", 10.0),
    "psnr_min": ("least PSNR of all networks, dB", 30.0),
}
SAMPLE = 16
TOLERANCE = 0.05  # dB


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="digits28", help="images of 28 x 28; see `load_data`")
    parser.add_argument("--networks", type=int, default=1024)
    parser.add_argument("--workers", type=int, help="processes; by default one per processor")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args(argv)
    report = {"machine": machine(), **measure(arguments.data, arguments.networks, arguments.workers)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "inr_fitting.json", json.dumps(report, indent=2) + "\n")
    write(arguments.out / "inr_fitting.md", page(report))
    print(page(report))
    return int(any(report[name] < least for name, (_, least) in TARGETS.items()))


def measure(data: str, networks: int, workers: int | None) -> dict[str, Any]:
    """Fits a population in a temporary folder and says how long it took."""
    from gmn_tf.inr.generate import generate_inr_zoo
    from gmn_tf.zoo.workers import default_workers

    marks: list[tuple[float, int]] = []

    def note(done: int, total: int, text: str) -> None:
        marks.append((time.perf_counter(), done))

    with tempfile.TemporaryDirectory() as folder:
        start, processor = time.perf_counter(), _children()
        zoo = generate_inr_zoo(Path(folder) / "zoo", data=data, size=networks, workers=workers, progress=note)
        seconds, processor = time.perf_counter() - start, _children() - processor
        check(zoo)
        report = {
            "data": zoo.manifest["data"]["name"].partition(":")[0],
            "networks": networks,
            "workers": workers or default_workers(),
            "parameters": int(zoo.table["num_parameters"][0]),
            "fit": zoo.manifest["recipe"]["fit"],
            "seconds": seconds,
            "whole_per_second": networks / seconds,
            "processor_seconds_per_network": processor / networks,
            "steps_mean": float(np.mean(zoo.table["steps"])),
            "steps_max": int(np.max(zoo.table["steps"])),
            "psnr_min": float(np.min(zoo.table["psnr"])),
            "psnr_median": float(np.median(zoo.table["psnr"])),
        }
    finished = marks[1:]  # the first mark is the start
    if len(finished) > 2:  # from the first finished part to the last: no start, no compilation
        (begin, before), (end, after) = finished[0], finished[-1]
        report["steady_per_second"] = (after - before) / (end - begin)
    return report


def _children() -> float:
    """Processor seconds that worker processes have taken so far; busy neighbours add little to them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def check(zoo: Any) -> None:
    """The PSNR of a sample, by Keras and numpy, must be what the table says."""
    from gmn_tf.inr.targets import values_of

    points, values = values_of(zoo)
    for index in range(0, len(zoo), max(1, len(zoo) // SAMPLE)):
        shown = zoo.model(index).predict_on_batch(points)
        found = -10.0 * np.log10(np.mean((shown.astype(np.float64) - values[index]) ** 2))
        if abs(found - zoo.table["psnr"][index]) > TOLERANCE:
            raise SystemExit(
                f"network {index}: Keras shows {found:.2f} dB, the table says {zoo.table['psnr'][index]:.2f}"
            )


def machine() -> dict[str, Any]:
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "gmn_tf": gmn_tf.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
    }


def page(report: dict[str, Any]) -> str:
    fit = report["fit"]
    rows = [
        ("networks per second, whole run", f"{report['whole_per_second']:.1f}"),
        ("networks per second between the first and the last part", _text(report.get("steady_per_second"))),
        ("processor seconds of a network, all in", f"{report['processor_seconds_per_network']:.3f}"),
        ("steps, mean and most", f"{report['steps_mean']:.0f}, {report['steps_max']}"),
        ("PSNR, least and median, dB", f"{report['psnr_min']:.1f}, {report['psnr_median']:.1f}"),
    ]
    missed = [text for name, (text, least) in TARGETS.items() if report[name] < least]
    lines = [
        "# Fitting INRs",
        "",
        f"{report['networks']:,} SIRENs of {report['parameters']:,} parameters, one for each image of "
        f"{report['data']}, each from a start of its own, {report['workers']} worker processes on "
        f"{report['machine']['processors']} processors: {report['seconds']:.0f} s. Adam at "
        f"{fit['learning_rate']:g}, {fit['decay']} decay, all pixels in each step, until "
        f"{fit['target_psnr']:g} dB or {fit['steps']} steps.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        *(f"Target missed: {text}." for text in missed),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
