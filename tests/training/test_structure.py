"""Structures with and without bundling, against the parameter graph they come from."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import SchemaError, ZooError
from gmn_tf.graph import schema
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.training.population import Population
from gmn_tf.training.structure import Structure


@pytest.fixture(scope="module")
def graphs(zoo):
    return [ParameterGraph.from_keras(zoo.template(a)) for a in range(3)]


def test_one_channel_is_the_parameter_graph(zoo, graphs):
    for architecture, graph in enumerate(graphs):
        structure = Structure.of(graph)
        flat = zoo.flat(16 * architecture)
        np.testing.assert_array_equal(structure.values(flat)[:, 0], graph.values(flat))
        np.testing.assert_array_equal(structure.edges[schema.SOURCE], graph.edges[schema.SOURCE])
        assert structure.nodes[schema.DEPTH].max() <= 1


def test_bundles_by_hand(graphs):
    # Conv 3 x 3 from 1 to 2 channels: 18 weights in 2 edges. Flatten of 2 x 2 places, Dense(2): 16 weights,
    # each channel's 4 places are 4 values of one edge: 4 edges.
    structure = Structure.of(graphs[0], channels=9)
    counts = {
        int(kind): int((structure.edges[schema.TYPE] == kind).sum())
        for kind in np.unique(structure.edges[schema.TYPE])
    }
    assert counts[schema.EdgeType.CONV] == 2
    assert counts[schema.EdgeType.LINEAR] == 4
    assert (structure.slots[0][structure.edges[schema.TYPE] == schema.EdgeType.CONV] >= 0).all()
    # The kernel is (3, 3, 1, 2): tap (i, j) of output channel o has slot 6 i + 2 j + o.
    conv = np.sort(structure.slots[0][structure.edges[schema.TYPE] == schema.EdgeType.CONV], axis=0)
    np.testing.assert_array_equal(conv, [2 * np.arange(9), 2 * np.arange(9) + 1])
    # A 5 x 5 kernel takes the four tiles 3 x 3, 3 x 2, 2 x 3, 2 x 2 for each of the 3 x 3 channel pairs.
    wide = Structure.of(graphs[1], channels=9)
    tiled = wide.edges[schema.KERNEL_POSITION][:, 0] == 1
    assert tiled.sum() == 2 * 9
    assert sorted({int((row >= 0).sum()) for row in wide.slots[0][tiled]}) == [4, 6]


@pytest.mark.parametrize("channels", [1, 2, 4, 9])
def test_bundling_keeps_every_weight_once(graphs, channels):
    for graph in graphs:
        structure = Structure.of(graph, channels=channels)
        carried = np.sort(structure.slots[structure.slots >= 0])
        np.testing.assert_array_equal(
            carried, np.sort(graph.edges[schema.SLOT][graph.edges[schema.SLOT] >= 0])
        )
        assert structure.num_edges <= graph.num_edges


def test_bundled_metanetwork_is_invariant_to_permuted_channels(zoo):
    from gmn_tf.models.graph_metanetwork import GraphMetanetwork

    template = zoo.template(1)
    first, second = template.layers[1], template.layers[2]
    template.set_weights(zoo.weights(16))
    weights = template.get_weights()
    order = [2, 0, 1]
    permuted = [weights[0][..., order], weights[1][order], weights[2][:, :, order], *weights[3:]]
    assert [w.shape for w in permuted] == [w.shape for w in weights]
    assert (first.filters, second.filters) == (3, 3)
    structure = Structure.of(ParameterGraph.from_keras(template), channels=9)
    model = GraphMetanetwork(1, num_channels=9, node_dim=8, edge_dim=8, message_dim=8, num_blocks=2)
    flats = [np.concatenate([w.ravel() for w in arrays]) for arrays in (weights, permuted, weights)]
    flats[2] = flats[2][::-1].copy()
    same, moved, other = (float(model(structure.graph_tensor(flat))[0, 0]) for flat in flats)
    assert moved == pytest.approx(same, rel=1e-5, abs=1e-6)
    assert abs(other - same) > 1e-5


def test_other_architectures_and_bad_weights_are_refused(zoo, graphs):
    structure = Structure.of(graphs[0])
    with pytest.raises(SchemaError, match="another architecture"):
        structure.values(zoo.flat(20))
    flat = np.array(zoo.flat(0))
    flat[3] = np.inf
    with pytest.raises(ZooError, match="network 1"):
        Population.from_graphs([(graphs[0], zoo.flat(0)), (graphs[0], flat)])
    with pytest.raises(ZooError, match="empty split"):
        Population.from_zoo(zoo, np.array([], int))
    with pytest.raises(ZooError, match="no networks"):
        Population.from_graphs([])


def test_nan_in_a_zoo_names_the_network(zoo_path, tmp_path):
    import shutil

    from gmn_tf.zoo import files
    from gmn_tf.zoo.store import Zoo

    folder = tmp_path / "zoo"
    shutil.copytree(zoo_path, folder)
    weights = np.load(folder / files.weights_file(1))
    weights[2, 5] = np.nan
    np.save(folder / files.weights_file(1), weights)
    manifest = files.read_json(folder / files.MANIFEST)
    manifest["files"][files.weights_file(1)] = files.fingerprint(folder / files.weights_file(1))
    files.write_json(folder / files.MANIFEST, manifest)
    broken = Zoo.load(folder)
    with pytest.raises(ZooError, match="network 18"):
        Population.from_zoo(broken, broken.indices("train"))
