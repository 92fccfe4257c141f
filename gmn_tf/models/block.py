"""One block of the metanetwork: edges, then nodes, then the global state, in one pass over the edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow as tf

from gmn_tf.layers.convolution import EdgeConditionedConvolution
from gmn_tf.layers.edge_stream import Columns, Keep
from gmn_tf.layers.edge_update import EdgeUpdate
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.precision import sum_type, widen
from gmn_tf.layers.residual_state import ResidualState
from gmn_tf.layers.topology import ENDS, Topology
from gmn_tf.models.edge_block import EDGES, STATE, BlockSettings, EdgeBlock, States

_SUM = "sum"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MessagePassingSettings(BlockSettings):
    """Arguments of `MetanetworkBlock`; `reduce_type` as of `EdgeConditionedConvolution`."""

    reduce_type: str = "mean"


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class MetanetworkBlock(EdgeBlock):
    """The update of Lim et al. 2024, section 2.3, in residual form.

        h_ij = SiLU(A LN(v_i) + B LN(v_j) + C LN(e_ij) + U u)
        e_ij <- e_ij + Linear(Dropout(h_ij))
        m_j  = sum over directions of Linear(reduce over edges at j of SiLU(P LN(v_other end) + Q h_ij))
        v_j  <- v_j + Linear(Dropout(SiLU(Linear([LN(v_j), m_j, u]))))
        u    <- u + Linear(Dropout(SiLU(Linear([LN(u), mean v, mean e]))))

    All that is done per edge is one pure function, which `EdgeStream.map` runs, whole or in chunks. The
    products with h_ij, of the edge's next state and of the messages in both directions, are one. Without
    `recompute`, the backward pass keeps 1 vector per edge and 1 per message beside the moments of the edge
    states; with it, it computes a fourth more products.

    Args:
        kwargs: the fields of `MessagePassingSettings`, by name.

    Call arguments:
        inputs: (`States`, `Topology`).
    Call returns:
        `States`.
    """

    settings_class: ClassVar[type[BlockSettings]] = MessagePassingSettings
    settings: MessagePassingSettings

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        settings = self.settings
        self._edge_update = EdgeUpdate(settings.edge_dim, name="edge_update", **settings.normed)
        self._convolutions = [
            EdgeConditionedConvolution(
                settings.node_dim,
                message_dim=settings.message_dim,
                receiver_tag=tag,
                reduce_type=settings.reduce_type,
                num_heads=settings.num_heads,
                name=f"to_{ENDS[tag]}",
                **settings.normed,
            )
            for tag in settings.receiver_tags
        ]
        self._node_state = None
        if not settings.edges_only:
            self._node_state = ResidualState(settings.node_dim, name="node_state", **settings.regularised)
        self._context_state = self._make_context_state()

    @property
    def num_passes(self) -> int:
        """How often all edges are gone through."""
        return 1 + sum(convolution.needs_maximum for convolution in self._convolutions)

    def call(self, inputs: tuple[States, Topology], training: bool | None = None) -> States:
        (nodes, edges, context), topology = inputs
        stream, num_nodes = topology.stream, topology.num_nodes
        edge_dim, dropout_rate = self.settings.edge_dim, self.settings.dropout_rate
        tables: dict[str, Columns] = {EDGES: self._edge_update((nodes, context))}
        kernels = [tables[EDGES].pop("output")]
        for convolution in self._convolutions:
            table = convolution.tables(nodes, edge_width=edge_dim)
            if convolution.needs_maximum:
                edge_sum = self._edge_update.sum
                table["maximum"] = _maximum(convolution, edge_sum, edges, tables[EDGES], table, topology)
            kernels.append(table.pop("kernel"))
            tables[convolution.name] = table
        tables[EDGES]["products"] = tf.concat(kernels, axis=1)
        widths = [kernel.shape[1] for kernel in kernels]
        tables[EDGES]["bias"] = tf.pad(tables[EDGES]["bias"], [[0, sum(widths[1:])]])
        sums = {
            f"{convolution.name}/{name}": zeros
            for convolution in self._convolutions
            for name, zeros in convolution.empty_sums(num_nodes).items()
        }
        if self._context_state is not None:
            sums[EDGES] = self._empty_context_sums(edges, topology)

        def update(
            columns: Columns, inputs: Columns, tables: Any, seed: Any, keep: Keep
        ) -> tuple[Columns, Columns]:
            total = self._edge_update.sum(columns, inputs[STATE], tables[EDGES], keep)
            hidden = tf.nn.silu(keep(_SUM, total))
            if seed is not None:
                hidden = tf.nn.experimental.stateless_dropout(hidden, dropout_rate, seed)
            products = tf.matmul(hidden, tables[EDGES]["products"]) + tables[EDGES]["bias"]
            output, *projected = tf.split(products, widths, axis=1)
            new_state = inputs[STATE] + output
            found: Columns = {}
            for convolution, product in zip(self._convolutions, projected, strict=True):
                table = tables[convolution.name]
                # Kept before anything is gathered, so that the gather joins the one program that reads it.
                product = keep(convolution.name, product)
                messages = tf.nn.silu(convolution.message_sum(columns, product, table))
                for name, total in convolution.sums(columns, messages, table, num_nodes).items():
                    found[f"{convolution.name}/{name}"] = total
            if self._context_state is not None:
                found[EDGES] = self._context_sums(columns, new_state, topology)
            return {STATE: new_state}, found

        spec = self._state_spec(edges)
        kept = self._edge_update.kept()
        if not self.settings.recompute:
            message = tf.TensorSpec([None, self.settings.message_dim], edges.dtype)
            kept |= {_SUM: spec, **{convolution.name: message for convolution in self._convolutions}}
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
            context = self._next_context(self._context_state, context, nodes, found[EDGES], topology)
        return nodes, edges, context


def _maximum(
    convolution: EdgeConditionedConvolution,
    edge_sum: Callable[..., tf.Tensor],
    edges: tf.Tensor,
    edge_tables: Columns,
    message_tables: Columns,
    topology: Topology,
) -> tf.Tensor:
    """Each node's largest message, float [N, message_dim], 0 without any; no gradient runs through it."""
    end = ENDS[convolution.receives_at]

    def largest(columns: Columns, inputs: Columns, tables: Any) -> tf.Tensor:
        of_edges, of_messages = tables
        hidden = tf.nn.silu(edge_sum(columns, inputs[STATE], of_edges, lambda name, x: x))
        product = tf.matmul(hidden, of_messages["kernel"])
        messages = tf.nn.silu(convolution.message_sum(columns, product, of_messages))
        return tf.math.unsorted_segment_max(widen(messages), columns[end], topology.num_nodes)

    shape = [topology.num_nodes, convolution.message_dim]
    shared, dtype = (edge_tables, message_tables), sum_type(edges.dtype)
    found = topology.stream.maximum(largest, {STATE: edges}, shared, shape, dtype)
    return tf.where(topology.degree[convolution.receives_at] > 0, found, tf.zeros_like(found))
