"""Converts the models of keras.applications and keras-hub, one process each, and writes docs/models.md.

    .venv/bin/python scripts/tabulate_models.py [--only ResNet50 BERT] [--again]

Random weights throughout. keras.applications at full size: weights on edges, round trip, time and peak
memory of plan and fill; the symmetry check where a reduced input makes it affordable. keras-hub
(optional: pip install keras-hub --no-deps, and regex, tokenizers, sentencepiece, kagglehub, kagglesdk,
tqdm) in the small configurations of hub_*_models.py. Results accumulate in docs/models.json, so that a
run that was stopped goes on; --only and --again refresh some of them.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gmn_tf  # isort: skip
from hub_image_models import image_models
from hub_multimodal_models import multimodal_models
from hub_task_models import task_models
from hub_text_models import text_models

DOCS = Path(__file__).resolve().parent.parent / "docs"
TIME_LIMIT = 900  # seconds for one model
NUM_SAMPLES = 8  # random automorphisms, besides up to four times as many generators

# Small inputs at which a few applications are checked for symmetry.
REDUCED: dict[str, dict[str, Any]] = {
    "DenseNet121": {"input_shape": (32, 32, 3)},
    "DenseNet169": {"input_shape": (32, 32, 3)},
    "EfficientNetB0": {"input_shape": (32, 32, 3)},
    "EfficientNetV2B0": {"input_shape": (32, 32, 3)},
    "MobileNet": {"input_shape": (32, 32, 3)},
    "MobileNetV2": {"input_shape": (32, 32, 3)},
    "MobileNetV3Small": {"input_shape": (32, 32, 3)},
    "MobileNetV3Large": {"input_shape": (32, 32, 3)},
    "NASNetMobile": {"input_shape": (32, 32, 3), "include_top": False},
    "ResNet50": {"input_shape": (32, 32, 3)},
    "Xception": {"input_shape": (71, 71, 3)},
}


def applications() -> dict[str, str]:
    import keras

    return {
        name: "keras.applications"
        for name in sorted(dir(keras.applications))
        if name[0].isupper() and callable(getattr(keras.applications, name))
    }


def hub_models() -> dict[str, Callable[[], Any]]:
    """Small configurations of keras-hub's models, by a short name."""
    import keras_hub.models as hub

    return text_models(hub) | image_models(hub) | multimodal_models(hub) | task_models(hub)


def convert_application(name: str) -> dict[str, Any]:
    """Plan, fill and round trip of one application at full size; its symmetry at a reduced one."""
    import keras

    build = getattr(keras.applications, name)
    row = _measure(build(weights=None))
    if name in REDUCED:
        keras.backend.clear_session()
        row |= _check(build(weights=None, **REDUCED[name]))
    return row


def convert_hub(name: str) -> dict[str, Any]:
    import keras_hub

    model = hub_models()[name]()
    row = _measure(model) | _check(model) | {"version": keras_hub.__version__}
    del row["peak_gb"]  # of all models before it in this process
    return row


def _measure(model: Any) -> dict[str, Any]:
    weights = model.get_weights()
    expected = sum(w.size for w in weights if w.dtype.kind == "f" or w.dtype.name == "bfloat16")
    before = _peak()
    start = time.perf_counter()
    graph = gmn_tf.ParameterGraph.from_keras(model)
    planned = time.perf_counter()
    values = graph.values(weights)
    filled = time.perf_counter()
    peak = _peak() - before
    graph.values(weights)
    again = time.perf_counter() - filled
    restored = graph.weights(values, base=weights)
    return {
        "parameters": expected,
        "on_edges": graph.num_parameters,
        "edges": graph.num_edges,
        "layers": graph.num_layers,
        "exact": all(a.tobytes() == b.tobytes() for a, b in zip(weights, restored, strict=True)),
        "plan_s": planned - start,
        "fill_s": filled - planned,
        "refill_s": again,
        "peak_gb": peak,
    }


def _check(model: Any) -> dict[str, Any]:
    start = time.perf_counter()
    report = gmn_tf.check_symmetry(model, num_samples=NUM_SAMPLES)
    return {
        "sound": report.passed,
        "verdict": report.verdict,
        "largest_change": report.largest_change,
        "log10_order": math.floor(math.log10(report.group_order)),
        "check_s": time.perf_counter() - start,
        "num_checked": report.num_checked,
        "checked_edges": report.num_edges,
    }


def _peak() -> float:
    """Peak memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def write_page(rows: dict[str, dict[str, Any]]) -> None:
    lines = [
        "# Models that convert",
        "",
        "Written by `scripts/tabulate_models.py`, random weights. *On edges*: every float weight is on an",
        "edge of the parameter graph. *Round trip*: the weights come back bit for bit. *Symmetry*: the",
        "function does not change under automorphisms of the graph (`gmn_tf.check_symmetry`, in brackets",
        "the largest relative change; for applications at a reduced input); -: not checked. *Automorphisms*:",
        "the size of the group, rounded down to a power of ten. Times and extra peak memory of planning",
        "and filling are those of one run on 2 cores. A sentence in place of figures is a refusal.",
        "",
    ]
    versions = sorted({row["version"] for row in rows.values() if "version" in row})
    titles = {
        "keras.applications": "keras.applications, full size",
        "keras-hub": f"keras-hub {', '.join(versions)}, small",
    }
    for source, title in titles.items():
        lines += [
            f"## {title}",
            "",
            "| model | parameters | on edges | round trip | symmetry | automorphisms | plan, s | fill, s "
            "| memory, GB |",
            "|---|---:|---|---|---|---:|---:|---:|---:|",
        ]
        lines += [_line(name, row) for name, row in sorted(rows.items()) if row["source"] == source]
        lines.append("")
    (DOCS / "models.md").write_text("\n".join(lines))


def _line(name: str, row: dict[str, Any]) -> str:
    if "error" in row:
        return f"| {name} | | **{row['error'].replace('|', '/')}** | | | | | | |"
    on_edges = "all" if row["on_edges"] == row["parameters"] else f"**{row['on_edges']:,}**"
    exact = "exact" if row["exact"] else "**not exact**"
    sound = "-"
    if "sound" in row:
        found = "yes" if row["sound"] else "cannot tell" if row.get("verdict") == "cannot tell" else "**no**"
        sound = f"{found} ({row['largest_change']:.0e})"
    order = f"10^{row['log10_order']}" if "log10_order" in row else "-"
    memory = f"{row['peak_gb']:.1f}" if "peak_gb" in row else "-"
    return (
        f"| {name} | {row['parameters']:,} | {on_edges} | {exact} | {sound} | {order} | {row['plan_s']:.1f} "
        f"| {row['fill_s']:.2f} | {memory} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", help="names of models")
    parser.add_argument("--again", action="store_true", help="also what docs/models.json has already")
    parser.add_argument("--these", nargs="+", metavar=("SOURCE", "NAME"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.these:
        source, *these = arguments.these
        for name in these:
            print(json.dumps({"name": name} | _tried(source, name)), flush=True)
        return 0
    names = {**applications()}
    try:
        names |= dict.fromkeys(hub_models(), "keras-hub")
    except ImportError as error:
        print(f"keras-hub is not installed ({error}): its rows are left as they are")
    store = DOCS / "models.json"
    rows = json.loads(store.read_text()) if store.exists() else {}
    wanted = [
        n for n in names if (not arguments.only or n in arguments.only) and (n not in rows or arguments.again)
    ]
    # One process a model where its memory is measured, one for all of the small ones.
    groups = [[n] for n in wanted if names[n] != "keras-hub"]
    groups += [[n for n in wanted if names[n] == "keras-hub"]]
    for group in filter(None, groups):
        for name, row in _in_a_process(names[group[0]], group):
            rows[name] = {"source": names[name], **row}
            print(name, rows[name], flush=True)
            beside = store.with_suffix(".partial")
            beside.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
            beside.replace(store)
            write_page(rows)
    write_page(rows)
    return 0


def _tried(source: str, name: str) -> dict[str, Any]:
    import keras

    keras.backend.clear_session()
    try:
        return convert_application(name) if source == "keras.applications" else convert_hub(name)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"[:700]}


def _in_a_process(source: str, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows as they come; a process that dies costs the model it was at, and the rest get a new one."""
    left = list(names)
    while left:
        command = [sys.executable, __file__, "--these", source, *left]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        timer = threading.Timer(TIME_LIMIT * len(left), child.kill)
        timer.start()
        assert child.stdout is not None
        for line in filter(lambda text: text.startswith("{"), child.stdout):
            row: dict[str, Any] = json.loads(line)
            left.remove(row["name"])
            yield row.pop("name"), row
        timer.cancel()
        if child.wait() and left:
            yield left.pop(0), {"error": f"ended with status {child.returncode}"}


if __name__ == "__main__":
    sys.exit(main())
