"""ResNet50 (25.6 million weights, each an edge) through a metanetwork, with bounded memory.

    .venv/bin/python -m benchmarks.resnet50

Plans and fills the parameter graph of `keras.applications.ResNet50` (random weights) and streams it through
a GraphMetanetwork of width 32 with 4 blocks, messages both ways. On a smaller network of the same kind the
streamed answer is compared with the one for all edges at once first. Peaks are the operating system's count
of this process.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import files, memory

RESULTS = Path(__file__).resolve().parent / "results"
MODEL = {
    "num_blocks": 4,
    "node_dim": 32,
    "edge_dim": 32,
    "message_dim": 32,
    "max_layers": 256,
    "max_groups": 512,
}
_TOLERANCE = 1e-5


def compare(metanetwork: Any) -> float:
    """Relative difference of the streamed answer to the whole one, for a narrow MobileNetV2."""
    import gmn_tf  # isort: skip
    import keras

    network = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=10)
    graph = gmn_tf.ParameterGraph.from_keras(network)
    tensor = graph.to_graph_tensor(graph.values(network))
    whole = metanetwork(tensor).numpy()
    streamed = metanetwork.call_streaming(tensor, progress=False)
    return float(abs(streamed - whole).max() / abs(whole).max())


def stream(metanetwork: Any, *, progress: bool) -> dict[str, Any]:
    """ResNet50 through the metanetwork."""
    import gmn_tf  # isort: skip
    import keras

    network = keras.applications.ResNet50(weights=None)
    start = time.perf_counter()
    graph = gmn_tf.ParameterGraph.from_keras(network)
    values = graph.values(network)
    planned = time.perf_counter()
    del network
    keras.backend.clear_session()
    tensor = graph.to_graph_tensor(values)
    edges = graph.num_edges
    del graph, values
    ready = time.perf_counter()
    answer = metanetwork.call_streaming(tensor, progress=progress)
    return {
        "edges": edges,
        "plan_and_fill_seconds": planned - start,
        "tensor_seconds": ready - planned,
        "stream_seconds": time.perf_counter() - ready,
        "nanoseconds_per_edge": 1e9 * (time.perf_counter() - ready) / edges,
        "peak_bytes": memory.peak(),
        "answer": float(answer[0, 0]),
    }


def main(arguments: list[str] | None = None) -> int:
    import gmn_tf

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resnet50", description=str(__doc__).split("\n")[0]
    )
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="where the result goes")
    options = parser.parse_args(arguments)
    metanetwork = gmn_tf.GraphMetanetwork(1, **MODEL)
    difference = compare(metanetwork)
    print(f"streamed and whole answers differ by {difference:.1e} (at most {_TOLERANCE:g})")
    if not difference <= _TOLERANCE:
        return 1
    result = {"model": MODEL, "difference": difference, **stream(metanetwork, progress=True)}
    options.out.mkdir(parents=True, exist_ok=True)
    files.write(options.out / "resnet50.json", json.dumps(result, indent=1) + "\n")
    print(
        f"{result['edges']:,} edges: plan and fill {result['plan_and_fill_seconds']:.1f} s, "
        f"streamed in {result['stream_seconds']:.1f} s, peak {result['peak_bytes'] / 1e9:.1f} GB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
