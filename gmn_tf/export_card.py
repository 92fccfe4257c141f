"""The card of an export: what it is for, how well it does, how to call it, how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gmn_tf import serving
from gmn_tf.provenance import THIS

_TEXT = """\
# {name}

A graph metanetwork that predicts the **test accuracy** of an image classifier from its weights alone, saved
as a TensorFlow SavedModel. It knows the population it was trained on (below) and nothing else.

## What it was trained on
{population}

## How well it does
{figures}

## How far a network lies from the training networks
{distance}

## What it must not be used for
{limits}

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
answer {outputs}, float32 [B]. Any number of nodes and edges.{check}

## How it was made
```
{commands}
```

Schema version {schema_version} of the parameter graph, gmn_tf {gmn_tf_version},
TensorFlow {tensorflow_version}, {num_weights:,} numbers in all. Training configuration:

```json
{training}
```
"""

_LIMITS = """\
- Networks for other data than {data}, of other families or far from these sizes: `gmn-tf predict` and the
  output `{distance}` say so of most, and a small distance is no proof of the contrary.
- To say how well a network does on anything but the test images of that data: accuracy there is all that it
  was taught.
- To tell networks apart whose predicted accuracies differ by less than the mean absolute error above.
- Networks that somebody may have made to be judged well: weights can be altered so that the answer rises and
  the accuracy does not.
- In place of measuring, where labelled data is at hand or a wrong figure does harm."""

NOT_EVALUATED = "Not evaluated before it was exported (`gmn-tf evaluate --run RUN --zoo ZOO`)."
NOT_TOLD = "Not told: it was exported without its zoo (`gmn-tf export --zoo ZOO`)."

_TITLES = {"r2": "R2", "tau": "Kendall's tau", "mae": "mean absolute error"}
_KEYS = ("schema_version", "gmn_tf_version", "tensorflow_version", "num_weights")


def card(name: str, metadata: Mapping[str, Any], *, check: bool) -> str:
    """The text of the export's README.md, from its metadata alone."""
    signature = metadata["signatures"][serving.RAW]
    note = "\n`check/` holds some records with the metanetwork's own answers, to test a loader with."
    population = metadata["population"]
    return _TEXT.format(
        name=name,
        population=_population(population),
        figures="\n\n".join(map(_figures, metadata["evaluations"])) or NOT_EVALUATED,
        distance=distance_text(metadata["distance"]),
        limits=_LIMITS.format(
            data=population["data"]["name"] if population else "its zoo's", distance=serving.DISTANCE
        ),
        inputs=raw_table(signature),
        outputs=" and ".join(f"`{output}`" for output in signature["outputs"]),
        check=note if check else "",
        commands="\n".join(metadata["commands"]),
        training=json.dumps(metadata["training"], indent=2, sort_keys=True),
        serving_default=serving.SERVING_DEFAULT,
        raw=serving.RAW,
        examples=serving.EXAMPLES,
        output=serving.OUTPUT,
        **{key: metadata[key] for key in _KEYS},
    )


def raw_table(signature: Mapping[str, Any]) -> str:
    """The rows of a table of the raw signature's inputs: name, type, shape."""
    shapes = {serving.NODE_SIZES: "[B]", serving.EDGE_SIZES: "[B]"}
    rows = []
    for key, spec in signature["inputs"].items():
        first = "N" if key.startswith("node_") else "E"
        inner = ["1" if size is None else str(size) for size in spec["shape"][1:]]
        shape = shapes.get(key) or f"[{', '.join([first, *inner])}]"
        rows.append(f"| {key} | {spec['dtype']} | {shape} |")
    return "\n".join(rows)


def judged_on(evaluation: Mapping[str, Any]) -> str:
    """Where the figures of an evaluation come from: setting, run, number of networks, zoo, split."""
    whose = "" if evaluation["of"] == THIS else f", {evaluation['of']}"
    where = (
        "of the zoo it was trained on"
        if evaluation.get("trained_on_this_zoo")
        else "of ANOTHER zoo than the one it was trained on"
    )
    return (
        f"Setting `{evaluation['setting']}`{whose}: on {evaluation['networks']} networks {where} "
        f"({evaluation['split']} split)"
    )


def _population(facts: Mapping[str, Any] | None) -> str:
    if not facts:
        return NOT_TOLD
    accuracy, (least, most) = facts["test_accuracy"], facts["parameters"]
    families = ", ".join(f"{count:,} {family}" for family, count in facts["families"].items())
    counts = ", ".join(f"{count:,} {split}" for split, count in facts["counts"].items())
    width = "width {} to {}, ".format(*facts["width"]) if "width" in facts else ""
    return (
        f"{facts['training_networks']:,} networks of {facts['architectures']:,} architectures, trained on "
        f"`{facts['data']['name']}` ({families}); {width}{least:,} to {most:,} parameters. Their test "
        f"accuracy runs from {accuracy['min']:.2f} to {accuracy['max']:.2f}, half of them between "
        f"{accuracy['q25']:.2f} and {accuracy['q75']:.2f}. The whole zoo: {counts}; seed {facts['seed']}."
    )


def distance_text(facts: Mapping[str, Any] | None) -> str:
    """What a card says of distances, from their metadata."""
    if not facts:
        return "Not stored: it was exported without the zoo it was trained on (`gmn-tf export --zoo ZOO`)."
    apart = " of other architectures" if facts["other_architectures_only"] else ""
    return (
        f"`{serving.DISTANCE}` is the distance to the {facts['neighbours']}th nearest of "
        f"{facts['training_networks']:,} training networks, in the metanetwork's last hidden layers and in "
        "counts and scales of the graph. 1 is the distance within which "
        f"{facts['unit_percentile']} % of {facts['held_out_networks']:,} held-out networks of the same "
        f"population lie, measured to training networks{apart}: up to 1 is in range, up to 2 at the edge, "
        "more is unlike anything it was trained on. `metadata.json` has the percentiles."
    )


def _figures(evaluation: Mapping[str, Any]) -> str:
    rows = [
        f"| {name} | "
        + " | ".join("-" if value is None else f"{value:.3f}" for value in figures.values())
        + " |"
        for name, figures in evaluation["figures"].items()
    ]
    names = [_TITLES.get(name, name) for name in next(iter(evaluation["figures"].values()))]
    own = "networks"
    if evaluation.get("trained_on_this_zoo"):
        own = "held-out networks of the zoo it was trained on"
    elif "trained_on_this_zoo" in evaluation:
        own = "networks of ANOTHER zoo than the one it was trained on"
    whose = "" if evaluation["of"] == THIS else f", {evaluation['of']}"
    where = [f"{evaluation['split']} split"] if "split" in evaluation else []
    where += [f"zoo {evaluation['zoo_hash']}"] if "zoo_hash" in evaluation else []
    lines = [
        f"Setting `{evaluation['setting']}`{whose}: on {evaluation.get('networks', 'the')} {own}"
        f"{' (' + ', '.join(where) + ')' if where else ''}:",
        "",
        f"| predictor | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *rows,
    ]
    return "\n".join(lines)
