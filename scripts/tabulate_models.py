"""Converts the models of keras.applications and keras-hub, one process each, and writes docs/models.md.

    .venv/bin/python scripts/tabulate_models.py [--only ResNet50 BERT] [--again]

Random weights throughout. keras.applications at full size: weights on edges, round trip, time and peak
memory of plan and fill; the symmetry check where a reduced input makes it affordable. keras-hub
(optional: pip install keras-hub --no-deps, and its tokenizers) in small configurations. Results
accumulate in docs/models.json, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gmn_tf  # isort: skip

DOCS = Path(__file__).resolve().parent.parent / "docs"
TIME_LIMIT = 900  # seconds for one model

# Small inputs at which a few applications are checked for symmetry.
REDUCED: dict[str, dict[str, Any]] = {
    "DenseNet121": {"input_shape": (32, 32, 3)},
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
    """Small configurations of keras-hub's backbones, by a short name."""
    import keras_hub.models as hub

    text = {"vocabulary_size": 20, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
    decoder = {
        "vocabulary_size": 20,
        "num_layers": 2,
        "num_query_heads": 4,
        "num_key_value_heads": 2,
        "hidden_dim": 16,
        "intermediate_dim": 12,
    }
    image = {"image_shape": (32, 32, 3)}
    return {
        "ViT": lambda: hub.ViTBackbone(
            image_shape=(16, 16, 3), patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=12
        ),
        "BERT": lambda: hub.BertBackbone(**text, max_sequence_length=12),
        "RoBERTa": lambda: hub.RobertaBackbone(**text, max_sequence_length=12),
        "ALBERT": lambda: hub.AlbertBackbone(**text, embedding_dim=6, num_groups=1, max_sequence_length=12),
        "DistilBERT": lambda: hub.DistilBertBackbone(**text, max_sequence_length=12),
        "DeBERTaV3": lambda: hub.DebertaV3Backbone(**text, max_sequence_length=12, bucket_size=4),
        "ELECTRA": lambda: hub.ElectraBackbone(
            vocab_size=20, **{k: v for k, v in text.items() if k != "vocabulary_size"}, embedding_dim=6
        ),
        "FNet": lambda: hub.FNetBackbone(
            **{k: v for k, v in text.items() if k != "num_heads"}, max_sequence_length=12
        ),
        "BART": lambda: hub.BartBackbone(**text, max_sequence_length=12),
        "GPT-2": lambda: hub.GPT2Backbone(**text, max_sequence_length=12),
        "GPT-NeoX": lambda: hub.GPTNeoXBackbone(**{**text, "hidden_dim": 16}, max_sequence_length=12),
        "OPT": lambda: hub.OPTBackbone(**text, max_sequence_length=12),
        "BLOOM": lambda: hub.BloomBackbone(**text, max_sequence_length=12),
        "Llama 3": lambda: hub.Llama3Backbone(**decoder),
        "Gemma": lambda: hub.GemmaBackbone(
            **{**decoder, "num_query_heads": 2, "num_key_value_heads": 1, "intermediate_dim": 24}, head_dim=4
        ),
        "Mistral": lambda: hub.MistralBackbone(**decoder, sliding_window=4),
        "Phi-3": lambda: hub.Phi3Backbone(**decoder),
        "Qwen 2": lambda: hub.QwenBackbone(**decoder),
        "Qwen 3": lambda: hub.Qwen3Backbone(**decoder, head_dim=4),
        "T5": lambda: hub.T5Backbone(**text, key_value_dim=4),
        "Whisper": lambda: hub.WhisperBackbone(
            **text, max_encoder_sequence_length=16, max_decoder_sequence_length=8
        ),
        "ResNet": lambda: hub.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[3],
            stackwise_num_filters=[64, 6],
            stackwise_num_blocks=[1, 1],
            stackwise_num_strides=[1, 2],
            block_type="basic_block",
            **image,
        ),
        "ResNet V2": lambda: hub.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[3],
            stackwise_num_filters=[64, 6],
            stackwise_num_blocks=[1, 1],
            stackwise_num_strides=[1, 2],
            block_type="bottleneck_block",
            use_pre_activation=True,
            **image,
        ),
        "DenseNet": lambda: hub.DenseNetBackbone(
            stackwise_num_repeats=[2, 2], compression_ratio=0.5, growth_rate=4, **image
        ),
        "MiT (SegFormer)": lambda: hub.MiTBackbone(
            layerwise_depths=[1, 1],
            num_layers=2,
            layerwise_num_heads=[1, 2],
            layerwise_sr_ratios=[2, 1],
            max_drop_path_rate=0.1,
            layerwise_patch_sizes=[7, 3],
            layerwise_strides=[4, 2],
            hidden_dims=[4, 8],
            **image,
        ),
        "EfficientNet": lambda: hub.EfficientNetBackbone(
            stackwise_width_coefficients=[1.0, 1.0],
            stackwise_depth_coefficients=[1.0, 1.0],
            stackwise_kernel_sizes=[3, 3],
            stackwise_num_repeats=[1, 1],
            stackwise_input_filters=[8, 8],
            stackwise_output_filters=[8, 8],
            stackwise_expansion_ratios=[1, 2],
            stackwise_strides=[1, 2],
            stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
            stackwise_block_types=["v1", "v1"],
            stackwise_force_input_filters=[0, 0],
            stackwise_nores_option=[False, False],
            depth_divisor=4,
            min_depth=4,
            stem_conv_padding="same",
            activation="swish",
            **image,
        ),
        "MobileNet (hub)": lambda: hub.MobileNetBackbone(
            stackwise_expansion=[[4], [8]],
            stackwise_num_blocks=[1, 1],
            stackwise_num_filters=[[4], [8]],
            stackwise_kernel_size=[[3], [3]],
            stackwise_num_strides=[[1], [2]],
            stackwise_se_ratio=[[None], [0.25]],
            stackwise_activation=[["relu"], ["hard_swish"]],
            stackwise_padding=[[1], [1]],
            output_num_filters=8,
            input_num_filters=4,
            input_activation="hard_swish",
            depthwise_filters=4,
            squeeze_and_excite=0.5,
            last_layer_filter=8,
            depthwise_stride=1,
            depthwise_residual=False,
            **image,
        ),
        "CSPNet": lambda: hub.CSPNetBackbone(
            stem_filters=4,
            stem_kernel_size=3,
            stem_strides=1,
            stackwise_num_filters=[4, 8],
            stackwise_strides=[1, 2],
            stackwise_depth=[1, 1],
            block_type="dark_block",
            stage_type="dark",
            bottle_ratio=0.5,
            **image,
        ),
        "Swin": lambda: hub.SwinTransformerBackbone(
            image_shape=(16, 16, 3), embed_dim=4, depths=(2, 2), num_heads=(1, 2), window_size=2, patch_size=2
        ),
    }


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
    model = hub_models()[name]()
    return _measure(model) | _check(model)


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
    report = gmn_tf.check_symmetry(model, num_samples=4)
    return {
        "sound": report.passed,
        "verdict": report.verdict,
        "largest_change": report.largest_change,
        "log10_order": math.floor(math.log10(report.group_order)),
        "check_s": time.perf_counter() - start,
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
        "the largest relative change; for applications at a reduced input); -: not checked. Times and extra",
        "peak memory of planning and filling are those of one run on 2 cores.",
        "",
    ]
    titles = {"keras.applications": "keras.applications, full size", "keras-hub": "keras-hub, small"}
    for source, title in titles.items():
        lines += [
            f"## {title}",
            "",
            "| model | parameters | on edges | round trip | symmetry | plan, s | fill, s | memory, GB |",
            "|---|---:|---|---|---|---:|---:|---:|",
        ]
        lines += [_line(name, row) for name, row in sorted(rows.items()) if row["source"] == source]
        lines.append("")
    (DOCS / "models.md").write_text("\n".join(lines))


def _line(name: str, row: dict[str, Any]) -> str:
    if "error" in row:
        return f"| {name} | | **{row['error'].replace('|', '/')}** | | | | | |"
    on_edges = "all" if row["on_edges"] == row["parameters"] else f"**{row['on_edges']:,}**"
    exact = "exact" if row["exact"] else "**not exact**"
    sound = "-"
    if "sound" in row:
        found = "yes" if row["sound"] else "cannot tell" if row.get("verdict") == "cannot tell" else "**no**"
        sound = f"{found} ({row['largest_change']:.0e})"
    return (
        f"| {name} | {row['parameters']:,} | {on_edges} | {exact} | {sound} | {row['plan_s']:.1f} "
        f"| {row['fill_s']:.2f} | {row['peak_gb']:.1f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", help="names of models")
    parser.add_argument("--again", action="store_true", help="also what docs/models.json has already")
    parser.add_argument("--one", nargs=2, metavar=("SOURCE", "NAME"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        source, name = arguments.one
        convert = convert_application if source == "keras.applications" else convert_hub
        print(json.dumps(convert(name)))
        return 0
    names = {**applications()}
    try:
        names |= dict.fromkeys(hub_models(), "keras-hub")
    except ImportError as error:
        print(f"keras-hub is not installed ({error}): its rows are left as they are")
    store = DOCS / "models.json"
    rows = json.loads(store.read_text()) if store.exists() else {}
    for name, source in names.items():
        if (arguments.only and name not in arguments.only) or (name in rows and not arguments.again):
            continue
        rows[name] = {"source": source, **_in_a_process(source, name)}
        print(name, rows[name], flush=True)
        beside = store.with_suffix(".partial")
        beside.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
        beside.replace(store)
        write_page(rows)
    write_page(rows)
    return 0


def _in_a_process(source: str, name: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", source, name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {TIME_LIMIT} s"}
    if done.returncode < 0:
        return {"error": f"killed by signal {-done.returncode}"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["ended without a word"])[-1][:300]}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


if __name__ == "__main__":
    sys.exit(main())
