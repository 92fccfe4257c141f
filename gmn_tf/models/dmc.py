"""DeepMetaClassifier: a 1-D convolutional network over the flattened weights, the baseline "dmc"."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.weight_lists import weight_vectors
from gmn_tf.models.arguments import arguments
from gmn_tf.models.baseline import Baseline, head


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class DeepMetaClassifier(Baseline):
    """Deep meta-classifier (Eilertsen et al., "Classifying the classifier", ECAI 2020, the section on
    meta-classifiers).

    As in the paper and its released code: the weights are flattened variable by variable, a kernel filter by
    filter with the taps of each pair of channels side by side; blocks of a convolution of size 5, ReLU,
    normalisation and max pooling by 2, whose widths double from 8 on; the last map is flattened into an MLP.

    Changed, and why:
    - The input is one whole network, padded or cut to `length`, as the graph metanetwork sees it, with a
      second channel that says where there are weights; the paper takes 5,000 consecutive weights.
    - Values are normalised by type and layer, as those of the other models (the paper's are raw).
    - LayerNormalization over the channels for BatchNormalization: padded components and small batches would
      enter the statistics of a batch.
    - Width, depth of the MLP and the length of the last map are smaller, so that the number of parameters is
      that of `GraphMetanetwork`'s defaults; dropout of the MLP alike.

    Reordering a network's neurons changes its answers; the order in which the edges are stored does not.

    Args:
        units: width of the answer; logits, nothing is applied to them.
        output: "graph"; there are no answers per edge.
        num_channels: channels of the edge feature `value`: the taps of a kernel that lie side by side.
        length: weights that are read of a network; a network has fewer (padded) or more (cut, and `adapt`
            warns). The default is the largest network of the zoo's families.
        filters: width of the first block; it doubles from block to block.
        max_filters: largest width.
        kernel_size: of all convolutions.
        final_length: blocks follow until the map is at most so long.
        hidden_dim, dropout_rate: of the MLP.
        max_layers: room for layers in the normalisation.

    Call arguments and returns: as of `GraphMetanetwork`, float32 [num_components, units].

    Example:
        model = DeepMetaClassifier(1, length=5000)
        model.adapt(training_graphs)
        logits = model(graph)
    """

    limit_name = "length"

    def __init__(
        self,
        units: int = 1,
        *,
        output: str = "graph",
        num_channels: int = 1,
        length: int = 10_240,
        filters: int = 8,
        max_filters: int = 32,
        kernel_size: int = 5,
        final_length: int = 20,
        hidden_dim: int = 64,
        dropout_rate: float = 0.3,
        max_layers: int = 64,
        **kwargs: Any,
    ) -> None:
        settings = arguments(locals())
        super().__init__(settings=settings, **kwargs)
        for name in ("length", "filters", "max_filters", "kernel_size", "final_length"):
            if settings[name] < 1:
                raise SchemaError(f"received {name}={settings[name]}, expected 1 or more")
        self.length = length
        layers = tf.keras.layers
        self._convolutions: list[Any] = []
        self._norms: list[Any] = []
        width, remaining = filters, length
        while remaining > final_length or not self._convolutions:
            number = len(self._convolutions)
            width = min(width, max_filters)
            convolution = layers.Conv1D(width, kernel_size, padding="same", name=f"convolution_{number}")
            self._convolutions.append(convolution)
            self._norms.append(layers.LayerNormalization(name=f"norm_{number}"))
            width, remaining = 2 * width, -(-remaining // 2)
        self._head = head(units, hidden_dim=hidden_dim, dropout_rate=dropout_rate)
        self.create_weights()

    def call(self, graph: tfgnn.GraphTensor, training: bool | None = None) -> tf.Tensor:
        vectors = weight_vectors(graph, self.normalised(graph), length=self.length)
        state = tf.stack([vectors.values, vectors.there], axis=-1)  # [C, length, 2]
        for convolution, norm in zip(self._convolutions, self._norms, strict=True):
            state = _halved(norm(tf.nn.relu(convolution(state))))
        flat = tf.reshape(state, [-1, state.shape[1] * state.shape[2]])
        return self._head(flat, training=training)

    def size(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        raw = graph.edge_sets[schema.EDGE_SET][schema.VALUE]
        return weight_vectors(graph, raw, length=1).count


def _halved(state: tf.Tensor) -> tf.Tensor:
    """Max pooling by 2 of [C, n, d], an odd last row alone; by reshaping, whose gradient is cheap."""
    length, width = state.shape[1], state.shape[2]
    if length % 2:
        state = tf.concat([state, state[:, -1:]], axis=1)
    return tf.reduce_max(tf.reshape(state, [-1, (length + 1) // 2, 2, width]), axis=2)
