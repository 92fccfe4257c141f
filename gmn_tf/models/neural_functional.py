"""NeuralFunctional: NFN-NP, permutation equivariant layers for plain chains, the baseline "nfn"."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import NotAPlainChainError, SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.features import edge_components
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.np_linear import NPLinear, PlaceDense, layer_sums
from gmn_tf.layers.plain_chain import VECTOR_TYPES, PlainChain, plain_chain
from gmn_tf.models.arguments import arguments
from gmn_tf.models.baseline import PooledBaseline, head


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class NeuralFunctional(PooledBaseline):
    """NFN-NP (Zhou et al., "Permutation Equivariant Neural Functionals", NeurIPS 2023, section 3).

    As in the paper: `NPLinear` layers with ReLU between them on the kernels and biases of a chain of dense
    and convolutional layers, the taps of a kernel as input channels; weights of their own for every layer of
    the chain; learnt embeddings of the network's inputs and outputs, whose order is given; means over each
    layer's kernel and bias into an MLP.

    Changed, and why:
    - A linear map takes the taps of each kernel to `width` features first, so that layers with kernels of
      different sizes meet in one width; the paper keeps (taps x width) features throughout.
    - Chains of different depths: layers are counted from the input on and the last layer has weights of its
      own; hidden layers beyond `num_places - 2` share theirs. For one depth this is the paper's layer.
    - What a folded normalisation puts on a channel (scale, shift, mean, variance) joins the bias as further
      channels; the groups of a GroupNormalization are not told apart; where a Flatten stands before a dense
      layer its positions are taps. The paper has none of these.
    - The embeddings of inputs and outputs are added once, at the start; the released code adds them in
      every layer. Values are normalised by type and layer, as those of the other models.

    With output="edge" a last `NPLinear` without ReLU takes the MLP's place, as in the paper's editing of
    INRs; its answers for taps beyond `max_taps` and for edges that are neither kernel nor vector are 0.

    Reordering hidden neurons does not change an answer, or takes the answers per edge along. Networks that
    are no plain chains are refused by `adapt`; their answers are NaN. `GraphMetanetwork` reads them.

    Args:
        units: width of the answer; logits, nothing is applied to them.
        output: "graph" or "edge", as of `GraphMetanetwork`.
        num_channels: channels of the edge feature `value`: taps of a kernel that lie side by side.
        num_places: layers with weights of their own, at least 2.
        max_taps: room for the taps of a kernel; those beyond count with the last one, and `adapt` warns. The
            default is what a Flatten of 8 x 8 positions needs.
        width, num_layers: features and number of the `NPLinear` layers.
        reduce_type: "mean" or "sum", in those layers.
        num_indices: room for input and output embeddings, further ones share the last.
        hidden_dim, dropout_rate: of the MLP.
        initial_step: as of `GraphMetanetwork`.
        max_layers: room for the graph's layer numbers.

    Call arguments and returns: as of `GraphMetanetwork`, float32 [num_components, units] or
    [num_edges, units].

    Example:
        model = NeuralFunctional(1, num_places=4)
        model.adapt(training_graphs)
        logits = model(graph)
    """

    limit_name = "max_taps"
    answers_per_edge = True

    def __init__(
        self,
        units: int = 1,
        *,
        output: str = "graph",
        num_channels: int = 1,
        num_places: int = 5,
        max_taps: int = 64,
        width: int = 15,
        num_layers: int = 2,
        reduce_type: str = "mean",
        num_indices: int = 64,
        hidden_dim: int = 64,
        dropout_rate: float = 0.3,
        initial_step: float | None = None,
        max_layers: int = 64,
        **kwargs: Any,
    ) -> None:
        settings = arguments(locals())
        super().__init__(settings=settings, **kwargs)
        for name, least in {"num_places": 2, "max_taps": 1, "num_layers": 1, "num_indices": 1}.items():
            if settings[name] < least:
                raise SchemaError(f"received {name}={settings[name]}, expected {least} or more")
        make = tf.keras.initializers.RandomNormal
        self._embeddings = {
            name: self.add_weight(name, (num_indices, width), initializer=make(stddev=0.1))
            for name in ("inputs", "outputs", "output_vectors")
        }
        self._taps = PlaceDense(width, num_places=num_places, use_bias=True, name="taps")
        self._vectors = PlaceDense(width, num_places=num_places, use_bias=True, name="vectors")
        self._layers = [
            NPLinear(width, num_places=num_places, reduce_type=reduce_type, name=f"np_{number}")
            for number in range(num_layers)
        ]
        self._head = self._last = None
        if self.per_edge:
            answers = max(max_taps, len(VECTOR_TYPES))
            self._last = NPLinear(answers, num_places=num_places, reduce_type=reduce_type, name="np_last")
        else:
            self._head = head(units, hidden_dim=hidden_dim, dropout_rate=dropout_rate)
        self.create_weights()

    def chain(self, graph: tfgnn.GraphTensor, values: tf.Tensor) -> PlainChain:
        """The chains of a graph as this model reads them, with values [E, channels] in the graph's place."""
        return plain_chain(
            graph,
            values,
            num_places=self._settings["num_places"],
            num_taps=self._settings["max_taps"],
            max_layers=self._settings["max_layers"],
        )

    def features(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, tf.Tensor, PlainChain]:
        """Equivariant features of pairs [P, width] and neurons [N, width], and the chain they are of."""
        chain = self.chain(graph, self.normalised(graph))
        pairs = self._taps((chain.taps, chain.pair_place))
        vectors = self._vectors((chain.vectors, chain.into_place))
        index = graph.node_sets[schema.NODE_SET][schema.INDEX]
        used = tf.reduce_sum(chain.pair_place, axis=1, keepdims=True)
        ended = tf.reduce_sum(chain.into_place, axis=1, keepdims=True)
        pairs += used * self._embedding("inputs", tf.gather(index, chain.source))
        pairs += used * self._embedding("outputs", tf.gather(index, chain.target))
        vectors += ended * self._embedding("output_vectors", index)
        for number, layer in enumerate(self._layers):
            if number:
                pairs, vectors = tf.nn.relu(pairs), tf.nn.relu(vectors)
            pairs, vectors = layer((pairs, vectors, chain))
        return tf.nn.relu(pairs), tf.nn.relu(vectors), chain

    def call(self, graph: tfgnn.GraphTensor, training: bool | None = None) -> tf.Tensor:
        pairs, vectors, chain = self.features(graph)
        if self._last is None:
            return self._head(_pooled(pairs, vectors, chain), training=training)
        pairs, vectors = self._last((pairs, vectors, chain))
        answers = self._of_edges(pairs, vectors, graph, chain)
        broken = tf.gather(chain.broken, edge_components(graph))
        return tf.where(broken[:, tf.newaxis], tf.constant(np.nan, answers.dtype), answers)

    def pooled(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        return _pooled(*self.features(graph))

    def _of_edges(
        self, pairs: tf.Tensor, vectors: tf.Tensor, graph: tfgnn.GraphTensor, chain: PlainChain
    ) -> tf.Tensor:
        """Answers [E, channels] from those of pairs and neurons."""
        width, taps = pairs.shape[-1], self._settings["max_taps"]
        kernel = chain.edge_kind[:, tf.newaxis] == -1
        of_tap = kernel & (chain.edge_tap < taps)
        place = chain.edge_pair[:, tf.newaxis] * width + tf.minimum(chain.edge_tap, taps - 1)
        of_kernels = tf.where(of_tap, tf.gather(tf.reshape(pairs, [-1]), place), 0.0)
        target = tf.cast(graph.edge_sets[schema.EDGE_SET].adjacency[tfgnn.TARGET], tf.int32)
        place = target * width + tf.maximum(chain.edge_kind, 0)
        of_vectors = tf.where(chain.edge_kind >= 0, tf.gather(tf.reshape(vectors, [-1]), place), 0.0)
        first = tf.one_hot(0, self.num_channels, dtype=of_vectors.dtype)
        return self.stepped(of_kernels + of_vectors[:, tf.newaxis] * first, graph)

    def size(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        return self.chain(graph, graph.edge_sets[schema.EDGE_SET][schema.VALUE]).widest

    def check(self, graph: tfgnn.GraphTensor, real: np.ndarray) -> None:
        edges = graph.edge_sets[schema.EDGE_SET]
        chain = self.chain(graph, edges[schema.VALUE])
        broken = np.flatnonzero(chain.broken.numpy() & real)
        if not len(broken):
            return
        component = np.repeat(np.arange(len(real)), edges.sizes.numpy())
        inside = (component == broken[0]) & chain.foreign.numpy()
        types = sorted({schema.EdgeType(t).name for t in edges[schema.TYPE].numpy()[inside]})
        reason = "its layers do not follow one another"
        if types:
            reason = f"it has edges of type {', '.join(types)}"
        raise NotAPlainChainError(
            f"received a network (component {broken[0]} of its batch) that is no plain chain ({reason}), "
            "expected dense or convolutional layers one after the other: leave such networks out, or use "
            "GraphMetanetwork, which reads every architecture"
        )

    def _embedding(self, name: str, index: tf.Tensor) -> tf.Tensor:
        """Rows of a table by index [n], 0 for hidden neurons: [n, width]."""
        row = tf.clip_by_value(index, 0, self._settings["num_indices"] - 1)
        known = tf.cast(index >= 0, self.compute_dtype)[:, tf.newaxis]
        return known * tf.gather(self._embeddings[name], row)


def _pooled(pairs: tf.Tensor, vectors: tf.Tensor, chain: PlainChain) -> tf.Tensor:
    """Means over layers, side by side; NaN for what is no plain chain, so that answers are."""
    sums = layer_sums(pairs, vectors, chain)
    return tf.where(chain.broken[:, tf.newaxis], tf.constant(np.nan, sums.dtype), sums)
