"""FlatMLP: an MLP on the flattened weights, the baseline "mlp" that knows no symmetry."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.weight_lists import weight_vectors
from gmn_tf.models.arguments import arguments
from gmn_tf.models.baseline import PooledBaseline, head


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class FlatMLP(PooledBaseline):
    """An MLP from all weights of a network at once, as Zhou et al. 2023 (section 4.3) compare NFNs with.

    The weights are flattened variable by variable (`gmn_tf.layers.weight_lists.weight_vectors`), normalised
    by type and layer as those of the other models, and filled up with zeros to `length`:

        h = ReLU(Linear(...ReLU(Linear(weights))))                  num_layers of them
        answer per edge = entry of Linear(h) at the edge's weight   ("edge")
        answer = MLP(h)                                             ("graph")

    Reordering a network's neurons changes its answers; the order in which the edges are stored does not.

    Args:
        units: width of the answer.
        output: "graph" or "edge", as of `GraphMetanetwork`.
        num_channels: channels of the edge feature `value`.
        length: weights that are read of a network, and answered for; a network has fewer or more (cut, with
            answers 0 beyond, and `adapt` warns).
        hidden_dim, num_layers: width and number of the layers.
        dropout_rate: of the MLP behind them, for "graph".
        initial_step: as of `GraphMetanetwork`.
        max_layers: room for layers in the normalisation.

    Call arguments and returns: as of `GraphMetanetwork`, float32 [num_components, units] or
    [num_edges, units].

    Example:
        model = FlatMLP(1, output="edge", length=1185, initial_step=0.1)
        model.adapt(training_graphs)
        change = model(graph)
    """

    limit_name = "length"
    answers_per_edge = True

    def __init__(
        self,
        units: int = 1,
        *,
        output: str = "graph",
        num_channels: int = 1,
        length: int = 1280,
        hidden_dim: int = 32,
        num_layers: int = 3,
        dropout_rate: float = 0.3,
        initial_step: float | None = None,
        max_layers: int = 64,
        **kwargs: Any,
    ) -> None:
        settings = arguments(locals())
        super().__init__(settings=settings, **kwargs)
        for name in ("length", "hidden_dim", "num_layers"):
            if settings[name] < 1:
                raise SchemaError(f"received {name}={settings[name]}, expected 1 or more")
        self.length = length
        dense = tf.keras.layers.Dense
        self._hidden = [dense(hidden_dim, "relu", name=f"hidden_{i}") for i in range(num_layers)]
        if self.per_edge:
            self._changes = dense(length, name="changes")
        else:
            self._head = head(units, hidden_dim=hidden_dim, dropout_rate=dropout_rate)
        self.create_weights()

    def call(self, graph: tfgnn.GraphTensor, training: bool | None = None) -> tf.Tensor:
        if not self.per_edge:
            return self._head(self.pooled(graph), training=training)
        vectors = weight_vectors(graph, self.normalised(graph), length=self.length)
        changes = tf.reshape(self._changes(self._states(vectors.values)), [-1])
        changes = tf.gather(tf.concat([changes, tf.zeros([1], changes.dtype)], axis=0), vectors.place)
        return self.stepped(changes, graph)

    def pooled(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        return self._states(weight_vectors(graph, self.normalised(graph), length=self.length).values)

    def _states(self, values: tf.Tensor) -> tf.Tensor:
        state = tf.ensure_shape(values, [None, self.length])
        for layer in self._hidden:
            state = layer(state)
        return state

    def size(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        raw = graph.edge_sets[schema.EDGE_SET][schema.VALUE]
        return weight_vectors(graph, raw, length=1).count
