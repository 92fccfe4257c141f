"""One block of the metanetwork: edges, then nodes, then the global state, in one pass over the edges."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.layers.chunk_product import chunk_product
from gmn_tf.layers.convolution import EdgeConditionedConvolution
from gmn_tf.layers.edge_stream import Columns, Keep
from gmn_tf.layers.edge_update import EdgeUpdate
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.precision import sum_type, widen
from gmn_tf.layers.residual_state import ResidualState
from gmn_tf.layers.topology import COMPONENT, ENDS, Topology

DIRECTIONS = {"forward": (tfgnn.TARGET,), "both": (tfgnn.TARGET, tfgnn.SOURCE)}

States = tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]
"""Nodes [N, node_dim], edges [padded length of the stream, edge_dim], global [C, global_dim] or None."""

_STATE, _EDGES, _SUM = "state", "edges", "sum"


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class MetanetworkBlock(tf.keras.layers.Layer):
    """The update of Lim et al. 2024, section 2.3, in residual form.

        h_ij = SiLU(A LN(v_i) + B LN(v_j) + C LN(e_ij) + U u)
        e_ij <- e_ij + Linear(Dropout(h_ij))
        m_j  = sum over directions of Linear(reduce over edges at j of SiLU(P LN(v_other end) + Q h_ij))
        v_j  <- v_j + Linear(Dropout(SiLU(Linear([LN(v_j), m_j, u]))))
        u    <- u + Linear(Dropout(SiLU(Linear([LN(u), mean v, mean e]))))

    All that is done per edge is one pure function, which `EdgeStream.map` runs, whole or in chunks. The
    products with h_ij, of the edge's next state and of the messages in both directions, are one.

    Args:
        node_dim, edge_dim, message_dim: widths of the states and of the messages.
        directions: "both" for messages along and against the edges, each with weights of its own, or
            "forward" for those along the edges alone.
        reduce_type, num_heads: as of `EdgeConditionedConvolution`.
        global_dim: width of the global state, 0 for none.
        use_layer_normalization, dropout_rate: as usual.
        edges_only: for a last block whose nodes nobody reads.
        recompute: where edges are taken in chunks, whether the backward pass computes the products of the
            forward pass again (a fourth more of them) instead of keeping 1 vector per edge and 1 per
            message. Two numbers per edge, the moments of its state, are kept in any case.

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
        reduce_type: str = "mean",
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
            "reduce_type": reduce_type,
            "num_heads": num_heads,
            "global_dim": global_dim,
            "use_layer_normalization": use_layer_normalization,
            "dropout_rate": dropout_rate,
            "edges_only": edges_only,
            "recompute": recompute,
        }
        self.edge_dim, self.message_dim, self.global_dim = edge_dim, message_dim, global_dim
        self.dropout_rate, self.recompute = dropout_rate, recompute
        normed: dict[str, Any] = {"use_layer_normalization": use_layer_normalization}
        common: dict[str, Any] = {**normed, "dropout_rate": dropout_rate}
        self._edge_update = EdgeUpdate(edge_dim, name="edge_update", **normed)
        convolution: dict[str, Any] = {
            "message_dim": message_dim,
            "reduce_type": reduce_type,
            "num_heads": num_heads,
        }
        self._convolutions = (
            []
            if edges_only
            else [
                EdgeConditionedConvolution(
                    node_dim, receiver_tag=tag, name=f"to_{ENDS[tag]}", **convolution, **normed
                )
                for tag in DIRECTIONS[directions]
            ]
        )
        self._node_state = None if edges_only else ResidualState(node_dim, name="node_state", **common)
        has_context = global_dim and not edges_only
        self._context_state = (
            ResidualState(global_dim, name="global_state", **common) if has_context else None
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}

    @property
    def num_passes(self) -> int:
        """How often all edges are gone through."""
        return 1 + sum(convolution.needs_maximum for convolution in self._convolutions)

    def call(self, inputs: tuple[States, Topology], training: bool | None = None) -> States:
        (nodes, edges, context), topology = inputs
        stream, num_nodes = topology.stream, topology.num_nodes
        tables: dict[str, Columns] = {_EDGES: self._edge_update((nodes, context))}
        kernels = [tables[_EDGES].pop("output")]
        for convolution in self._convolutions:
            table = convolution.tables(nodes, edge_width=self.edge_dim)
            if convolution.needs_maximum:
                table["maximum"] = _maximum(
                    convolution, self._edge_update, edges, tables[_EDGES], table, topology
                )
            kernels.append(table.pop("kernel"))
            tables[convolution.name] = table
        tables[_EDGES]["products"] = tf.concat(kernels, axis=1)
        widths = [kernel.shape[1] for kernel in kernels]
        tables[_EDGES]["bias"] = tf.pad(tables[_EDGES]["bias"], [[0, sum(widths[1:])]])
        sums = {
            f"{convolution.name}/{name}": zeros
            for convolution in self._convolutions
            for name, zeros in convolution.empty_sums(num_nodes).items()
        }
        if self._context_state is not None:
            sums[_EDGES] = tf.zeros([topology.num_components, self.edge_dim], sum_type(edges.dtype))
        seed = None
        if training and self.dropout_rate:
            seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)

        def update(
            columns: Columns, inputs: Columns, tables: Any, seed: Any, keep: Keep
        ) -> tuple[Columns, Columns]:
            hidden = tf.nn.silu(
                keep(_SUM, self._edge_update.sum(columns, inputs[_STATE], tables[_EDGES], keep))
            )
            if seed is not None:
                hidden = tf.nn.experimental.stateless_dropout(hidden, self.dropout_rate, seed)
            products = chunk_product(hidden, tables[_EDGES]["products"]) + tables[_EDGES]["bias"]
            output, *projected = tf.split(products, widths, axis=1)
            new_state = inputs[_STATE] + output
            found: Columns = {}
            for convolution, product in zip(self._convolutions, projected, strict=True):
                table = tables[convolution.name]
                # Kept before anything is gathered, so that the gather joins the one program that reads it.
                product = keep(convolution.name, product)
                messages = tf.nn.silu(convolution.message_sum(columns, product, table))
                for name, total in convolution.sums(columns, messages, table, num_nodes).items():
                    found[f"{convolution.name}/{name}"] = total
            if self._context_state is not None:
                wide = widen(new_state)
                found[_EDGES] = tf.math.unsorted_segment_sum(
                    wide, columns[COMPONENT], topology.num_components
                )
            return {_STATE: new_state}, found

        spec = tf.TensorSpec([None, self.edge_dim], edges.dtype)
        kept = self._edge_update.kept()
        if not self.recompute:
            message = tf.TensorSpec([None, self.message_dim], edges.dtype)
            kept |= {_SUM: spec, **{convolution.name: message for convolution in self._convolutions}}
        results, found = stream.map(
            update, {_STATE: edges}, tables, results={_STATE: spec}, sums=sums, kept=kept, seed=seed
        )
        edges = results[_STATE]
        if self._node_state is None:
            return nodes, edges, context
        incoming = []
        for convolution in self._convolutions:
            own = {name: found[f"{convolution.name}/{name}"] for name in convolution.empty_sums(0)}
            incoming.append(convolution.finish(own, tables[convolution.name], topology))
        of_nodes = [tf.add_n(incoming)]
        if context is not None:
            of_nodes.append(tf.gather(context, topology.node_component))
        nodes = self._node_state((nodes, of_nodes, []))
        if self._context_state is not None:
            mean_edge = tf.cast(
                found[_EDGES] / tf.cast(topology.component_edges, found[_EDGES].dtype), nodes.dtype
            )
            context = self._context_state((context, [topology.mean_of_nodes(nodes), mean_edge], []))
        return nodes, edges, context


def _maximum(
    convolution: EdgeConditionedConvolution,
    edge_update: EdgeUpdate,
    edges: tf.Tensor,
    edge_tables: Columns,
    message_tables: Columns,
    topology: Topology,
) -> tf.Tensor:
    """Each node's largest message, float [N, message_dim], 0 without any; no gradient runs through it."""
    end = ENDS[convolution.receives_at]

    def largest(columns: Columns, inputs: Columns, tables: Any) -> tf.Tensor:
        of_edges, of_messages = tables
        total = edge_update.sum(columns, inputs[_STATE], of_edges, lambda name, x: x)
        hidden = tf.nn.silu(total)
        product = tf.matmul(hidden, of_messages["kernel"])
        messages = tf.nn.silu(convolution.message_sum(columns, product, of_messages))
        return tf.math.unsorted_segment_max(widen(messages), columns[end], topology.num_nodes)

    shape = [topology.num_nodes, convolution.message_dim]
    shared, dtype = (edge_tables, message_tables), sum_type(edges.dtype)
    found = topology.stream.maximum(largest, {_STATE: edges}, shared, shape, dtype)
    return tf.where(topology.degree[convolution.receives_at] > 0, found, tf.zeros_like(found))
