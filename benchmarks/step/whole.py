"""The public path: `GraphMetanetwork`, `compile`, `fit` on the padded pipeline; and its parts alone."""

from __future__ import annotations

import gmn_tf  # isort: skip

import numpy as np
import tensorflow as tf

from benchmarks.step import parameters
from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import BATCHES, Problem, parameter_graph
from gmn_tf.tasks import accuracy
from gmn_tf.training import pipeline
from gmn_tf.training.plan import Budget, Planner
from gmn_tf.training.population import Population

KERNEL_CHANNELS = 9
"""Values on a bundled edge: the taps of a 3 x 3 kernel."""


class Inputs:
    """The population of the problem's networks and its padded batches."""

    def __init__(self, problem: Problem, *, channels: int) -> None:
        graph = parameter_graph(_small_cnn_channels(problem))
        networks = [(graph, flat) for flat in problem.flat]
        self.population = Population.from_graphs(networks, channels=channels)
        self._targets = np.resize(problem.labels[:, 0], len(networks))
        self._planner = Planner(self.population.num_edges, problem.num_networks)
        self._budget = self._planner.budget(self.population.num_nodes, epochs=1)

    def dataset(self) -> tf.data.Dataset:
        return pipeline.training_dataset(self.population, self._targets, self._planner, self._budget)


class Whole:
    """A compiled metanetwork and its batches; a `worker.Run` whose unit is one call of `fit`.

    A unit is an epoch, so it starts the pipeline anew and waits for its first batch: an epoch of a real
    training is longer and does so less often.
    """

    steps = BATCHES

    def __init__(self, problem: Problem, *, channels: int) -> None:
        self.inputs = Inputs(problem, channels=channels)
        self.model = gmn_tf.GraphMetanetwork(
            1,
            num_blocks=problem.num_blocks,
            node_dim=problem.width,
            edge_dim=problem.width,
            message_dim=problem.width,
            directions="forward",
            num_channels=channels,
        )
        self.model.adapt(pipeline.batches(self.inputs.population, batch_size=problem.num_networks))
        adam = tf.keras.optimizers.Adam(
            parameters.LEARNING_RATE, epsilon=parameters.ADAM_EPSILON, jit_compile=True
        )
        self.model.compile(adam, accuracy.loss(), jit_compile=True)
        self._dataset = self.inputs.dataset()

    def unit(self) -> None:
        self.model.fit(self._dataset, steps_per_epoch=self.steps, verbose=0)

    def first(self) -> Arrays:
        """The padded, compiled batch's answers, and each network's own, one at a time and not compiled."""
        population = self.inputs.population
        members = np.arange(min(4, len(population)))
        budget = Budget(
            nodes=int(population.num_nodes[members].sum()) + 3,
            edges=int(population.num_edges[members].sum()) + 5,
            components=len(members) + 1,
        )
        batch = pipeline.to_graph_tensor(pipeline.collate(population, members, budget=budget))
        compiled = tf.function(lambda graph: self.model(graph, training=False), jit_compile=True)
        together = compiled(batch)[: len(members)].numpy()
        alone = [self._alone(int(member)) for member in members]
        self.unit()
        return {"answer": together, "reference": np.concatenate(alone)}

    def _alone(self, member: int) -> np.ndarray:
        population = self.inputs.population
        graph = population.structure(member).graph_tensor(population.flat(member))
        return self.model(graph, training=False).numpy()


class Step(Whole):
    """The train step alone, on a batch that stays where it is; a `worker.Run`."""

    steps = 1

    def __init__(self, problem: Problem, *, channels: int) -> None:
        super().__init__(problem, channels=channels)
        element = next(iter(self._dataset))
        self._function = self.model.make_train_function()
        self._batch = iter(tf.data.Dataset.from_tensors(element).repeat())

    def unit(self) -> None:
        tf.nest.flatten(self._function(self._batch))[0].numpy()


class Pipeline:
    """The padded batches, drawn and dropped; a `worker.Run`."""

    steps = 2 * BATCHES

    def __init__(self, problem: Problem) -> None:
        self.inputs = Inputs(problem, channels=1)
        self._dataset = self.inputs.dataset()
        self._values = int(problem.edge_sizes.sum())

    def unit(self) -> None:
        for graph, _, _ in self._dataset.take(self.steps):
            graph.edge_sets["edges"]["value"].numpy()

    def first(self) -> Arrays:
        """Which values a batch holds, beside those of the networks it was drawn from."""
        graph, _, _ = next(iter(self._dataset))
        members = self.inputs._planner.epoch(0)[0][0]
        values = np.concatenate(self.inputs.population.values(members))
        drawn = graph.edge_sets["edges"]["value"].numpy()[: self._values]
        return {"answer": drawn, "reference": values}


def _small_cnn_channels(problem: Problem) -> int:
    """c of the networks 1-c-c-c-10, from how many weights they have: 18 c^2 + 22 c + 10."""
    size = problem.flat.shape[1]
    return next(c for c in range(1, 1000) if 18 * c * c + 22 * c + 10 >= size)


def fit(problem: Problem) -> Whole:
    """`compile(jit_compile=True)` and `fit`."""
    return Whole(problem, channels=1)


def bundled(problem: Problem) -> Whole:
    """The same on graphs with one edge per channel pair, which carries the taps of its kernel."""
    return Whole(problem, channels=KERNEL_CHANNELS)


def step(problem: Problem) -> Step:
    """The function that `fit` calls for each batch."""
    return Step(problem, channels=1)


def pipeline_alone(problem: Problem) -> Pipeline:
    """What `fit` draws its batches from."""
    return Pipeline(problem)
