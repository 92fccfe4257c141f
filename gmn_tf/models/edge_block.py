"""What the blocks of a metanetwork share: their settings, their states, the way to the next global state."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.layers.edge_stream import Columns
from gmn_tf.layers.precision import sum_type, widen
from gmn_tf.layers.residual_state import ResidualState
from gmn_tf.layers.topology import COMPONENT, Topology

DIRECTIONS = {"forward": (tfgnn.TARGET,), "both": (tfgnn.TARGET, tfgnn.SOURCE)}

States = tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]
"""Nodes [N, node_dim], edges [padded length of the stream, edge_dim], global [C, global_dim] or None."""

STATE, EDGES = "state", "edges"
"""Name of the edge states in a stream, and of what all edges share and what is summed over all of them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockSettings:
    """Arguments of every block.

    Attributes:
        node_dim, edge_dim, message_dim: widths of the states and of the messages.
        directions: "both" for messages along and against the edges, each with weights of its own, or
            "forward" for those along the edges alone.
        num_heads: of attention, a divisor of `message_dim`.
        global_dim: width of the global state, 0 for none.
        use_layer_normalization, dropout_rate: as usual.
        edges_only: for a last block whose nodes nobody reads.
        recompute: where edges are taken in chunks, whether (not False) the backward pass computes the
            products of the forward pass again instead of keeping them.

    Raises:
        SchemaError: unknown directions.
    """

    node_dim: int
    edge_dim: int
    message_dim: int
    directions: str = "both"
    num_heads: int = 4
    global_dim: int = 0
    use_layer_normalization: bool = True
    dropout_rate: float = 0.0
    edges_only: bool = False
    recompute: bool | str = False

    def __post_init__(self) -> None:
        if self.directions not in DIRECTIONS:
            raise SchemaError(f"received directions={self.directions!r}, expected 'both' or 'forward'")

    @property
    def receiver_tags(self) -> tuple[int, ...]:
        """Ends of the edges at which messages arrive; none for `edges_only`."""
        return () if self.edges_only else DIRECTIONS[self.directions]

    @property
    def normed(self) -> dict[str, Any]:
        """Arguments that a block hands on to all its layers."""
        return {"use_layer_normalization": self.use_layer_normalization}

    @property
    def regularised(self) -> dict[str, Any]:
        """Arguments that a block hands on to its layers with dropout."""
        return {**self.normed, "dropout_rate": self.dropout_rate}


class EdgeBlock(tf.keras.layers.Layer):
    """Base of the blocks: (`States`, `Topology`) to `States`.

    Args:
        kwargs: the fields of the class's settings, and those of every Keras layer.
    """

    settings_class: ClassVar[type[BlockSettings]] = BlockSettings

    def __init__(self, **kwargs: Any) -> None:
        names = [field.name for field in dataclasses.fields(self.settings_class)]
        given = {name: kwargs.pop(name) for name in names if name in kwargs}
        super().__init__(**kwargs)
        self.settings = self.settings_class(**given)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **dataclasses.asdict(self.settings)}

    @property
    def num_passes(self) -> int:
        """How often all edges are gone through."""
        return 1

    def _make_context_state(self) -> ResidualState | None:
        settings = self.settings
        if not settings.global_dim or settings.edges_only:
            return None
        return ResidualState(settings.global_dim, name="global_state", **settings.regularised)

    def _seed(self, training: bool | None) -> tf.Tensor | None:
        """Randomness of dropout over edges, int32 [2]; None where there is none."""
        if not training or not self.settings.dropout_rate:
            return None
        return tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)

    def _state_spec(self, edges: Any) -> tf.TensorSpec:
        return tf.TensorSpec([None, self.settings.edge_dim], edges.dtype)

    def _empty_context_sums(self, edges: Any, topology: Topology) -> tf.Tensor:
        return tf.zeros([topology.num_components, self.settings.edge_dim], sum_type(edges.dtype))

    @staticmethod
    def _context_sums(columns: Columns, state: tf.Tensor, topology: Topology) -> tf.Tensor:
        """Sums of a chunk's states over the edges of each component, [C, edge_dim]."""
        return tf.math.unsorted_segment_sum(widen(state), columns[COMPONENT], topology.num_components)

    @staticmethod
    def _next_context(
        layer: ResidualState, context: tf.Tensor, nodes: tf.Tensor, edge_sums: tf.Tensor, topology: Topology
    ) -> tf.Tensor:
        count = tf.cast(topology.component_edges, edge_sums.dtype)
        mean_edge = tf.cast(edge_sums / count, nodes.dtype)
        return layer((context, [topology.mean_of_nodes(nodes), mean_edge], []))
