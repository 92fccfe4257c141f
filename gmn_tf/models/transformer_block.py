"""One block of the graph transformer: attention over the edges, then feed-forward sublayers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.errors import SchemaError
from gmn_tf.layers.edge_attention import EdgeAttention
from gmn_tf.layers.edge_stream import Columns, Keep
from gmn_tf.layers.feed_forward import EXPAND, HIDDEN, FeedForward
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.pair_state import PAIR, PairState
from gmn_tf.layers.residual_state import ResidualState
from gmn_tf.layers.topology import COMPONENT, ENDS, Topology
from gmn_tf.models.block import DIRECTIONS, States

_STATE, _EDGES, _PRODUCTS, _PAIR, _FEED_FORWARD = "state", "edges", "products", "pair", "feed_forward"


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class TransformerBlock(tf.keras.layers.Layer):
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
        node_dim, edge_dim, message_dim: widths of the states and of the attention's values.
        directions: "both" for attention over incoming and over outgoing edges, or "forward" for the
            former alone.
        num_heads: a divisor of `message_dim`.
        global_dim, use_layer_normalization, dropout_rate, edges_only, recompute: as of `MetanetworkBlock`.

    Call arguments:
        inputs: (`States`, `Topology`).
    Call returns:
        `States`.
    """

    def __init__(
        self,
        *,
        node_dim: int,
        edge_dim: int,
        message_dim: int,
        directions: str = "both",
        num_heads: int = 4,
        global_dim: int = 0,
        use_layer_normalization: bool = True,
        dropout_rate: float = 0.0,
        edges_only: bool = False,
        recompute: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if directions not in DIRECTIONS:
            raise SchemaError(f"received directions={directions!r}, expected 'both' or 'forward'")
        self._settings = {
            "node_dim": node_dim,
            "edge_dim": edge_dim,
            "message_dim": message_dim,
            "directions": directions,
            "num_heads": num_heads,
            "global_dim": global_dim,
            "use_layer_normalization": use_layer_normalization,
            "dropout_rate": dropout_rate,
            "edges_only": edges_only,
            "recompute": recompute,
        }
        self.edge_dim, self.global_dim = edge_dim, global_dim
        self.dropout_rate, self.recompute = dropout_rate, recompute
        normed: dict[str, Any] = {"use_layer_normalization": use_layer_normalization}
        common: dict[str, Any] = {**normed, "dropout_rate": dropout_rate}
        self._pair = PairState(edge_dim, name="pair", **normed)
        self._output = self.add_weight(
            f"{self.name}/edge_output", (edge_dim, edge_dim), initializer="glorot_uniform"
        )
        self._bias = self.add_weight(f"{self.name}/edge_bias", (edge_dim,), initializer="zeros")
        self._edge_forward = FeedForward(edge_dim, name="edge_forward", **common)
        self._attentions: list[EdgeAttention] = []
        self._node_output = self._node_forward = self._context_state = None
        if not edges_only:
            attention: dict[str, Any] = {"edge_dim": edge_dim, "num_heads": num_heads, **normed}
            self._attentions = [
                EdgeAttention(message_dim, receiver_tag=tag, name=f"to_{ENDS[tag]}", **attention)
                for tag in DIRECTIONS[directions]
            ]
            self._node_output = tf.keras.layers.Dense(node_dim, name="node_output")
            self._node_forward = FeedForward(node_dim, name="node_forward", **common)
            if global_dim:
                self._context_state = ResidualState(global_dim, name="global_state", **common)
        self._dropout = tf.keras.layers.Dropout(dropout_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}

    @property
    def num_passes(self) -> int:
        """How often all edges are gone through."""
        return 1

    def call(self, inputs: tuple[States, Topology], training: bool | None = None) -> States:
        (nodes, edges, context), topology = inputs
        stream, num_nodes = topology.stream, topology.num_nodes
        tables: dict[str, Columns] = {
            _PAIR: self._pair((nodes, context)),
            _FEED_FORWARD: self._edge_forward.tables(),
            **{attention.name: attention(nodes) for attention in self._attentions},
        }
        kernels = [tf.cast(self._output, self.compute_dtype)]
        kernels += [tables[attention.name].pop("kernel") for attention in self._attentions]
        widths = [kernel.shape[1] for kernel in kernels]
        tables[_EDGES] = {
            "products": tf.concat(kernels, axis=1),
            "bias": tf.cast(self._bias, self.compute_dtype),
        }
        sums = {
            f"{attention.name}/{name}": zeros
            for attention in self._attentions
            for name, zeros in attention.empty_sums(num_nodes).items()
        }
        if self._context_state is not None:
            sums[_EDGES] = tf.zeros([topology.num_components, self.edge_dim])
        seed = None
        if training and self.dropout_rate:
            seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)

        def update(
            columns: Columns, inputs: Columns, tables: Any, seed: Any, keep: Keep
        ) -> tuple[Columns, Columns]:
            hidden = PairState.hidden(columns, inputs[_STATE], tables[_PAIR], keep)
            second = None
            if seed is not None:
                hidden = tf.nn.experimental.stateless_dropout(hidden, self.dropout_rate, seed)
                second = seed + tf.constant([0, 1])
            products = keep(_PRODUCTS, tf.matmul(hidden, tables[_EDGES]["products"]))
            output, *projected = tf.split(products, widths, axis=1)
            new_state = inputs[_STATE] + output + tables[_EDGES]["bias"]
            new_state = self._edge_forward.apply(new_state, tables[_FEED_FORWARD], keep, second)
            found: Columns = {}
            for attention, product in zip(self._attentions, projected, strict=True):
                totals = attention.sums(columns, product, tables[attention.name], num_nodes)
                found |= {f"{attention.name}/{name}": total for name, total in totals.items()}
            if self._context_state is not None:
                wide = tf.cast(new_state, tf.float32)
                found[_EDGES] = tf.math.unsorted_segment_sum(
                    wide, columns[COMPONENT], topology.num_components
                )
            return {_STATE: new_state}, found

        spec = tf.TensorSpec([None, self.edge_dim], edges.dtype)
        kept = {}
        if not self.recompute:
            sizes = {PAIR: 2 * self.edge_dim, _PRODUCTS: sum(widths), HIDDEN: EXPAND * self.edge_dim}
            kept = {name: tf.TensorSpec([None, size], edges.dtype) for name, size in sizes.items()}
        results, found = stream.map(
            update, {_STATE: edges}, tables, results={_STATE: spec}, sums=sums, kept=kept, seed=seed
        )
        edges = results[_STATE]
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
            mean_edge = tf.cast(found[_EDGES] / topology.component_edges, nodes.dtype)
            context = self._context_state((context, [topology.mean_of_nodes(nodes), mean_edge], []))
        return nodes, edges, context
