"""A zoo of 48 networks of three architectures, whose accuracy is told by the scale of their weights."""

from __future__ import annotations

from pathlib import Path

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest

from gmn_tf.zoo.store import Zoo

PER_ARCHITECTURE = 16
SPLITS = ["train"] * 10 + ["validation"] * 3 + ["test"] * 3


def templates() -> list:
    import keras

    layers = keras.layers
    image = keras.Input((4, 4, 1))

    def model(*chain):
        x = image
        for layer in chain:
            x = layer(x)
        return keras.Model(image, layers.Dense(2)(x))

    return [
        model(layers.Conv2D(2, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()),
        model(layers.Conv2D(3, 3, padding="same"), layers.Conv2D(3, 5, padding="same"), layers.Flatten()),
        model(layers.Conv2D(4, 2, activation="relu"), layers.GlobalAveragePooling2D()),
    ]


@pytest.fixture(scope="session")
def zoo_path(tmp_path_factory) -> Path:
    from gmn_tf.zoo import files, store

    folder = tmp_path_factory.mktemp("training") / "zoo"
    folder.mkdir()
    generator = np.random.default_rng(3)
    models, rows = templates(), []
    for architecture, model in enumerate(models):
        size = model.count_params()
        scale = generator.uniform(0.2, 2.0, PER_ARCHITECTURE)
        weights = scale[:, np.newaxis] * generator.normal(size=(PER_ARCHITECTURE, size))
        start = 0
        for variable in model.weights:
            if "variance" in variable.name:  # no network has negative ones
                weights[:, start : start + variable.shape[0]] **= 2
            start += int(np.prod(variable.shape))
        files.write_array(folder / files.weights_file(architecture), weights.astype(np.float32))
        for row, split in enumerate(SPLITS):
            rows.append(
                {
                    "network": len(rows),
                    "architecture": architecture,
                    "row": row,
                    "split": split,
                    "test_accuracy": round(float(1.05 - scale[row] / 2.0), 4),
                }
            )
    files.write_table(folder / files.TABLE, rows)
    files.write_json(folder / files.ARCHITECTURES, [model.to_json() for model in models])
    names = [files.TABLE, files.ARCHITECTURES, *(files.weights_file(a) for a in range(len(models)))]
    manifest = {
        "format_version": store.FORMAT_VERSION,
        "family": "cnn",
        "data": {"name": "none", "hash": "0"},
        "seed": 3,
        "files": {name: files.fingerprint(folder / name) for name in names},
    }
    files.write_json(folder / files.MANIFEST, manifest)
    return folder


@pytest.fixture(scope="session")
def zoo(zoo_path) -> Zoo:
    return Zoo.load(zoo_path)
