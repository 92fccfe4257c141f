"""Records are read back equal, by our reader and by TF-GNN's own from the schema on disk."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import RunError, ZooError
from gmn_tf.tasks import accuracy
from gmn_tf.training.population import Population
from gmn_tf.training.records import NUMBER, SCHEMA, read_records, write_records


@pytest.mark.parametrize("channels", [1, 9])
def test_read_back_equal(zoo, tmp_path, channels):
    indices = zoo.indices("validation")[::-1]
    shards = write_records(zoo, indices, tmp_path / "records", shards=2, channels=channels)
    assert [shard.name for shard in shards] == [f"networks-0000{i}-of-00002.tfrecord" for i in range(2)]
    population = Population.from_zoo(zoo, indices, channels=channels)
    found = {int(graph.context[NUMBER][0]): graph for graph in read_records(tmp_path / "records")}
    assert sorted(found) == sorted(indices)
    for member, number in enumerate(indices):
        graph = found[int(number)]
        assert float(graph.context[accuracy.TARGET_COLUMN][0]) == pytest.approx(
            float(zoo.table["test_accuracy"][number])
        )
        expected = population.structure(member).graph_tensor(population.flat(member))
        plain = graph.remove_features(context=[NUMBER, accuracy.TARGET_COLUMN])
        for ours, theirs in zip(
            tf.nest.flatten(expected, expand_composites=True),
            tf.nest.flatten(plain, expand_composites=True),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_any_tfgnn_reader_can_read_them(zoo, tmp_path):
    (shard,) = write_records(zoo, zoo.indices("test"), tmp_path / "records")
    spec = tfgnn.create_graph_spec_from_schema_pb(tfgnn.read_schema(str(tmp_path / "records" / SCHEMA)))
    graphs = [tfgnn.parse_single_example(spec, record) for record in tf.data.TFRecordDataset(str(shard))]
    assert len(graphs) == len(zoo.indices("test"))
    tfgnn.check_homogeneous_graph_tensor(graphs[0])


def test_nothing_half_written_and_refusals(zoo, tmp_path):
    folder = tmp_path / "records"
    with pytest.raises(ZooError, match="empty"):
        write_records(zoo, np.array([], int), folder)
    with pytest.raises(RunError, match="shards=0"):
        write_records(zoo, zoo.indices("test"), folder, shards=0)
    assert not list(tmp_path.iterdir())
    folder.mkdir()
    with pytest.raises(RunError, match="exists already"):
        write_records(zoo, zoo.indices("test"), folder)
    with pytest.raises(ZooError, match="holds no records"):
        read_records(folder)
