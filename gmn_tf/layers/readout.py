"""One vector per network, from the final states: pool within layer and type first, then over the groups."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.layers.edge_stream import Columns, EdgeStream, gather
from gmn_tf.layers.features import log_count
from gmn_tf.layers.groups import GROUP, EdgeGroups
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.topology import Topology

_SMALLEST = 1e-6


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class GroupReadout(tf.keras.layers.Layer):
    """Edge states pooled per (component, layer, type), encoded with their label, pooled over groups.

        p_g = [mean_{edges in g} e, deviation_{edges in g} e (, statistics of the values in g)]
        z_g = SiLU(Linear(SiLU((1 + gain(label_g)) * Linear(p_g) + shift(label_g))))
        r   = [mean_g z_g; sum_g softmax_g(query_k(label_g, z_g)) z_g for k = 1 ... num_heads;
               mean and deviation of the node states (; mean state of the outputs); log number of edges]
        output = Linear(Dropout(SiLU(Linear(Dropout(LN(r))))))

    gain and shift are linear in the group's label vector, so that layers are not thrown together; the
    heads can learn to look at a layer each, wherever it stands.

    Args:
        units: width of the output (logits).
        hidden_dim: width of z_g; the last hidden layer is twice that.
        num_heads: attention heads over groups.
        dropout_rate: before either of the last two linear maps.
        outputs: whether the mean state of the nodes that nothing reads, the outputs, joins apart: what
            is known of what a network says is not averaged with its hidden neurons then.
        group_dropout_rate: share of groups whose p_g is left out in a training step, label and all else kept.

    Call arguments:
        inputs: (node states [N, .], edge states [padded length of the stream, .], `Topology` whose stream
            has the column GROUP, groups, labels [groups, label_dim], statistics [groups, .] or None).
    Call returns:
        float [components, units]; a component without edges gets an answer that means nothing.
    """

    def __init__(
        self,
        units: int,
        *,
        hidden_dim: int = 32,
        num_heads: int = 8,
        dropout_rate: float = 0.0,
        group_dropout_rate: float = 0.0,
        outputs: bool = False,
        **kwargs: Any,
    ) -> None:
        # Edge states stay as they are until a chunk of them is read.
        super().__init__(autocast=False, **kwargs)
        self.units, self.hidden_dim = units, hidden_dim
        self.num_heads, self.dropout_rate = num_heads, dropout_rate
        self.group_dropout_rate, self.outputs = group_dropout_rate, outputs
        dtype = self.dtype_policy
        dense = functools.partial(tf.keras.layers.Dense, dtype=dtype)
        self._group_dropout = tf.keras.layers.Dropout(group_dropout_rate, noise_shape=(None, 1), dtype=dtype)
        self._pooled = dense(hidden_dim, name="pooled")
        self._label = dense(2 * hidden_dim, name="label")
        self._encode = dense(hidden_dim, "silu", name="encode")
        self._query = dense(num_heads, name="query")
        self._norm = tf.keras.layers.LayerNormalization(name="norm", dtype=dtype)
        self._hidden = dense(2 * hidden_dim, "silu", name="hidden")
        self._dropout = tf.keras.layers.Dropout(dropout_rate, dtype=dtype)
        # Answers start near zero: the first steps fit the mean instead of undoing noise.
        start = tf.keras.initializers.RandomNormal(stddev=0.01)
        self._output = dense(units, kernel_initializer=start, name="output")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "dropout_rate": self.dropout_rate,
            "group_dropout_rate": self.group_dropout_rate,
            "outputs": self.outputs,
        }

    def call(
        self,
        inputs: tuple[tf.Tensor, tf.Tensor, Topology, EdgeGroups, tf.Tensor, tf.Tensor | None],
    ) -> tf.Tensor:
        return self.answer(self.represent(inputs))

    def answer(self, hidden: tf.Tensor) -> tf.Tensor:
        """From what `represent` gives to the layer's output."""
        return self._output(self._dropout(hidden))

    def represent(
        self,
        inputs: tuple[tf.Tensor, tf.Tensor, Topology, EdgeGroups, tf.Tensor, tf.Tensor | None],
    ) -> tf.Tensor:
        """The last hidden layer, [components, 2 * hidden_dim]; arguments as of a call."""
        nodes, edges, topology, groups, labels, statistics = inputs
        components, slots = groups.shape
        labels = tf.cast(labels, self.compute_dtype)
        pooled = _moments(edges, topology.stream, groups, self.compute_dtype)
        if statistics is not None:
            pooled.append(tf.cast(statistics, self.compute_dtype))
        p = self._group_dropout(tf.concat(pooled, axis=-1))
        label = self._label(labels)
        gain, shift = label[:, : self.hidden_dim], label[:, self.hidden_dim :]
        encoded = tf.nn.silu(self._pooled(p) * (1.0 + gain) + shift)
        encoded = self._encode(encoded)  # [C * S, hidden]
        query = self._query(tf.concat([labels, encoded], axis=-1))

        used = tf.reshape(tf.cast(groups.count > 0, encoded.dtype), [components, slots, 1])
        encoded = tf.reshape(encoded, [components, slots, self.hidden_dim]) * used
        query = tf.reshape(query, [components, slots, self.num_heads])
        weight = tf.nn.softmax(query + (used - 1.0) * 1e9, axis=1)
        heads = tf.einsum("csk,csd->ckd", weight, encoded)
        heads = tf.reshape(heads, [components, self.num_heads * self.hidden_dim])
        average = tf.reduce_sum(encoded, axis=1) / tf.maximum(tf.reduce_sum(used, axis=1), 1.0)
        edges = tf.reduce_sum(tf.reshape(groups.count, [components, slots]), axis=1)
        of_nodes = _node_moments(nodes, topology, self.compute_dtype)
        if self.outputs:
            of_nodes.append(_output_mean(nodes, topology, self.compute_dtype))
        joined = self._dropout(self._norm(tf.concat([average, heads, *of_nodes], axis=-1)))
        joined = tf.concat([joined, tf.cast(log_count(edges), joined.dtype)], axis=-1)
        return self._hidden(joined)


def _moments(edges: tf.Tensor, stream: EdgeStream, groups: EdgeGroups, dtype: str) -> list[tf.Tensor]:
    """Mean and deviation of the edge states in each group, [C * S, .] each.

    Two passes, so that the deviation of a single edge is exactly 0.
    """
    share = 1.0 / tf.cast(tf.maximum(groups.count, 1), dtype)[:, tf.newaxis]

    def average(function: Callable[..., tf.Tensor], tables: Columns) -> tf.Tensor:
        def update(columns: Columns, inputs: Columns, tables: Columns, *_: Any) -> Any:
            values = function(tf.cast(inputs["state"], dtype), columns, tables)
            return {}, {"sum": tf.math.unsorted_segment_sum(values, columns[GROUP], groups.num_groups)}

        zeros = tf.zeros([groups.num_groups, edges.shape[-1]], dtype)
        return stream.map(update, {"state": edges}, tables, sums={"sum": zeros})[1]["sum"] * share

    mean = average(lambda state, columns, tables: state, {})
    spread = average(
        lambda state, columns, tables: tf.square(state - gather(tables["mean"], columns[GROUP])),
        {"mean": mean},
    )
    return [mean, tf.sqrt(spread + _SMALLEST)]


def _node_moments(nodes: tf.Tensor, topology: Topology, dtype: str) -> list[tf.Tensor]:
    nodes = tf.cast(nodes, dtype)
    mean = topology.mean_of_nodes(nodes)
    there = tf.gather(mean, topology.node_component)
    return [mean, tf.sqrt(topology.mean_of_nodes(tf.square(nodes - there)) + _SMALLEST)]


def _output_mean(nodes: tf.Tensor, topology: Topology, dtype: str) -> tf.Tensor:
    """Mean state of the nodes that no edge leaves, [C, .]; 0 where every node is read."""
    output = tf.cast(topology.degree[tfgnn.SOURCE] == 0, dtype)
    # Both means are over all nodes, whose number cancels.
    share = topology.mean_of_nodes(output)
    return tf.math.divide_no_nan(topology.mean_of_nodes(tf.cast(nodes, dtype) * output), share)
