"""One finished part of a population: all networks of one architecture, trained, measured and written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files
from gmn_tf.zoo.data import Data, load_data
from gmn_tf.zoo.families.architecture import Architecture
from gmn_tf.zoo.hyper_parameters import sample_hyper_parameters
from gmn_tf.zoo.plan import Plan


def part_file(architecture: int) -> str:
    """Name of the record that is written last: with it the part is whole."""
    return f"part-{architecture:04d}.json"


def is_finished(folder: Path, architecture: int) -> bool:
    """Whether the part lies in `folder`, weights as recorded."""
    try:
        read_part(folder, architecture)
    except ZooError:
        return False
    return True


def read_part(folder: Path, architecture: int) -> dict[str, Any]:
    """The record of a finished part: rows of the table, the Keras JSON, the weights file's fingerprint."""
    record = files.read_json(folder / part_file(architecture))
    files.check(folder / record.get("file", files.weights_file(architecture)), record["weights"])
    return record


def maker(folder: Path, plan: dict[str, Any]) -> Callable[[int], None]:
    """What makes the parts of a plan, by number; see `gmn_tf.zoo.workers`."""
    found = Plan(**plan)
    data = load_data(found.data)
    return lambda number: train_part(folder, found, data, number)


def train_part(folder: Path, plan: Plan, data: Data, number: int) -> None:
    """Trains the networks of one architecture, measures them with Keras and writes the part.

    Raises:
        ZooError: the part could not be written.
    """
    from gmn_tf.zoo.train import GroupTrainer

    architecture = plan.architecture(number, data)
    indices = plan.indices(number)
    parameters = [
        sample_hyper_parameters(plan.family, index, architecture, seed=plan.seed) for index in indices
    ]
    trainer = GroupTrainer(architecture, data, seed=plan.seed, stream=number)
    flat = trainer.train(indices, parameters)
    model_json, accuracies = measured(architecture, flat, data)
    splits = plan.splits()
    rows = [
        {
            "network": index,
            "architecture": number,
            "row": row,
            "split": str(splits[index]),
            "test_accuracy": accuracies[row],
            "family": architecture.family,
            "width": architecture.width,
            "num_parameters": architecture.num_parameters,
            **parameters[row].row(),
        }
        for row, index in enumerate(indices)
    ]
    weights = folder / files.weights_file(number)
    files.write_array(weights, flat)
    record = {"rows": rows, "keras": model_json, "weights": files.fingerprint(weights)}
    files.write_json(folder / part_file(number), record)


def measured(architecture: Architecture, flat: np.ndarray, data: Data) -> tuple[str, list[float]]:
    """The JSON of the Keras model, and Keras' own test accuracy of each row of weights [n, P]."""
    from gmn_tf.zoo.draws import weight_list
    from gmn_tf.zoo.measure import accuracy

    model = architecture.keras_model(name=architecture.family)
    accuracies = []
    for weights in flat:
        model.set_weights(weight_list(architecture, weights))
        accuracies.append(accuracy(model, data))
    return json.dumps(json.loads(model.to_json()), sort_keys=True), accuracies
