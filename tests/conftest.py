"""What tests of several rooms share. gmn_tf comes first: it sets what TensorFlow reads when it starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest


@pytest.fixture(scope="session")
def _tiny_zoo(tmp_path_factory) -> Path:
    """A whole zoo of 12 networks, of two architectures, with random weights and made-up accuracies."""
    import keras

    from gmn_tf.zoo import files, store

    folder = tmp_path_factory.mktemp("tiny") / "zoo"
    folder.mkdir()
    rng = np.random.default_rng(0)
    models, rows = [], []
    for architecture, width in enumerate((2, 3)):
        layers = [keras.layers.Conv2D(width, 3, activation="relu"), keras.layers.GlobalAveragePooling2D()]
        models.append(keras.Sequential([keras.Input((4, 4, 1)), *layers, keras.layers.Dense(2)]))
        size = models[-1].count_params()
        files.write_array(
            folder / files.weights_file(architecture), rng.normal(size=(6, size)).astype(np.float32)
        )
        for row, split in enumerate(["train"] * 3 + ["validation"] + ["test"] * 2):
            place = {"network": len(rows), "architecture": architecture, "row": row, "split": split}
            rows.append(
                {**place, "test_accuracy": round(float(rng.uniform(0.1, 1.0)), 3), "num_parameters": size}
            )
    files.write_table(folder / files.TABLE, rows)
    files.write_json(folder / files.ARCHITECTURES, [model.to_json() for model in models])
    names = [files.TABLE, files.ARCHITECTURES, *(files.weights_file(number) for number in range(2))]
    manifest = {
        "format_version": store.FORMAT_VERSION,
        "family": "cnn",
        "data": {"name": "none", "hash": "0"},
        "seed": 0,
        "files": {name: files.fingerprint(folder / name) for name in names},
    }
    files.write_json(folder / files.MANIFEST, manifest)
    return folder


@pytest.fixture
def tiny_zoo(_tiny_zoo, tmp_path) -> Path:
    """A copy of that zoo which a test may damage."""
    return Path(shutil.copytree(_tiny_zoo, tmp_path / "tiny-zoo"))


@pytest.fixture(scope="session")
def _judged_zoo(tmp_path_factory) -> Path:
    """A zoo of 120 tiny convolutional networks of 10 architectures, with weights of usual scales."""
    from small_exports import make_zoo

    return make_zoo(tmp_path_factory.mktemp("judged") / "zoo")


@pytest.fixture(scope="session")
def _judge_run(_judged_zoo, tmp_path_factory) -> Path:
    """A run on that zoo; its metanetwork has random weights."""
    from small_exports import make_run

    return make_run(tmp_path_factory.mktemp("judge") / "run", _judged_zoo)


@pytest.fixture(scope="session")
def _judge(_judge_run, _judged_zoo) -> Path:
    """Its export, which tells distances to the zoo's training networks."""
    from gmn_tf.export import export

    return export(_judge_run, _judge_run.parent / "judge", zoo=_judged_zoo, examples=3)
