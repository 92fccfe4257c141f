"""A zoo in TF-GNN's record format: shards of tf.Example with a GraphSchema beside them.

Any TF-GNN pipeline can read them: `tfgnn.read_schema(folder/schema.pbtxt)`,
`tfgnn.create_graph_spec_from_schema_pb`, `tfgnn.parse_single_example`. The accuracy is a context feature.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gmn_tf.errors import RunError, ZooError
from gmn_tf.tasks import accuracy
from gmn_tf.training.population import Population

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

    from gmn_tf.zoo.store import Zoo

SCHEMA = "schema.pbtxt"
NUMBER = "network"
"""Context feature: the network's number in the zoo."""


def write_records(
    zoo: Zoo, indices: np.ndarray, out: str | os.PathLike[str], *, shards: int = 1, channels: int = 1
) -> list[Path]:
    """Writes the networks `indices` into a new folder, network by network into the shards in turn.

    Args:
        zoo: where they come from.
        indices: numbers in the zoo.
        out: a folder that does not exist; it appears when everything is in it.
        shards: number of files.
        channels: values per edge, see `gmn_tf.training.structure.Structure.of`.

    Returns:
        The shards' paths.

    Raises:
        RunError: the folder exists or cannot be written, or `shards` < 1.
        ZooError: no network, or weights that are not finite.
    """
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

    folder = Path(out)
    if folder.exists():
        raise RunError(f"{folder} exists already: choose another folder for the records")
    if shards < 1:
        raise RunError(f"received shards={shards}, expected at least 1")
    indices = np.asarray(indices)
    population = Population.from_zoo(zoo, indices, channels=channels)
    targets = accuracy.targets(zoo.table, indices)
    beside = folder.with_name(f".{os.getpid()}.{folder.name}")
    names = [f"networks-{shard:05d}-of-{shards:05d}.tfrecord" for shard in range(shards)]
    try:
        beside.mkdir(parents=True)
        writers = [tf.io.TFRecordWriter(str(beside / name)) for name in names]
        for member, (number, target) in enumerate(zip(indices, targets, strict=True)):
            graph = _labelled(population, member, int(number), float(target))
            writers[member % shards].write(tfgnn.write_example(graph).SerializeToString())
        for writer in writers:
            writer.close()
        schema = tfgnn.create_schema_pb_from_graph_spec(graph_spec(channels))
        tfgnn.write_schema(schema, str(beside / SCHEMA))
        beside.rename(folder)
    except (OSError, tf.errors.OpError) as error:
        raise RunError(f"{folder} cannot be written ({error}): free some space or choose another") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [folder / name for name in names]


def read_records(folder: str | os.PathLike[str]) -> tf.data.Dataset:
    """The GraphTensors of a folder of records, shard after shard, by the schema that lies beside them.

    Raises:
        ZooError: there are no records, or no readable schema.
    """
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

    path = Path(folder)
    shards = sorted(str(shard) for shard in path.glob("*.tfrecord"))
    if not shards or not (path / SCHEMA).exists():
        raise ZooError(f"{path} holds no records: expected *.tfrecord files and {SCHEMA}")
    try:
        spec = tfgnn.create_graph_spec_from_schema_pb(tfgnn.read_schema(str(path / SCHEMA)))
    except Exception as error:  # the text format's parser raises its own, undocumented classes
        raise ZooError(f"{path / SCHEMA} is damaged ({error}): write the records again") from error
    return tf.data.TFRecordDataset(shards).map(lambda record: tfgnn.parse_single_example(spec, record))


def graph_spec(channels: int = 1) -> tfgnn.GraphTensorSpec:
    """The spec of one record: a network's graph with its number and accuracy in the context."""
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

    from gmn_tf.graph.tensor import graph_tensor_spec

    plain = graph_tensor_spec(channels, num_components=1)
    context = tfgnn.ContextSpec.from_field_specs(
        features_spec={
            NUMBER: tf.TensorSpec([1], tf.int64),
            accuracy.TARGET_COLUMN: tf.TensorSpec([1], tf.float32),
        }
    )
    return tfgnn.GraphTensorSpec.from_piece_specs(
        context_spec=context, node_sets_spec=plain.node_sets_spec, edge_sets_spec=plain.edge_sets_spec
    )


def _labelled(population: Population, member: int, number: int, target: float) -> tfgnn.GraphTensor:
    import tensorflow as tf

    graph = population.structure(member).graph_tensor(population.flat(member))
    context = {
        NUMBER: tf.constant([number], tf.int64),
        accuracy.TARGET_COLUMN: tf.constant([target], tf.float32),
    }
    return graph.replace_features(context=context)
