"""WeightTransformer: a transformer over tokens of weights, the baseline "weight_transformer"."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.weight_lists import weight_tokens
from gmn_tf.models.arguments import arguments
from gmn_tf.models.baseline import Baseline, head


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class WeightTransformer(Baseline):
    """Transformer over weight tokens, after SANE (Schürholt et al., "Towards Scalable and Versatile Weight
    Space Learning", ICML 2024, section 3).

    As in the paper: the weights that enter a neuron (a row of the layer's matrix, the bias at its end) are
    zero-padded and cut into tokens of `token_size`; a linear map embeds a token; learnt embeddings of its
    position in the sequence, of its layer and of its neuron are added (the first two to one half of the
    state, the third to the other half); a pre-norm transformer encoder; for one answer per network the
    tokens are averaged.

    Changed, and why:
    - Trained end to end for the task at hand. The paper pre-trains an autoencoder with a contrastive loss and
      puts a linear probe on the frozen embeddings: another budget of compute, and weaker for one task.
    - A whole network is read at once instead of windows of its sequence, so there is a largest number of
      tokens.
    - Values are normalised by type and layer, as those of the other models (the paper normalises by layer).
    - Smaller, so that the number of parameters is that of `GraphMetanetwork`'s defaults.

    Reordering a network's neurons changes its answers; the order in which the edges are stored does not.

    Args:
        units: width of the answer; logits, nothing is applied to them.
        output: "graph"; there are no answers per edge.
        num_channels: channels of the edge feature `value`: the taps of a kernel that lie side by side.
        token_size: weights in a token.
        max_tokens: tokens that are read of a network; `adapt` warns where a network has more.
        token_dim: width of a token's state; even.
        num_heads: attention heads, a divisor of `token_dim`.
        num_blocks: encoder blocks.
        hidden_dim, dropout_rate: of the MLP.
        max_neurons: room for neurons in a layer; those beyond share an embedding.
        max_layers: room for layers, likewise.

    Call arguments and returns: as of `GraphMetanetwork`, float32 [num_components, units].

    Example:
        model = WeightTransformer(1, max_tokens=256)
        model.adapt(training_graphs)
        logits = model(graph)
    """

    limit_name = "max_tokens"

    def __init__(
        self,
        units: int = 1,
        *,
        output: str = "graph",
        num_channels: int = 1,
        token_size: int = 128,
        max_tokens: int = 384,
        token_dim: int = 48,
        num_heads: int = 2,
        num_blocks: int = 2,
        hidden_dim: int = 64,
        dropout_rate: float = 0.3,
        max_neurons: int = 128,
        max_layers: int = 64,
        **kwargs: Any,
    ) -> None:
        settings = arguments(locals())
        super().__init__(settings=settings, **kwargs)
        for name in ("token_size", "max_tokens", "max_neurons", "max_layers"):
            if settings[name] < 1:
                raise SchemaError(f"received {name}={settings[name]}, expected 1 or more")
        if token_dim % 2 or token_dim % num_heads:
            raise SchemaError(
                f"received token_dim={token_dim} with num_heads={num_heads}, expected an even multiple "
                "of the number of heads"
            )
        self.token_size, self.max_tokens, self.max_neurons = token_size, max_tokens, max_neurons
        layers = tf.keras.layers
        self._embed = layers.Dense(token_dim, name="embed")

        def table(name: str, rows: int) -> tf.Variable:
            start = tf.keras.initializers.RandomNormal(stddev=0.02)
            return self.add_weight(name, (rows, token_dim // 2), initializer=start)

        self._sequence_table = table("sequence", max_tokens)
        self._layer_table = table("layer", max_layers)
        self._neuron_table = table("neuron", max_neurons)
        self._blocks = [
            EncoderBlock(token_dim, num_heads=num_heads, name=f"block_{number}")
            for number in range(num_blocks)
        ]
        self._norm = layers.LayerNormalization(name="norm")
        self._head = head(units, hidden_dim=hidden_dim, dropout_rate=dropout_rate)
        self.create_weights()

    def call(self, graph: tfgnn.GraphTensor, training: bool | None = None) -> tf.Tensor:
        tokens = weight_tokens(
            graph, self.normalised(graph), num_tokens=self.max_tokens, token_size=self.token_size
        )
        layer = tf.minimum(tokens.layer, self._layer_table.shape[0] - 1)
        neuron = tf.minimum(tokens.neuron, self.max_neurons - 1)
        place = self._sequence_table + tf.gather(self._layer_table, layer)
        place = tf.concat([place, tf.gather(self._neuron_table, neuron)], axis=-1)
        state = self._embed(tokens.values) + place  # [C, tokens, token_dim]
        for block in self._blocks:
            state = block((state, tokens.there))
        there = tokens.there[..., tf.newaxis]
        used = tf.maximum(tf.reduce_sum(there, axis=1), 1.0)
        mean = tf.reduce_sum(self._norm(state) * there, axis=1) / used
        return self._head(mean, training=training)

    def size(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        raw = graph.edge_sets[schema.EDGE_SET][schema.VALUE]
        return weight_tokens(graph, raw, num_tokens=1, token_size=self.token_size).count


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class EncoderBlock(tf.keras.layers.Layer):
    """Pre-norm transformer block: `s += Attention(LN(s)); s += Linear(GELU(Linear(LN(s))))`, width times 4.

    Call arguments:
        inputs: (state [C, tokens, units], there float [C, tokens], 1 for tokens that may be attended to).
    Call returns:
        [C, tokens, units].
    """

    def __init__(self, units: int, *, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.num_heads = units, num_heads
        layers = tf.keras.layers
        self._attention_norm = layers.LayerNormalization(name="attention_norm")
        self._attention = layers.MultiHeadAttention(num_heads, units // num_heads, name="attention")
        self._norm = layers.LayerNormalization(name="norm")
        self._hidden = layers.Dense(4 * units, "gelu", name="hidden")
        self._output = layers.Dense(units, name="output")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "num_heads": self.num_heads}

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        state, there = inputs
        normed = self._attention_norm(state)
        mask = tf.cast(there, tf.bool)[:, tf.newaxis, :]  # [C, 1, tokens]: every token, to those there are
        state = state + self._attention(normed, normed, attention_mask=mask)
        return state + self._output(self._hidden(self._norm(state)))
