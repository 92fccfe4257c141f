"""Plans and batches: order, budgets, padding, and equality with graphs built one by one."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import RunError
from gmn_tf.graph import schema
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.tasks import accuracy
from gmn_tf.training import pipeline
from gmn_tf.training.plan import Planner
from gmn_tf.training.population import Population


@pytest.fixture(scope="module", params=[1, 9])
def population(zoo, request):
    return Population.from_zoo(zoo, zoo.indices("train"), channels=request.param)


@pytest.fixture(scope="module")
def targets(zoo):
    return accuracy.targets(zoo.table, zoo.indices("train"))


def test_every_epoch_has_every_network_once_in_another_order():
    planner = Planner(np.random.default_rng(0).integers(10, 500, 103), 8, replicas=2, seed=4)
    epochs = [planner.epoch(number) for number in range(3)]
    for epoch in epochs:
        assert len(epoch) == planner.steps == 13
        members = [int(member) for batch in epoch for part in batch for member in part]
        assert sorted(members) == list(range(103))
        assert all(len(part) <= 4 for batch in epoch for part in batch)
    first, second = (np.concatenate([p for b in epoch for p in b]) for epoch in epochs[:2])
    assert not np.array_equal(first, second)
    again = Planner(planner.edges, 8, replicas=2, seed=4).epoch(1)
    np.testing.assert_array_equal(second, np.concatenate([part for batch in again for part in batch]))


def test_global_batches_do_not_depend_on_replicas():
    edges = np.random.default_rng(1).integers(10, 500, 50)
    for one, two in zip(Planner(edges, 8).epoch(2), Planner(edges, 8, replicas=4).epoch(2), strict=True):
        assert set(one[0].tolist()) == set(np.concatenate(two).tolist())


def test_budget_holds_every_batch_and_wastes_little():
    edges = np.random.default_rng(2).integers(100, 3000, 400)
    planner = Planner(edges, 8)
    budget = planner.budget(np.full(400, 10), epochs=5)
    largest = max(int(edges[part].sum()) for n in range(5) for batch in planner.epoch(n) for part in batch)
    assert largest <= budget.edges < largest + 64
    assert budget.edges < 1.15 * 8 * edges.mean()
    assert budget.nodes > 80 and budget.components == 9


@pytest.mark.parametrize(("batch_size", "replicas"), [(0, 1), (9, 2)])
def test_bad_batch_sizes_are_refused(batch_size, replicas):
    with pytest.raises(RunError, match="batch_size"):
        Planner(np.ones(4, int), batch_size, replicas=replicas)


def test_batch_equals_graphs_built_one_by_one(zoo, population, targets):
    planner = Planner(population.num_edges, 4, seed=1)
    budget = planner.budget(population.num_nodes, epochs=2)
    dataset = pipeline.training_dataset(population, targets, planner, budget)
    for (graph, target, weight), batch in zip(dataset, planner.epoch(0), strict=False):
        nodes, edges = graph.node_sets[schema.NODE_SET], graph.edge_sets[schema.EDGE_SET]
        assert nodes.sizes.shape == edges.sizes.shape == [budget.components]
        assert (int(nodes.total_size), int(edges.total_size)) == (budget.nodes, budget.edges)
        real = len(batch[0])
        np.testing.assert_allclose(target[:real, 0], targets[batch[0]])
        np.testing.assert_allclose(weight, [1 / real] * real + [0.0] * (budget.components - real))
        node_end, edge_end = np.cumsum(nodes.sizes), np.cumsum(edges.sizes)
        for place, member in enumerate(batch[0]):
            alone = population.structure(member).graph_tensor(population.flat(member))
            n0, n1 = node_end[place] - nodes.sizes[place], node_end[place]
            e0, e1 = edge_end[place] - edges.sizes[place], edge_end[place]
            for name, column in alone.node_sets[schema.NODE_SET].features.items():
                np.testing.assert_array_equal(nodes[name][n0:n1], column)
            own = alone.edge_sets[schema.EDGE_SET]
            for name, column in own.features.items():
                np.testing.assert_array_equal(edges[name][e0:e1], column)
            np.testing.assert_array_equal(edges.adjacency.source[e0:e1] - n0, own.adjacency.source)
            np.testing.assert_array_equal(edges.adjacency.target[e0:e1] - n0, own.adjacency.target)
        assert (edges.adjacency.source[edge_end[-2] :].numpy() == node_end[-2]).all()
        assert (edges[schema.VALUE][edge_end[-2] :].numpy() == 0).all()


def test_one_channel_agrees_with_the_parameter_graph(zoo, targets):
    train = zoo.indices("train")
    population = Population.from_zoo(zoo, train)
    graph = ParameterGraph.from_keras(zoo.template(int(zoo.table["architecture"][train[0]])))
    direct = graph.to_graph_tensor(graph.values(zoo.flat(int(train[0]))))
    ours = pipeline.to_graph_tensor(pipeline.collate(population, np.array([0])))
    for found, expected in (
        (ours.node_sets[schema.NODE_SET], direct.node_sets[schema.NODE_SET]),
        (ours.edge_sets[schema.EDGE_SET], direct.edge_sets[schema.EDGE_SET]),
    ):
        assert found.features.keys() == expected.features.keys()
        for name, column in expected.features.items():
            np.testing.assert_array_equal(found[name], column)
        np.testing.assert_array_equal(found.sizes, expected.sizes)
    edges, own = ours.edge_sets[schema.EDGE_SET], direct.edge_sets[schema.EDGE_SET]
    np.testing.assert_array_equal(edges.adjacency.source, own.adjacency.source)
    np.testing.assert_array_equal(edges.adjacency.target, own.adjacency.target)


def test_a_resumed_dataset_goes_on_in_the_same_order(population, targets):
    planner = Planner(population.num_edges, 8, seed=5)
    budget = planner.budget(population.num_nodes, epochs=3)
    whole = pipeline.training_dataset(population, targets, planner, budget)
    rest = pipeline.training_dataset(population, targets, planner, budget, first_epoch=1)
    for (_, expected, _), (_, found, _) in zip(whole.skip(planner.steps).take(6), rest.take(6), strict=True):
        np.testing.assert_array_equal(expected, found)


def test_replicas_share_a_short_batch(population, targets):
    # 9 networks in batches of 8 for 4 replicas: 2 batches; weights count the real ones of the GLOBAL batch.
    few = Population(population.structures, population.kinds[:9], population.flat)
    planner = Planner(few.num_edges, 8, replicas=4)
    budget = planner.budget(few.num_nodes, epochs=1)
    elements = list(pipeline.training_dataset(few, targets[:9], planner, budget).take(8))
    for batch in (elements[:4], elements[4:]):
        weights = np.concatenate([weight for _, _, weight in batch])
        real = int((weights > 0).sum())
        np.testing.assert_allclose(weights[weights > 0], 1 / real)
        assert real in (4, 5)


def test_padding_does_not_change_the_answers(zoo, population):
    from gmn_tf.models.graph_metanetwork import GraphMetanetwork

    channels = population.values(np.array([0]))[0].shape[1]
    model = GraphMetanetwork(1, num_channels=channels, node_dim=4, edge_dim=4, message_dim=4, num_blocks=1)
    planner = Planner(population.num_edges, 4)
    budget = planner.budget(population.num_nodes, epochs=1)
    members = planner.epoch(0)[0][0]
    padded = model(pipeline.to_graph_tensor(pipeline.collate(population, members, budget=budget)))
    plain = model(pipeline.to_graph_tensor(pipeline.collate(population, members)))
    np.testing.assert_allclose(padded[: len(members)], plain, rtol=1e-4, atol=1e-5)
    assert np.isfinite(padded).all()
