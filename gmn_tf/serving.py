"""What a SavedModel serves: accuracies and distances, or edited weights, from tensors and from tf.Examples.

Apart from the metanetwork itself these are plain TensorFlow operations, and only functions and variables
are kept: a process that has neither gmn_tf nor tensorflow_gnn can load and call them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.graph.tensor import assemble
from gmn_tf.serving_bundles import bundle
from gmn_tf.training_distance import DistanceFunction, TrainingDistance, answer_and_features

SERVING_DEFAULT = "serving_default"
RAW = "raw"
EXAMPLES = "examples"
OUTPUT = "accuracy"
DISTANCE = "distance"
EDITED = "edited"
PROBABILITIES = "probabilities"
WEIGHTS = "weights"

NODE_SIZES = "node_sizes"
EDGE_SIZES = "edge_sizes"

_NODES = (schema.TYPE, schema.LAYER, schema.INDEX, schema.ACTIVATION, schema.DEPTH)
_INCIDENCE = (schema.SOURCE, schema.TARGET)
_EDGES = (
    schema.TYPE,
    schema.LAYER,
    schema.DEPTH,
    schema.KERNEL_POSITION,
    schema.ENTRY_POSITION,
    schema.VALUE,
)
_POSITIONS = (schema.KERNEL_POSITION, schema.ENTRY_POSITION)


def node_input(name: str) -> str:
    """Name of the raw signature's input for a node column."""
    return f"node_{name}"


def edge_input(name: str) -> str:
    """Name of the raw signature's input for an edge column, sources, targets and values included."""
    return f"edge_{name}"


def raw_specs() -> dict[str, tf.TensorSpec]:
    """Inputs of the raw signature: a batch of networks as one graph, their sizes beside it.

    N nodes and E edges in all, networks in order; `edge_source` and `edge_target` count nodes over the whole
    batch; `node_sizes` and `edge_sizes` are int32 [number of networks]. `edge_value` is [E, 1], one edge per
    parameter, or [E, channels], bundled as for training.
    """
    specs = {node_input(name): _spec(name) for name in _NODES}
    specs |= {edge_input(name): _spec(name) for name in _INCIDENCE + _EDGES}
    specs |= {name: tf.TensorSpec([None], tf.int32) for name in (NODE_SIZES, EDGE_SIZES)}
    return {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()}


def _spec(name: str) -> tf.TensorSpec:
    dtype = tf.float32 if name in (schema.DEPTH, schema.VALUE) else tf.int32
    if name in _POSITIONS:
        return tf.TensorSpec([None, schema.POSITION_SIZE], dtype)
    return tf.TensorSpec([None, None] if name == schema.VALUE else [None], dtype)


class Server(tf.Module):
    """The functions `raw` and `serving_default` of a metanetwork, with its variables.

    Args:
        model: a built metanetwork. It is called, never kept: an object graph with a Keras model on
            GraphTensors in it loads only where tensorflow_gnn is installed.
        answer: from a scalar GraphTensor to the outputs by name.
        tables: what else `answer` reads variables of, kept with the metanetwork's.
    """

    def __init__(
        self,
        model: Any,
        answer: Callable[[tfgnn.GraphTensor], dict[str, tf.Tensor]],
        *,
        tables: tf.Module | None = None,
    ) -> None:
        super().__init__(name="server")
        self.metanetwork_variables = list(model.variables)
        self.tables = tables

        def raw(**columns: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.control_dependencies(_checks(columns)):
                columns = {name: tf.identity(column) for name, column in columns.items()}
            edges = {name: columns[edge_input(name)] for name in _INCIDENCE + _EDGES}
            edges, edge_sizes = _with_channels(edges, columns[EDGE_SIZES], channels=model.num_channels)
            graph = assemble(
                {name: columns[node_input(name)] for name in _NODES},
                edges,
                edges[schema.VALUE],
                node_sizes=columns[NODE_SIZES],
                edge_sizes=edge_sizes,
            )
            return answer(graph)

        self.raw = tf.function(raw).get_concrete_function(**raw_specs())

        def serving_default(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return self.raw(**_parse(examples))

        self.serving_default = tf.function(serving_default).get_concrete_function(
            tf.TensorSpec([None], tf.string, name=EXAMPLES)
        )

    @property
    def signatures(self) -> dict[str, Any]:
        """Signature name to concrete function, as `tf.saved_model.save` takes them."""
        return {SERVING_DEFAULT: self.serving_default, RAW: self.raw}


class AccuracyServer(Server):
    """The functions of an accuracy metanetwork.

    Args:
        model: a built `GraphMetanetwork` with one logit per network, see `Server`.
        distance: how far networks lie from the training networks; `None` serves accuracies alone.
    """

    def __init__(self, model: Any, *, distance: TrainingDistance | None = None) -> None:
        told = None if distance is None else DistanceFunction(distance)

        def answer(graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor]:
            if told is None:
                return {OUTPUT: tf.sigmoid(model(graph, training=False)[:, 0])}
            logits, features = answer_and_features(model, graph)
            return {OUTPUT: tf.sigmoid(logits[:, 0]), DISTANCE: told(features)}

        super().__init__(model, answer, tables=told)


class ClassServer(Server):
    """The functions of a classifier: a probability per class, of whole networks too if it knows one.

    Beside the signatures of `Server`, whose output is `PROBABILITIES`, float32 [B, classes], there is
    `WEIGHTS` where an architecture is told: flat weights [B, P] in the order of `model.get_weights()` to the
    same outputs.

    Args:
        model: a built metanetwork with a logit per class, see `Server`.
        distance: how far networks lie from the training networks; `None` leaves it out.
        structure: of an architecture, a `gmn_tf.training.structure.Structure` with the metanetwork's
            channels; None leaves `WEIGHTS` out.
    """

    def __init__(
        self, model: Any, *, distance: TrainingDistance | None = None, structure: Any = None
    ) -> None:
        told = None if distance is None else DistanceFunction(distance)

        def answer(graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor]:
            if told is None:
                return {PROBABILITIES: tf.nn.softmax(model(graph, training=False))}
            logits, features = answer_and_features(model, graph)
            return {PROBABILITIES: tf.nn.softmax(logits), DISTANCE: told(features)}

        super().__init__(model, answer, tables=told)
        self.weights = None
        if structure is not None:
            spec = tf.TensorSpec([None, structure.num_weights], tf.float32, name=WEIGHTS)
            of_weights = tf.function(lambda weights: self.raw(**columns_of(structure, weights)))
            self.weights = of_weights.get_concrete_function(spec)

    @property
    def signatures(self) -> dict[str, Any]:
        own = super().signatures
        return own if self.weights is None else {**own, WEIGHTS: self.weights}


class EditServer(Server):
    """The functions of an editor: the edited values of all edges, and of whole networks if it knows one.

    Beside the signatures of `Server`, whose output is `EDITED`, float32 [E, 1] in the order of the edges
    given, there is `WEIGHTS` where an architecture is told: flat weights [B, P] in the order of
    `model.get_weights()` to edited ones.

    Args:
        model: a built metanetwork with one answer per edge and one value per edge.
        structure: of an architecture each of whose weights is on one edge, a
            `gmn_tf.training.structure.Structure` of 1 channel; None leaves `WEIGHTS` out.
    """

    def __init__(self, model: Any, *, structure: Any = None) -> None:
        def answer(graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor]:
            return {EDITED: graph.edge_sets[schema.EDGE_SET][schema.VALUE] + model(graph, training=False)}

        super().__init__(model, answer)
        self.weights = None if structure is None else self._of_weights(structure)

    def _of_weights(self, structure: Any) -> Any:
        slots = structure.slots[0, :, 0]
        edge_of_slot = np.argsort(slots, kind="stable")[int(np.sum(slots < 0)) :]
        if not np.array_equal(slots[edge_of_slot], np.arange(structure.num_weights)):
            raise SchemaError("received an architecture some of whose weights are not on one edge each")

        def weights(weights: tf.Tensor) -> dict[str, tf.Tensor]:
            edited = self.raw(**columns_of(structure, weights))[EDITED]
            edited = tf.reshape(edited, [-1, structure.num_edges])
            return {WEIGHTS: tf.gather(edited, edge_of_slot, axis=1)}

        spec = tf.TensorSpec([None, structure.num_weights], tf.float32, name=WEIGHTS)
        return tf.function(weights).get_concrete_function(spec)

    @property
    def signatures(self) -> dict[str, Any]:
        own = super().signatures
        return own if self.weights is None else {**own, WEIGHTS: self.weights}


def columns_of(structure: Any, weights: tf.Tensor) -> dict[str, tf.Tensor]:
    """Inputs of the raw signature for B networks of one architecture.

    Args:
        structure: `gmn_tf.training.structure.Structure` of the architecture.
        weights: flat weights float32 [B, P].
    """
    count, slots = tf.shape(weights)[0], structure.slots[0]  # [E, channels]
    ends = tf.ones_like(weights[:, :1])
    table = tf.concat([weights, ends * schema.PARAMETERLESS_VALUE, ends * 0.0], axis=1)
    places = np.where(slots == schema.NO_SLOT, structure.num_weights, slots)
    places = np.where(slots < schema.NO_SLOT, structure.num_weights + 1, places)  # a channel without a value
    columns = {
        node_input(name): tf.tile(tf.constant(column), [count]) for name, column in structure.nodes.items()
    }
    first = tf.repeat(tf.range(count) * structure.num_nodes, structure.num_edges)
    for name, column in structure.edges.items():
        tiled = tf.tile(tf.constant(column), [count] + [1] * (column.ndim - 1))
        columns[edge_input(name)] = tiled + first if name in (schema.SOURCE, schema.TARGET) else tiled
    values = tf.gather(table, places, axis=1)  # [B, E, channels]
    columns[edge_input(schema.VALUE)] = tf.reshape(values, [-1, slots.shape[1]])
    columns[NODE_SIZES] = tf.fill([count], structure.num_nodes)
    columns[EDGE_SIZES] = tf.fill([count], structure.num_edges)
    return columns


def _with_channels(
    edges: dict[str, tf.Tensor], edge_sizes: tf.Tensor, *, channels: int
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """The edges with as many values as the metanetwork reads: bundled, unless they already are."""
    given = tf.shape(edges[schema.VALUE])[1]
    if channels == 1:
        fits = tf.debugging.assert_equal(given, 1, message="edge_value must have one value per edge")
        with tf.control_dependencies([fits] if fits is not None else []):
            value = tf.ensure_shape(tf.identity(edges[schema.VALUE]), [None, 1])
        return {**edges, schema.VALUE: value}, edge_sizes

    def plain() -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        fits = tf.debugging.assert_equal(
            given, 1, message=f"edge_value must have 1 or {channels} values per edge"
        )
        with tf.control_dependencies([fits] if fits is not None else []):
            return bundle(
                {name: tf.identity(column) for name, column in edges.items()}, edge_sizes, channels=channels
            )

    columns, sizes = tf.cond(given == channels, lambda: (dict(edges), edge_sizes), plain)
    columns[schema.VALUE] = tf.ensure_shape(columns[schema.VALUE], [None, channels])
    for name in _POSITIONS:
        columns[name] = tf.ensure_shape(columns[name], [None, schema.POSITION_SIZE])
    return columns, sizes


def _checks(columns: dict[str, tf.Tensor]) -> list[tf.Operation]:
    """Operations that fail, saying why, when the sizes do not fit the columns."""
    nodes = tf.shape(columns[node_input(schema.TYPE)])[0]
    edges = tf.shape(columns[edge_input(schema.TYPE)])[0]
    checks = [
        tf.debugging.assert_equal(
            tf.reduce_sum(columns[sizes]), count, message=f"{sizes} must add up to the rows of the columns"
        )
        for sizes, count in ((NODE_SIZES, nodes), (EDGE_SIZES, edges))
    ]
    for names, count in ((map(node_input, _NODES), nodes), (map(edge_input, _INCIDENCE + _EDGES), edges)):
        checks += [
            tf.debugging.assert_equal(
                tf.shape(columns[name])[0], count, message=f"{name} has another number of rows than its kin"
            )
            for name in names
        ]
    checks += [
        tf.debugging.assert_less(
            columns[edge_input(name)], nodes, message=f"{edge_input(name)} names a node that is not there"
        )
        for name in _INCIDENCE
    ]
    checks += [
        tf.debugging.assert_positive(
            columns[sizes], message=f"{sizes}: a network without any, so no parameter graph"
        )
        for sizes in (NODE_SIZES, EDGE_SIZES)
    ]
    return [check for check in checks if check is not None]


def _parse(examples: tf.Tensor) -> dict[str, tf.Tensor]:
    """Columns of a batch from tf.Examples of one network each, as `tfgnn.write_example` writes them."""

    def key(group: str, name: str) -> str:
        return f"{group}/{schema.NODE_SET if group == tfgnn.NODES else schema.EDGE_SET}.{name}"

    stored = {schema.SOURCE: tfgnn.SOURCE_NAME, schema.TARGET: tfgnn.TARGET_NAME}
    features: dict[str, tf.io.RaggedFeature] = {}
    wanted: dict[str, str] = {}
    for group, prefix, names in (
        (tfgnn.NODES, node_input, _NODES),
        (tfgnn.EDGES, edge_input, _INCIDENCE + _EDGES),
    ):
        for name in names:
            dtype = tf.float32 if name in (schema.DEPTH, schema.VALUE) else tf.int64
            wanted[prefix(name)] = key(group, stored.get(name, name))
            features[wanted[prefix(name)]] = tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int32)
    parsed = tf.io.parse_example(examples, features)
    ragged = {name: parsed[stored_name] for name, stored_name in wanted.items()}

    node_sizes = tf.cast(ragged[node_input(schema.TYPE)].row_lengths(), tf.int32)
    edge_sizes = tf.cast(ragged[edge_input(schema.TYPE)].row_lengths(), tf.int32)
    offsets = tf.repeat(tf.cumsum(node_sizes, exclusive=True), edge_sizes)
    columns: dict[str, tf.Tensor] = {NODE_SIZES: node_sizes, EDGE_SIZES: edge_sizes}
    for name, value in ragged.items():
        flat = value.flat_values
        if name in map(edge_input, _POSITIONS):
            flat = tf.reshape(flat, [-1, schema.POSITION_SIZE])
        elif name == edge_input(schema.VALUE):
            rows = tf.reduce_sum(edge_sizes)
            flat = tf.reshape(flat, [rows, tf.size(flat) // tf.maximum(rows, 1)])
        flat = flat if flat.dtype == tf.float32 else tf.cast(flat, tf.int32)
        columns[name] = flat + offsets if name in map(edge_input, _INCIDENCE) else flat
    return columns
