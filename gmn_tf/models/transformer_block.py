"""One block of the graph transformer: attention over the edges, then feed-forward sublayers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.layers.edge_attention import EdgeAttention
from gmn_tf.layers.edge_stream import Columns, Keep
from gmn_tf.layers.feed_forward import EXPAND, HIDDEN, FeedForward
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.pair_state import PAIR, PairState
from gmn_tf.layers.topology import ENDS, Topology
from gmn_tf.models.edge_block import EDGES, STATE, EdgeBlock, States

_PRODUCTS, _PAIR, _FEED_FORWARD = "products", "pair", "feed_forward"


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class TransformerBlock(EdgeBlock):
    """GRIT (Ma et al. 2023, "Graph Inductive Biases in Transformers without Message Passing"), sparse.

        e'_ij = SiLU(root((Q LN(v_j) + K LN(v_i)) * E_w LN(e_ij)) + E_b LN(e_ij) + U u)
        e_ij <- FF(e_ij + Linear(Dropout(e'_ij)))
        a_j   = by head, sum over edges at j of softmax(W_A e'_ij) (V LN(v_other end) + E_v e'_ij)
        v_j  <- FF(v_j + Linear(Dropout([a_j * (s + t log(1 + degree_j)) in each direction, u])))
        u    <- u + Linear(Dropout(SiLU(Linear([LN(u), mean v, mean e]))))
        FF(s) = s + Linear(Dropout(SiLU(Linear(LN(s)))))

    What differs from GRIT: attention runs over the edges of the parameter graph, not over all pairs of
    nodes, and parallel edges (the taps of a kernel) count one by one; i is the edge's source and j its
    target, and both directions read the one e' of their edge, with V, E_v and W_A of their own; there
    is a feed-forward sublayer on edges as well; layer normalisation stands before the sublayers, not batch
    normalisation after them; no random-walk encodings are added. The square root is `PairState`'s.

    All that is done per edge is one pure function, which `EdgeStream.map` runs, whole or in chunks.

    Args:
        kwargs: the fields of `BlockSettings`, by name; `message_dim` is the width of the attention's values.

    Call arguments:
        inputs: (`States`, `Topology`).
    Call returns:
        `States`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        settings, edge_dim = self.settings, self.settings.edge_dim
        self._pair = PairState(edge_dim, name="pair", **settings.normed)
        self._output = self.add_weight(
            f"{self.name}/edge_output", (edge_dim, edge_dim), initializer="glorot_uniform"
        )
        self._bias = self.add_weight(f"{self.name}/edge_bias", (edge_dim,), initializer="zeros")
        self._edge_forward = FeedForward(edge_dim, name="edge_forward", **settings.regularised)
        self._attentions = [
            EdgeAttention(
                settings.message_dim,
                edge_dim=edge_dim,
                receiver_tag=tag,
                num_heads=settings.num_heads,
                name=f"to_{ENDS[tag]}",
                **settings.normed,
            )
            for tag in settings.receiver_tags
        ]
        self._node_output = self._node_forward = None
        if not settings.edges_only:
            self._node_output = tf.keras.layers.Dense(settings.node_dim, name="node_output")
            self._node_forward = FeedForward(settings.node_dim, name="node_forward", **settings.regularised)
        self._context_state = self._make_context_state()
        self._dropout = tf.keras.layers.Dropout(settings.dropout_rate)

    def call(self, inputs: tuple[States, Topology], training: bool | None = None) -> States:
        (nodes, edges, context), topology = inputs
        stream, num_nodes, dropout_rate = topology.stream, topology.num_nodes, self.settings.dropout_rate
        tables: dict[str, Columns] = {
            _PAIR: self._pair((nodes, context)),
            _FEED_FORWARD: self._edge_forward.tables(),
            **{attention.name: attention(nodes) for attention in self._attentions},
        }
        kernels = [tf.cast(self._output, self.compute_dtype)]
        kernels += [tables[attention.name].pop("kernel") for attention in self._attentions]
        widths = [kernel.shape[1] for kernel in kernels]
        tables[EDGES] = {
            "products": tf.concat(kernels, axis=1),
            "bias": tf.cast(self._bias, self.compute_dtype),
        }
        sums = {
            f"{attention.name}/{name}": zeros
            for attention in self._attentions
            for name, zeros in attention.empty_sums(num_nodes).items()
        }
        if self._context_state is not None:
            sums[EDGES] = self._empty_context_sums(edges, topology)

        def update(
            columns: Columns, inputs: Columns, tables: Any, seed: Any, keep: Keep
        ) -> tuple[Columns, Columns]:
            hidden = PairState.hidden(columns, inputs[STATE], tables[_PAIR], keep)
            second = None
            if seed is not None:
                hidden = tf.nn.experimental.stateless_dropout(hidden, dropout_rate, seed)
                second = seed + tf.constant([0, 1])
            products = keep(_PRODUCTS, tf.matmul(hidden, tables[EDGES]["products"]))
            output, *projected = tf.split(products, widths, axis=1)
            new_state = inputs[STATE] + output + tables[EDGES]["bias"]
            new_state = self._edge_forward.apply(new_state, tables[_FEED_FORWARD], keep, second)
            found: Columns = {}
            for attention, product in zip(self._attentions, projected, strict=True):
                totals = attention.sums(columns, product, tables[attention.name], num_nodes)
                found |= {f"{attention.name}/{name}": total for name, total in totals.items()}
            if self._context_state is not None:
                found[EDGES] = self._context_sums(columns, new_state, topology)
            return {STATE: new_state}, found

        spec = self._state_spec(edges)
        kept = {}
        if not self.settings.recompute:
            edge_dim = self.settings.edge_dim
            sizes = {PAIR: 2 * edge_dim, _PRODUCTS: sum(widths), HIDDEN: EXPAND * edge_dim}
            kept = {name: tf.TensorSpec([None, size], edges.dtype) for name, size in sizes.items()}
        results, found = stream.map(
            update,
            {STATE: edges},
            tables,
            results={STATE: spec},
            sums=sums,
            kept=kept,
            seed=self._seed(training),
        )
        edges = results[STATE]
        if self._node_output is None or self._node_forward is None:
            return nodes, edges, context
        incoming = [
            attention.finish({name: found[f"{attention.name}/{name}"] for name in names}, topology)
            for attention in self._attentions
            for names in [attention.empty_sums(0)]
        ]
        if context is not None:
            incoming.append(tf.gather(context, topology.node_component))
        nodes += self._node_output(self._dropout(tf.concat(incoming, axis=-1)))
        nodes = self._node_forward(nodes)
        if self._context_state is not None:
            context = self._next_context(self._context_state, context, nodes, found[EDGES], topology)
        return nodes, edges, context
