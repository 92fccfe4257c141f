"""What is special in the export of an editor: its functions, its card, its examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf import serving
from gmn_tf.export_card import NOT_EVALUATED, NOT_TOLD, judged_on, raw_table
from gmn_tf.export_check import networks_of_one_architecture
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.training.structure import Structure

if TYPE_CHECKING:
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo

WEIGHTS_BEFORE, WEIGHTS_AFTER = "weights.npy", "edited.npy"

_TEXT = """\
# {name}

A graph metanetwork that **edits** implicit neural representations (INRs) of pictures: given the weights of
one it answers with weights whose INR shows the picture after the operation `{operation}`. Saved as a
TensorFlow SavedModel.

## What it was trained on
{population}

The targets: `{operation}` done to {target}.

## How well it does
{figures}

## What it must not be used for
- INRs of another kind, of other pictures or of another frequency: nothing warns of them. Other widths and
  depths are taken, and the figures above say nothing of them.
- Networks that are no INRs: what comes of them means nothing.

## How to call it
With gmn_tf, on Keras models or files (`gmn-tf edit --model {name} in.keras --out out.keras`):

```python
import gmn_tf
editor = gmn_tf.load({name!r})
edited = editor("in.keras")          # a Keras model
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

N nodes and E edges in all, B networks in order; sources and targets count nodes over the whole batch. Both
answer `{edited}`, float32 [E, 1]: the edited values of all edges, in the order given.{check}

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
`model.get_weights()` one after the other, and answers `{name}`, edited ones.

"""

_KEYS = ("schema_version", "gmn_tf_version", "tensorflow_version", "num_weights")


def edit_server(run: Run, zoo: Zoo | None) -> serving.EditServer:
    """The functions of a run's editor; of whole networks too where its zoo has one architecture."""
    if zoo is None or len(zoo.architectures) != 1:
        return serving.EditServer(run.model)
    return serving.EditServer(run.model, structure=_structure(zoo))


def edit_card(name: str, metadata: Mapping[str, Any], *, check: bool) -> str:
    """The text of the export's README.md, from its metadata alone."""
    options = metadata["training"]["task_options"]
    signature = metadata["signatures"].get(serving.WEIGHTS)
    call = f'loaded.signatures["{serving.SERVING_DEFAULT}"]({serving.EXAMPLES}=tf.constant([record, ...]))'
    weights = ""
    if signature is not None:
        size = signature["inputs"][serving.WEIGHTS]["shape"][1]
        weights = _WEIGHTS.format(name=serving.WEIGHTS, size=size)
        call = (
            f'flat = loaded.signatures["{serving.WEIGHTS}"]({serving.WEIGHTS}=tf.constant(flat))'
            f'["{serving.WEIGHTS}"]'
        )
    note = (
        f"\n`check/` holds some networks, flat weights before (`{WEIGHTS_BEFORE}`) and after "
        f"(`{WEIGHTS_AFTER}`), to test a loader with."
    )
    return _TEXT.format(
        name=name,
        operation=options["operation"],
        target="the pictures themselves" if options["target"] == "image" else "what the INRs show",
        population=_population(metadata["population"]),
        figures="\n\n".join(map(_figures, metadata["evaluations"])) or NOT_EVALUATED,
        call=call,
        weights=weights,
        inputs=raw_table(metadata["signatures"][serving.RAW]),
        check=note if check else "",
        commands="\n".join(metadata["commands"]),
        training=json.dumps(metadata["training"], indent=2, sort_keys=True),
        serving_default=serving.SERVING_DEFAULT,
        raw=serving.RAW,
        edited=serving.EDITED,
        **{key: metadata[key] for key in _KEYS},
    )


def write_edit_check(folder: Path, run: Run, zoo: Zoo, *, count: int) -> None:
    """Writes the first networks of the zoo's test split, before and after, into a new folder.

    Flat weights [n, P] of the first architecture that the split has. The changes are the metanetwork's own,
    apart from what is served.
    """
    folder.mkdir()
    chosen = networks_of_one_architecture(zoo, count)
    structure = _structure(zoo, int(zoo.table["architecture"][chosen[0]]))
    before = np.stack([zoo.flat(int(number)) for number in chosen])
    after = before.copy()
    slots = structure.slots[0, :, 0]
    for row, flat in zip(after, before, strict=True):
        change = run.model(structure.graph_tensor(flat), training=False).numpy()[:, 0]
        row[slots[slots >= 0]] += change[slots >= 0]
    np.save(folder / WEIGHTS_BEFORE, before)
    np.save(folder / WEIGHTS_AFTER, after)
    contents = {"networks": [int(number) for number in chosen], "operation": run.task.options["operation"]}
    (folder / "networks.json").write_text(json.dumps(contents, indent=2) + "\n")


def _structure(zoo: Zoo, architecture: int = 0) -> Structure:
    return Structure.of(ParameterGraph.from_keras(zoo.template(architecture)))


def _population(facts: Mapping[str, Any] | None) -> str:
    if not facts:
        return NOT_TOLD
    counts = ", ".join(f"{count:,} {split}" for split, count in facts["counts"].items())
    least, most = facts["parameters"]
    size = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    quality = facts.get("psnr")
    shown = (
        f" They show their pictures at {quality['q25']:.1f} to {quality['q75']:.1f} dB (the middle half)."
        if quality
        else ""
    )
    return (
        f"{facts['training_networks']:,} INRs of {facts['architectures']:,} "
        f"architecture{'s' if facts['architectures'] > 1 else ''} of the family `{facts['family']}`, {size} "
        f"parameters, each fitted to a picture of `{facts['data']['name']}` from a fresh start.{shown} The "
        f"whole zoo: {counts}; seed {facts['seed']}."
    )


def _figures(evaluation: Mapping[str, Any]) -> str:
    lines = [
        f"{judged_on(evaluation)}, against the targets, pixels from 0 to 1:",
        "",
        "| what | mean squared error | PSNR in dB |",
        "|---|---:|---:|",
    ]
    for name, figures in evaluation["figures"].items():
        lines.append(f"| {name} | {figures['mse']:.5f} | {figures['psnr']:.2f} |")
    return "\n".join(lines)
