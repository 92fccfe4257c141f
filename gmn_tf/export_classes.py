"""What is special in the export of a classifier: its functions, its card, its examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf import serving
from gmn_tf.export_card import NOT_EVALUATED, NOT_TOLD, distance_text, judged_on, raw_table
from gmn_tf.export_check import networks_of_one_architecture
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.training.structure import Structure

if TYPE_CHECKING:
    from gmn_tf.training.run import Run
    from gmn_tf.training_distance import TrainingDistance
    from gmn_tf.zoo.store import Zoo

WEIGHTS, ANSWERS = "weights.npy", "probabilities.npy"

_TEXT = """\
# {name}

A graph metanetwork that says **what implicit neural representations (INRs) depict**, one of {classes}
classes, from their weights alone: the INR is not rendered. Saved as a TensorFlow SavedModel.

## What it was trained on
{population}

## How well it does
{figures}

## How far a network lies from the training networks
{distance}

## What it must not be used for
- INRs of another kind, of other pictures, or fitted otherwise (another frequency, another start): the
  weights of such lie elsewhere. `{distance_output}` says so of most, and a small distance proves nothing.
- Networks that are no INRs: it names a class for every network.
- In place of looking at the picture, where a wrong class does harm.

## How to call it
With gmn_tf, on Keras models or files:

```python
import gmn_tf
classifier = gmn_tf.load({name!r})
classifier(["a.keras", "b.keras"])               # float32 [2, {classes}]
classifier.predict(["a.keras"]).labels           # int64 [1]
```

In plain TensorFlow, with neither gmn_tf nor tensorflow_gnn installed:

```python
import tensorflow as tf
loaded = tf.saved_model.load({name!r})
{call}
```

{weights}`{serving_default}` takes serialized `tf.Example`s, one network each, in TF-GNN's record layout.
`{raw}` takes a batch of networks as one graph:

| input | type | shape |
|---|---|---|
{inputs}

N nodes and E edges in all, B networks in order; sources and targets count nodes over the whole batch. All
answer {outputs}: probabilities float32 [B, {classes}].{check}

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

_WEIGHTS = """\
`{name}` takes flat weights [B, {size}] of the architecture it was trained on, each row all arrays of
`model.get_weights()` one after the other.

"""

_KEYS = ("schema_version", "gmn_tf_version", "tensorflow_version", "num_weights")


def class_server(run: Run, zoo: Zoo | None, distance: TrainingDistance | None) -> serving.ClassServer:
    """The functions of a run's classifier; of flat weights too where its zoo has one architecture."""
    structure = None
    if zoo is not None and len(zoo.architectures) == 1:
        graph = ParameterGraph.from_keras(zoo.template(0))
        structure = Structure.of(graph, channels=run.model.num_channels)
    return serving.ClassServer(run.model, distance=distance, structure=structure)


def class_card(name: str, metadata: Mapping[str, Any], *, check: bool) -> str:
    """The text of the export's README.md, from its metadata alone."""
    signatures = metadata["signatures"]
    output = serving.PROBABILITIES
    call = f'loaded.signatures["{serving.SERVING_DEFAULT}"]({serving.EXAMPLES}=tf.constant([record, ...]))'
    weights = ""
    if serving.WEIGHTS in signatures:
        size = signatures[serving.WEIGHTS]["inputs"][serving.WEIGHTS]["shape"][1]
        weights = _WEIGHTS.format(name=serving.WEIGHTS, size=size)
        call = (
            f'loaded.signatures["{serving.WEIGHTS}"]({serving.WEIGHTS}=tf.constant(flat))["{output}"]'
            f"  # flat: float32 [B, {size}]"
        )
    note = (
        f"\n`check/` holds flat weights of some networks (`{WEIGHTS}`) and the metanetwork's own answers "
        f"(`{ANSWERS}`), to test a loader with."
    )
    return _TEXT.format(
        name=name,
        classes=metadata["training"]["task_options"]["num_classes"],
        population=_population(metadata["population"]),
        figures="\n\n".join(map(_figures, metadata["evaluations"])) or NOT_EVALUATED,
        distance=distance_text(metadata["distance"]),
        distance_output=serving.DISTANCE,
        call=call,
        weights=weights,
        inputs=raw_table(signatures[serving.RAW]),
        outputs=" and ".join(f"`{name}`" for name in signatures[serving.RAW]["outputs"]),
        check=note if check else "",
        commands="\n".join(metadata["commands"]),
        training=json.dumps(metadata["training"], indent=2, sort_keys=True),
        serving_default=serving.SERVING_DEFAULT,
        raw=serving.RAW,
        **{key: metadata[key] for key in _KEYS},
    )


def write_class_check(
    folder: Path, run: Run, zoo: Zoo, *, count: int, distance: TrainingDistance | None = None
) -> None:
    """Writes the first networks of the zoo's test split and the run's own answers into a new folder.

    Flat weights [n, P] of the first architecture that the split has.
    """
    folder.mkdir()
    chosen = networks_of_one_architecture(zoo, count)
    np.save(folder / WEIGHTS, np.stack([zoo.flat(int(number)) for number in chosen]))
    np.save(folder / ANSWERS, run.predict(zoo, chosen).astype(np.float32))
    contents = {
        "networks": [int(number) for number in chosen],
        "labels": [int(label) for label in zoo.table["label"][chosen]] if "label" in zoo.table else None,
    }
    (folder / "networks.json").write_text(json.dumps(contents, indent=2) + "\n")


def _population(facts: Mapping[str, Any] | None) -> str:
    if not facts:
        return NOT_TOLD
    counts = ", ".join(f"{count:,} {split}" for split, count in facts["counts"].items())
    return (
        f"{facts['training_networks']:,} INRs of the family `{facts['family']}`, each fitted to a picture of "
        f"`{facts['data']['name']}` from a fresh start. The whole zoo: {counts}; seed {facts['seed']}."
    )


def _figures(evaluation: Mapping[str, Any]) -> str:
    lines = [
        f"{judged_on(evaluation)}:",
        "",
        "| what | right | cross-entropy |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {title} | {figures['accuracy']:.2%} | {figures['loss']:.3f} |"
        for title, figures in evaluation["figures"].items()
    ]
    interval = evaluation.get("accuracy_interval")
    if interval:
        lines += ["", f"95 % interval over networks: {interval['low']:.2%} .. {interval['high']:.2%}."]
    return "\n".join(lines)
