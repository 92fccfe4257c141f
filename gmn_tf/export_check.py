"""The examples of an export: networks as tf.Examples beside what the metanetwork itself answers on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gmn_tf import serving
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.training.structure import Structure
from gmn_tf.training_distance import TrainingDistance, answer_and_features

if TYPE_CHECKING:
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo

EXAMPLES = "examples.tfrecord"
ANSWERS = "answers.json"


def write_check(
    folder: Path, run: Run, zoo: Zoo, *, count: int, distance: TrainingDistance | None = None
) -> None:
    """Writes some networks of the zoo's test split, smallest architectures first, into a new folder.

    The distances in it are worked out in numpy, apart from what is served.
    """
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

    folder.mkdir()
    chosen = _varied(zoo, count)
    answers: list[float] = []
    distances: list[float] = []
    with tf.io.TFRecordWriter(str(folder / EXAMPLES)) as writer:
        for number in chosen:
            template = zoo.template(int(zoo.table["architecture"][number]))
            graph, flat = ParameterGraph.from_keras(template), zoo.flat(number)
            trained_on = Structure.of(graph, channels=run.model.num_channels).graph_tensor(flat)
            answers.append(float(tf.sigmoid(run.model(trained_on, training=False)[0, 0])))
            if distance is not None:
                features = answer_and_features(run.model, trained_on)[1]
                row = np.concatenate([value.numpy() for value in features.values()], axis=1)
                distances.append(distance.of(row[0]))
            record = tfgnn.write_example(Structure.of(graph).graph_tensor(flat))
            writer.write(record.SerializeToString())
    contents = {"networks": [int(number) for number in chosen], serving.OUTPUT: answers}
    if distance is not None:
        contents[serving.DISTANCE] = distances
    (folder / ANSWERS).write_text(json.dumps(contents, indent=2) + "\n")


def _varied(zoo: Zoo, count: int) -> list[int]:
    """The first networks of the test split, one architecture after the other in turn."""
    seen: dict[int, int] = {}
    ranked = []
    for number in map(int, zoo.indices("test")):
        architecture = int(zoo.table["architecture"][number])
        ranked.append((seen.get(architecture, 0), architecture, number))
        seen[architecture] = seen.get(architecture, 0) + 1
    return [number for _, _, number in sorted(ranked)[:count]]


def networks_of_one_architecture(zoo: Zoo, count: int) -> np.ndarray:
    """The first networks of the test split that have the architecture of its first one, [count] at most."""
    test = zoo.indices("test")
    architectures = np.asarray(zoo.table["architecture"])[test]
    return test[architectures == architectures[0]][:count]
