"""The card of an export: what it is, how well it does, how to call it, how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gmn_tf import serving

_TEXT = """\
# {name}

A graph metanetwork that predicts the **test accuracy** of an image classifier from its weights alone, saved
as a TensorFlow SavedModel. It was trained on networks of one population (below); on networks unlike those
its numbers are extrapolations.

## How well it does
{figures}

## How to call it
With gmn_tf, on Keras models or files:

```python
import gmn_tf
judge = gmn_tf.load({name!r})
judge(["a.keras", "b.keras"])        # float32 [2]
```

In plain TensorFlow, with neither gmn_tf nor tensorflow_gnn installed:

```python
import tensorflow as tf
loaded = tf.saved_model.load({name!r})
loaded.signatures["{serving_default}"]({examples}=tf.constant([record, ...]))["{output}"]
```

`{serving_default}` takes serialized `tf.Example`s, one network each, in TF-GNN's record layout
(`tfgnn.write_example` of `ParameterGraph.to_graph_tensor`). `{raw}` takes a batch of networks as one graph:

| input | type | shape |
|---|---|---|
{inputs}

N nodes and E edges in all, B networks in order; sources and targets count nodes over the whole batch. Both
answer `{output}`, float32 [B]. Any number of nodes and edges.{check}

## How it was made
Schema version {schema_version} of the parameter graph, gmn_tf {gmn_tf_version},
TensorFlow {tensorflow_version}, {num_weights:,} numbers in all. Training configuration:

```json
{training}
```
"""


_TITLES = {"r2": "R2", "tau": "Kendall's tau", "mae": "mean absolute error"}


def card(name: str, metadata: Mapping[str, Any], signatures: Mapping[str, Any], *, check: bool) -> str:
    """The text of the export's README.md, from its metadata and signatures alone."""
    shapes = {serving.NODE_SIZES: "[B]", serving.EDGE_SIZES: "[B]"}
    rows = []
    for key, spec in sorted(signatures[serving.RAW].structured_input_signature[1].items()):
        first = "N" if key.startswith("node_") else "E"
        inner = ["1" if size is None else str(size) for size in spec.shape[1:]]
        shape = shapes.get(key) or f"[{', '.join([first, *inner])}]"
        rows.append(f"| {key} | {spec.dtype.name} | {shape} |")
    note = "\n`check/` holds some records with the metanetwork's own answers, to test a loader with."
    return _TEXT.format(
        name=name,
        figures=_figures(metadata["evaluation"]),
        inputs="\n".join(rows),
        check=note if check else "",
        training=json.dumps(metadata["training"], indent=2, sort_keys=True),
        serving_default=serving.SERVING_DEFAULT,
        raw=serving.RAW,
        examples=serving.EXAMPLES,
        output=serving.OUTPUT,
        **{
            key: metadata[key]
            for key in ("schema_version", "gmn_tf_version", "tensorflow_version", "num_weights")
        },
    )


def _figures(evaluation: Mapping[str, Any] | None) -> str:
    if not evaluation:
        return "Not evaluated before it was exported (`gmn-tf evaluate --run RUN --zoo ZOO`)."
    rows = [
        f"| {name} | "
        + " | ".join("-" if value is None else f"{value:.3f}" for value in figures.values())
        + " |"
        for name, figures in evaluation["figures"].items()
    ]
    names = [_TITLES.get(name, name) for name in next(iter(evaluation["figures"].values()))]
    own = (
        "held-out networks of the zoo it was trained on"
        if evaluation["trained_on_this_zoo"]
        else ("networks of ANOTHER zoo than the one it was trained on")
    )
    lines = [
        f"On {evaluation['networks']} {own} ({evaluation['split']} split, zoo {evaluation['zoo_hash']}):",
        "",
        f"| predictor | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *rows,
    ]
    return "\n".join(lines)
