"""A population of tiny networks and a run on it, made in seconds: for tests of exports and their use."""

from __future__ import annotations

import json
from pathlib import Path

import gmn_tf  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf

from gmn_tf.graph import schema
from gmn_tf.models.graph_metanetwork import GraphMetanetwork
from gmn_tf.training.folder import RUN_VERSION, zoo_hash
from gmn_tf.training.keeper import BEST_WEIGHTS
from gmn_tf.zoo import files, store

SMALL = {
    "num_blocks": 1,
    "node_dim": 4,
    "edge_dim": 4,
    "message_dim": 4,
    "readout_dim": 4,
    "readout_heads": 2,
}
ARCHITECTURES = 10
PER_ARCHITECTURE = 12
SPLITS = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2


def metanetwork(num_channels: int) -> GraphMetanetwork:
    """A small one with random weights, so that answers differ from network to network."""
    tf.keras.utils.set_random_seed(0)
    model = GraphMetanetwork(1, num_channels=num_channels, **SMALL)
    for variable in model.trainable_variables:
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.3))
    return model


def convolutional(rng: np.random.Generator) -> keras.Model:
    """A CNN of one or two convolutions of 3 to 8 channels on 8 x 8 grey images, 10 classes."""
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    x = image
    for _ in range(rng.integers(1, 3)):
        x = layers.Conv2D(int(rng.integers(3, 9)), 3, activation=str(rng.choice(["relu", "tanh"])))(x)
        if rng.uniform() < 0.5:
            x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10)(x))


def weights(model: keras.Model, rng: np.random.Generator) -> np.ndarray:
    """Flat weights as of a trained network: kernels in the scale of Glorot's, the rest small."""
    flat = []
    for variable in model.weights:
        shape = tuple(variable.shape)
        if variable.name == "kernel":
            value = rng.normal(size=shape) * rng.uniform(0.7, 1.5) / np.sqrt(np.prod(shape[:-1]))
        elif variable.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, shape)
        else:
            value = 0.1 * rng.normal(size=shape)
        flat.append(value.ravel())
    return np.concatenate(flat).astype(np.float32)


def make_zoo(folder: Path, *, seed: int = 0) -> Path:
    """Writes a whole zoo of random networks with made-up accuracies."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    models, rows = [], []
    for architecture in range(ARCHITECTURES):
        model = convolutional(rng)
        models.append(model)
        stored = np.stack([weights(model, rng) for _ in range(PER_ARCHITECTURE)])
        files.write_array(folder / files.weights_file(architecture), stored)
        for row, split in enumerate(SPLITS):
            place = {"network": len(rows), "architecture": architecture, "row": row, "split": split}
            accuracy = round(float(rng.uniform(0.1, 1.0)), 3)
            rows.append({**place, "test_accuracy": accuracy, "num_parameters": stored.shape[1]})
    files.write_table(folder / files.TABLE, rows)
    files.write_json(folder / files.ARCHITECTURES, [model.to_json() for model in models])
    names = [files.TABLE, files.ARCHITECTURES, *map(files.weights_file, range(ARCHITECTURES))]
    manifest = {
        "format_version": store.FORMAT_VERSION,
        "family": "cnn",
        "data": {"name": "mnist:/some/where/mnist.npz", "hash": "0"},
        "seed": seed,
        "plan": {
            "family": "cnn",
            "data": "mnist:/some/where/mnist.npz",
            "size": 120,
            "seed": seed,
            "keras_files": 0,
        },
        "files": {name: files.fingerprint(folder / name) for name in names},
    }
    files.write_json(folder / files.MANIFEST, manifest)
    return folder


def make_run(folder: Path, zoo: Path | None = None) -> Path:
    """Writes a run as `train_accuracy` leaves it, of a metanetwork with random weights."""
    from gmn_tf.training import pipeline
    from gmn_tf.training.population import Population

    folder.mkdir()
    model, found = metanetwork(9), "0"
    if zoo is not None:
        opened = store.Zoo.load(zoo)
        found = zoo_hash(opened)
        members = Population.from_zoo(opened, opened.indices("train"), channels=9)
        model.adapt(pipeline.batches(members, batch_size=40))
    config = {
        "run_version": RUN_VERSION,
        "schema_version": schema.SCHEMA_VERSION,
        "task": "accuracy",
        "zoo_hash": found,
        "settings": {"method": "gmn", "setting": "all", "seed": 0, "channels": 9, "epochs": 3},
        "model": model.get_config(),
    }
    (folder / "config.json").write_text(json.dumps(config))
    model.save_weights(str(folder / BEST_WEIGHTS))
    return folder
