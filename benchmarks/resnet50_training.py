"""One training step on a ResNet50's 25.6 million edges, with bounded memory.

    .venv/bin/python -m benchmarks.resnet50_training

Plans and fills the parameter graph of a model of `keras.applications` (random weights) and takes steps of
Adam on it with a GraphMetanetwork of width 16 with 4 blocks, messages both ways, edges in chunks and, by
default, states computed again. On a smaller network of the same kind the gradients are compared with those
of a step that keeps everything first. Peaks are the operating system's count of this process.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import files, memory, scaling

RESULTS = Path(__file__).resolve().parent / "results"
RECOMPUTE = {"nothing": False, "products": True, "states": "states"}
_ROOM = {"max_layers": 256, "max_groups": 512}
_TOLERANCE = 1e-3  # of gradients: sums of hundreds of thousands of terms in another order


def compare(model: dict[str, Any]) -> float:
    """Relative difference of the gradients to those of a step that keeps everything, for a small ResNet."""
    import numpy as np
    import tensorflow as tf

    graph = _graph("MobileNetV2", input_shape=(32, 32, 3), alpha=0.35, classes=10)[0]
    found = []
    for chosen in ({**model, "edge_chunk_size": 0, "recompute": False}, {**model, "edge_chunk_size": 4096}):
        tf.keras.utils.set_random_seed(0)
        import gmn_tf

        metanetwork = gmn_tf.GraphMetanetwork(1, readout_dropout_rate=0.0, **chosen)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(metanetwork(graph, training=True))
        gradients = tape.gradient(loss, metanetwork.trainable_variables, unconnected_gradients="zero")
        found.append(np.concatenate([np.ravel(tf.convert_to_tensor(g)) for g in gradients]))
    return float(np.abs(found[1] - found[0]).max() / np.abs(found[0]).max())


def step(network: str, model: dict[str, Any], *, steps: int, bfloat16: bool) -> dict[str, Any]:
    """Time and memory of training steps; the first one includes XLA's compilation."""
    import gmn_tf  # isort: skip
    import tensorflow as tf

    graph, edges = _graph(network)
    gc.collect()
    if bfloat16:
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    metanetwork = gmn_tf.GraphMetanetwork(1, **model)
    train = scaling.train_step(metanetwork)
    before = memory.start_peak()
    seconds, losses = [], []
    for _ in range(steps):
        start = time.perf_counter()
        losses.append(float(train(graph)))
        seconds.append(time.perf_counter() - start)
        print(f"step {len(losses)}: {seconds[-1]:.1f} s, loss {losses[-1]:.4f}", flush=True)
    peak = memory.peak()
    return {
        "edges": edges,
        "first_step_seconds": seconds[0],
        "step_seconds": min(seconds[1:], default=None),
        "losses": losses,
        "before_bytes": before,
        "peak_bytes": peak,
        "added_bytes_per_edge": (peak - before) / edges,
    }


def _graph(network: str, **arguments: Any) -> tuple[Any, int]:
    """The GraphTensor of a model of `keras.applications` with random weights, and its number of edges."""
    import gmn_tf  # isort: skip
    import keras

    built = getattr(keras.applications, network)(weights=None, **arguments)
    structure = gmn_tf.ParameterGraph.from_keras(built)
    values = structure.values(built)
    del built
    keras.backend.clear_session()
    return structure.to_graph_tensor(values), structure.num_edges


def main(arguments: list[str] | None = None) -> int:
    import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resnet50_training", description=str(__doc__).split("\n")[0]
    )
    add = parser.add_argument
    add(
        "--network", default="ResNet50", metavar="NAME", help="a function of keras.applications (%(default)s)"
    )
    add("--width", type=int, default=16, help="of nodes, edges and messages (%(default)s)")
    add("--blocks", type=int, default=4, help="(%(default)s)")
    add("--recompute", choices=RECOMPUTE, default="states", help="in the backward pass (%(default)s)")
    add("--chunk", type=int, default=16384, metavar="EDGES", help="edges at a time (%(default)s)")
    add("--steps", type=int, default=2, help="the first includes the compilation (%(default)s)")
    add("--bfloat16", action="store_true", help="under the policy mixed_bfloat16")
    add("--out", type=Path, default=RESULTS, metavar="DIR", help="where the result goes")
    options = parser.parse_args(arguments)
    widths = dict.fromkeys(("node_dim", "edge_dim", "message_dim"), options.width)
    model = {"num_blocks": options.blocks, **widths, **_ROOM, "recompute": RECOMPUTE[options.recompute]}
    difference = compare(model)
    print(f"gradients differ by {difference:.1e} from those that keep everything (at most {_TOLERANCE:g})")
    if not difference <= _TOLERANCE:
        return 1
    model["edge_chunk_size"] = options.chunk
    found = step(options.network, model, steps=options.steps, bfloat16=options.bfloat16)
    result = {"network": options.network, "model": model, "bfloat16": options.bfloat16}
    result |= {"difference": difference, **found}
    options.out.mkdir(parents=True, exist_ok=True)
    files.write(options.out / "resnet50_training.json", json.dumps(result, indent=1) + "\n")
    print(
        f"{result['edges']:,} edges: first step {result['first_step_seconds']:.0f} s with its compilation, "
        f"peak {result['peak_bytes'] / 1e9:.1f} GB, {result['before_bytes'] / 1e9:.1f} GB before it; "
        f"{result['added_bytes_per_edge']:.0f} bytes per edge added"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
