"""Loads an export where gmn_tf and tensorflow_gnn cannot be imported, and compares its answers.

    python scripts/check_export.py EXPORT

`EXPORT/check` must hold examples and answers (`gmn-tf export --zoo ZOO`). Both signatures are called, one
network at a time and all at once; exit code 1 when an accuracy is further than 1e-5 from the metanetwork's
own, or a distance further than 1e-3 from the one worked out apart from what is served.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

BARRED = ("gmn_tf", "tensorflow_gnn", "tf_keras", "keras_hub")
TOLERANCES = {"accuracy": 1e-5, "distance": 1e-3}


class _Barrier:
    """Makes importing the barred packages fail, as if they were not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] in BARRED:
            raise ModuleNotFoundError(f"{name} is barred in this process")


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    os.environ.pop("TF_USE_LEGACY_KERAS", None)  # would make TensorFlow look for tf_keras
    sys.meta_path.insert(0, _Barrier())
    tf = _tensorflow()

    folder = Path(sys.argv[1])
    try:
        answers = json.loads((folder / "check" / "answers.json").read_text())
    except FileNotFoundError:
        print(f"{folder}: no check/answers.json in it; export with --zoo ZOO to have it.", file=sys.stderr)
        return 2
    records = [
        record.numpy() for record in tf.data.TFRecordDataset(str(folder / "check" / "examples.tfrecord"))
    ]
    loaded = tf.saved_model.load(str(folder))
    serve, raw = loaded.signatures["serving_default"], loaded.signatures["raw"]
    together = serve(examples=tf.constant(records))
    alone = [serve(examples=tf.constant([record])) for record in records]
    tensors = [raw(**_columns(tf, raw, record)) for record in records]
    gaps = {}
    for name in [name for name in TOLERANCES if name in answers]:
        served = [
            together[name].numpy(),
            *([answer[name].numpy()[0] for answer in way] for way in (alone, tensors)),
        ]
        gaps[name] = max(
            abs(float(got) - want) for way in served for got, want in zip(way, answers[name], strict=True)
        )
    leaked = [name for name in BARRED if name in sys.modules]
    passed = all(gap <= TOLERANCES[name] for name, gap in gaps.items()) and not leaked
    found = ", ".join(f"{gap:.1e} in {name}" for name, gap in gaps.items())
    print(
        f"{folder}: {len(records)} networks through serving_default (together, and one by one) and raw, "
        f"without {' and '.join(BARRED[:2])}: largest difference {found}, {'passed' if passed else 'FAILED'}."
    )
    return 0 if passed else 1


def _tensorflow():
    """TensorFlow, imported without the lines its native code writes to stderr while it starts."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
    return tf


def _columns(tf, raw, record: bytes) -> dict:
    """Inputs of the raw signature for one record, read with the protocol buffer alone."""
    feature = tf.train.Example.FromString(record).features.feature
    columns = {}
    for name, spec in raw.structured_input_signature[1].items():
        group, _, column = name.partition("_")
        stored = {"source": "#source", "target": "#target", "sizes": "#size"}.get(column, column)
        entry = feature[f"{group}s/{group}s.{stored}"]
        values = entry.float_list.value if spec.dtype == tf.float32 else entry.int64_list.value
        rows = 1 if column == "sizes" else len(feature[f"{group}s/{group}s.type"].int64_list.value)
        shape = [rows] if spec.shape.rank == 1 else [rows, -1]
        columns[name] = tf.reshape(tf.constant(list(values), spec.dtype), shape)
    return columns


if __name__ == "__main__":
    sys.exit(main())
