"""Batches of networks as GraphTensors: concatenated, filled by one gather each, padded to fixed sizes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.graph import schema
from gmn_tf.graph.tensor import assemble
from gmn_tf.training.plan import Batch, Budget, Planner
from gmn_tf.training.population import Population

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

_NODE_COLUMNS = (schema.TYPE, schema.LAYER, schema.INDEX, schema.ACTIVATION, schema.DEPTH)
_EDGE_COLUMNS = (
    schema.SOURCE,
    schema.TARGET,
    schema.TYPE,
    schema.LAYER,
    schema.DEPTH,
    schema.KERNEL_POSITION,
    schema.ENTRY_POSITION,
)
_SIZES = "sizes"
_VIEW = 2**31  # more than any variant that a planner names

PLACES, ARCHITECTURE = "places", "architecture"
"""Where the edges' values lie in flat weights, beside the graph: it is not for the metanetwork to see."""

Columns = dict[str, dict[str, np.ndarray]]
"""Columns of a batch: {"nodes": {..., "sizes"}, "edges": {..., "value", "sizes"}}."""


def collate(
    population: Population,
    members: np.ndarray,
    *,
    budget: Budget | None = None,
    variants: np.ndarray | None = None,
    with_slots: bool = False,
) -> Columns:
    """The networks `members` as the columns of one scalar GraphTensor, a component each.

    Args:
        population: where they come from.
        members: int [k], numbers in the population.
        budget: pads to these sizes: components without nodes behind the networks, and a last one that
            holds the padding nodes and edges (all labels 0, values 0). `None` adds nothing.
        variants: int [k], which variant of each network; by default the networks themselves.
        with_slots: adds {PLACES: {"slot": int32 [edges, channels], the place of each value in its network's
            flat weights, negative where there is none; "architecture": int32 [components], the number
            that the networks' zoo gives their architecture}}.
    """
    structures = [population.structure(int(member)) for member in members]
    node_sizes = np.array([s.num_nodes for s in structures], np.int32)
    edge_sizes = np.array([s.num_edges for s in structures], np.int32)
    nodes = {name: np.concatenate([s.nodes[name] for s in structures]) for name in _NODE_COLUMNS}
    edges = {name: np.concatenate([s.edges[name] for s in structures]) for name in _EDGE_COLUMNS}
    offsets = np.repeat(np.cumsum(node_sizes, dtype=np.int32) - node_sizes, edge_sizes)
    edges[schema.SOURCE] = edges[schema.SOURCE] + offsets
    edges[schema.TARGET] = edges[schema.TARGET] + offsets
    chosen = np.zeros(len(members), int) if variants is None else variants
    edges[schema.VALUE] = np.concatenate(population.values(members, variants=variants))
    places = {}
    if with_slots:
        parts = [s.slots[int(v) % s.num_variants] for s, v in zip(structures, chosen, strict=True)]
        places = {schema.SLOT: np.concatenate(parts), ARCHITECTURE: population.architectures[members]}
    if budget is not None:
        total = int(node_sizes.sum())
        nodes = {name: _pad(column, budget.nodes, 0) for name, column in nodes.items()}
        ends = (schema.SOURCE, schema.TARGET)  # padding edges join the first padding node
        edges = {
            name: _pad(column, budget.edges, total if name in ends else 0) for name, column in edges.items()
        }
        node_sizes = _pad_sizes(node_sizes, budget.components, budget.nodes)
        edge_sizes = _pad_sizes(edge_sizes, budget.components, budget.edges)
        if places:
            places = {
                schema.SLOT: _pad(places[schema.SLOT], budget.edges, schema.NO_SLOT),
                ARCHITECTURE: _pad(places[ARCHITECTURE], budget.components, 0),
            }
    return {
        schema.NODE_SET: {**nodes, _SIZES: node_sizes},
        schema.EDGE_SET: {**edges, _SIZES: edge_sizes},
        **({PLACES: places} if places else {}),
    }


def to_graph_tensor(columns: Any) -> tfgnn.GraphTensor:
    """The GraphTensor of `collate`'s columns, numpy arrays or tensors."""
    nodes, edges = dict(columns[schema.NODE_SET]), dict(columns[schema.EDGE_SET])
    node_sizes, edge_sizes = nodes.pop(_SIZES), edges.pop(_SIZES)
    return assemble(nodes, edges, edges.pop(schema.VALUE), node_sizes=node_sizes, edge_sizes=edge_sizes)


def batches(population: Population, *, batch_size: int) -> Iterator[tfgnn.GraphTensor]:
    """All networks in order, `batch_size` at a time, without padding: for adapting and predicting."""
    for start in range(0, len(population), batch_size):
        members = np.arange(start, min(start + batch_size, len(population)))
        yield to_graph_tensor(collate(population, members))


def training_dataset(
    population: Population,
    targets: np.ndarray,
    planner: Planner,
    budget: Budget,
    *,
    first_epoch: int = 0,
    with_slots: bool = False,
    views: int = 1,
    replicas: range | None = None,
) -> tf.data.Dataset:
    """Endless batches, epoch after epoch from `first_epoch`, as (GraphTensor, target, weight).

    Args:
        population: the training networks.
        targets: float [n, ...].
        planner: which networks go where.
        budget: padded size of one replica's batch, without views.
        first_epoch: number of the first epoch; `planner.steps` global batches later the next begins.
        with_slots: (GraphTensor, places) in the GraphTensor's place, see `collate`.
        views: how often each network is in its batch, each time as another variant; first all once, then
            all again.
        replicas: the replicas this dataset feeds (default: all). Each global batch gives one element per
            replica, in order.

    Returns:
        A dataset of GraphTensors with `views * (budget.components - 1) + 1` components; target float32
        [components, 1], or [components, ...] where targets have more axes; weight float32 [components]:
        1 / (networks in the global batch * views) for a network and 0 for padding.
    """
    import tensorflow as tf

    budget = budget.times(views)

    fed = range(planner.replicas) if replicas is None else replicas
    targets = np.asarray(targets, np.float32)
    targets = targets.reshape(len(targets), *(targets.shape[1:] or (1,)))
    epoch = functools.lru_cache(maxsize=2)(planner.epoch)
    variants = functools.lru_cache(maxsize=2)(planner.variants)

    def element(position: int) -> tuple[Columns, np.ndarray, np.ndarray]:
        step, replica = divmod(int(position), len(fed))
        number, step = divmod(step, planner.steps)
        number += first_epoch
        batch = epoch(number)[step]
        return _element(
            population,
            targets,
            batch,
            fed[replica],
            budget,
            variants(number),
            with_slots=with_slots,
            views=views,
        )

    like = element(0)
    types = [array.dtype for array in tf.nest.flatten(like)]

    def load(position: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        # One call for all columns: `from_generator` takes four times as long for the same arrays.
        arrays = tf.numpy_function(lambda i: tf.nest.flatten(element(i)), [position], types)
        for array, example in zip(arrays, tf.nest.flatten(like), strict=True):
            array.set_shape(example.shape)
        columns, target, weight = tf.nest.pack_sequence_as(like, arrays)
        graph = to_graph_tensor(columns)
        return (graph, columns[PLACES]) if with_slots else graph, target, weight

    return tf.data.Dataset.counter().map(load).prefetch(4)


def distributed_dataset(
    strategy: tf.distribute.Strategy,
    population: Population,
    targets: np.ndarray,
    planner: Planner,
    budget: Budget,
    *,
    first_epoch: int = 0,
    with_slots: bool = False,
    views: int = 1,
) -> Any:
    """`training_dataset` under a strategy: every replica gets its part of the same global batches."""

    def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
        share = planner.replicas // context.num_input_pipelines
        first = context.input_pipeline_id * share
        return training_dataset(
            population,
            targets,
            planner,
            budget,
            first_epoch=first_epoch,
            with_slots=with_slots,
            views=views,
            replicas=range(first, first + share),
        )

    return strategy.distribute_datasets_from_function(make)


def _element(
    population: Population,
    targets: np.ndarray,
    batch: Batch,
    replica: int,
    budget: Budget,
    variants: np.ndarray,
    *,
    with_slots: bool,
    views: int,
) -> tuple[Columns, np.ndarray, np.ndarray]:
    members = np.tile(batch[replica], views)
    chosen = variants[members] + np.repeat(np.arange(views), len(batch[replica])) * _VIEW
    target = np.zeros((budget.components, *targets.shape[1:]), np.float32)
    weight = np.zeros(budget.components, np.float32)
    target[: len(members)] = targets[members]
    weight[: len(members)] = 1.0 / (views * sum(len(part) for part in batch))
    if not len(members):
        return _empty(population, budget, with_slots=with_slots), target, weight
    columns = collate(population, members, budget=budget, variants=chosen, with_slots=with_slots)
    return columns, target, weight


def _empty(population: Population, budget: Budget, *, with_slots: bool) -> Columns:
    """A batch of padding alone, for a replica that a short global batch leaves without networks."""
    like = collate(population, np.arange(1), budget=None, with_slots=with_slots)
    places = like.pop(PLACES, {})
    if places:
        places = {
            schema.SLOT: _pad(places[schema.SLOT][:0], budget.edges, schema.NO_SLOT),
            ARCHITECTURE: np.zeros(budget.components, np.int32),
        }
    blank = {
        kind: {name: column[:0] for name, column in columns.items() if name != _SIZES}
        for kind, columns in like.items()
    }
    none = np.zeros(0, np.int32)
    rows = {schema.NODE_SET: budget.nodes, schema.EDGE_SET: budget.edges}
    empty = {
        kind: {
            **{name: _pad(column, rows[kind], 0) for name, column in columns.items()},
            _SIZES: _pad_sizes(none, budget.components, rows[kind]),
        }
        for kind, columns in blank.items()
    }
    return {**empty, PLACES: places} if places else empty


def _pad(column: np.ndarray, rows: int, fill: int) -> np.ndarray:
    padded = np.full((rows, *column.shape[1:]), fill, column.dtype)
    padded[: len(column)] = column
    return padded


def _pad_sizes(sizes: np.ndarray, components: int, total: int) -> np.ndarray:
    padded = np.zeros(components, np.int32)
    padded[: len(sizes)] = sizes
    padded[-1] = total - sizes.sum()
    return padded
