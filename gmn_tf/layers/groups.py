"""The groups of a parameter graph's edges that share component, layer and type, in fixed shapes.

Most of what an edge's labels say is the same for its whole group, so it is computed per group and
gathered; readouts pool the edges of a group. A component has `max_groups` slots, of which the first
are used, in order of (layer, type); so [components, max_groups] is a static shape under XLA and no
two groups share a slot unless a network has more than `max_groups` groups or `max_layers` layers.
What is beyond is pooled into the last slot, or the last layer: coarser, still equivariant.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.layers.features import NUM_EDGE_TYPES, num_components

GROUP = "group"
"""Column of an edge stream: `EdgeGroups.of_edge`."""


@dataclass(frozen=True)
class EdgeGroups:
    """Which group each edge is in, and what is known of each group; C components, S slots each.

    Attributes:
        of_edge: int32 [E], `component * S + slot`.
        shape: (C, S); C is a tensor where it is not static.
        count: int32 [C * S], edges in the group; 0 for an unused slot.
        type: int32 [C * S], the edges' `EdgeType` (0 for an unused slot).
        layer: int32 [C * S], the edges' layer number, at most max_layers - 1.
        depth: float32 [C * S], the edges' relative depth.
        from_start: int32 [C * S], how many layers with edges come before this one.
        from_end: int32 [C * S], how many come after it.
    """

    of_edge: tf.Tensor
    shape: tuple[int | tf.Tensor, int]
    count: tf.Tensor
    type: tf.Tensor
    layer: tf.Tensor
    depth: tf.Tensor
    from_start: tf.Tensor
    from_end: tf.Tensor

    @property
    def num_groups(self) -> int | tf.Tensor:
        """C * S, all slots counted."""
        return self.shape[0] * self.shape[1]

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Sum of [E, d] or [E] over each group's edges: [C * S, d] or [C * S]."""
        return tf.math.unsorted_segment_sum(values, self.of_edge, self.num_groups)

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Mean of [E, d] over each group's edges: [C * S, d]; 0 for an unused slot."""
        return self.sum(values) / tf.cast(tf.maximum(self.count, 1), values.dtype)[:, tf.newaxis]

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """[C * S, d] to the edges: [E, d]."""
        return tf.gather(values, self.of_edge)


def edge_groups(graph: tfgnn.GraphTensor, *, max_layers: int, max_groups: int) -> EdgeGroups:
    """Finds the groups; integer work on a few thousand cells, no learnt weights, XLA-compilable."""
    edges = graph.edge_sets[schema.EDGE_SET]
    components = num_components(graph)
    shape = (components, max_layers, NUM_EDGE_TYPES)
    component = tfgnn.broadcast_context_to_edges(
        graph, schema.EDGE_SET, feature_value=tf.range(components, dtype=tf.int32)
    )
    layer = tf.clip_by_value(edges[schema.LAYER], 0, max_layers - 1)
    edge_type = tf.clip_by_value(edges[schema.TYPE], 0, NUM_EDGE_TYPES - 1)
    cell = (component * max_layers + layer) * NUM_EDGE_TYPES + edge_type  # [E]
    ones = tf.ones_like(cell)
    present = tf.math.unsorted_segment_sum(ones, cell, components * max_layers * NUM_EDGE_TYPES)
    present = tf.cast(tf.reshape(present, shape) > 0, tf.int32)

    types_until = tf.cumsum(present, axis=2)  # [C, L, T], this type included
    per_layer = types_until[:, :, -1]  # [C, L]
    groups_until = tf.cumsum(per_layer, axis=1)  # [C, L], this layer included
    slot = (groups_until - per_layer)[:, :, tf.newaxis] + types_until - 1
    slot = tf.clip_by_value(slot, 0, max_groups - 1)
    of_edge = component * max_groups + tf.gather(tf.reshape(slot, [-1]), cell)

    # The other way round, from slot to labels, by counting instead of scattering.
    slots = tf.range(max_groups)[tf.newaxis, :, tf.newaxis]  # [1, S, 1]
    layers_before = _count(groups_until[:, tf.newaxis, :] <= slots)  # [C, S], also those without edges
    layers_before = tf.minimum(layers_before, max_layers - 1)
    first_slot = tf.gather(groups_until - per_layer, layers_before, batch_dims=1)  # [C, S]
    types = tf.gather(types_until, layers_before, batch_dims=1)  # [C, S, T]
    slot_type = _count(types <= slots - first_slot[:, :, tf.newaxis])
    layer_present = tf.cast(per_layer > 0, tf.int32)
    layers_until = tf.cumsum(layer_present, axis=1)
    from_start = tf.gather(layers_until - layer_present, layers_before, batch_dims=1)
    from_end = layers_until[:, -1:] - 1 - from_start

    num_groups = components * max_groups
    count = tf.math.unsorted_segment_sum(ones, of_edge, num_groups)
    depth = tf.math.unsorted_segment_sum(edges[schema.DEPTH], of_edge, num_groups)
    used = tf.minimum(count, 1)

    def flat(labels: tf.Tensor) -> tf.Tensor:
        return tf.reshape(labels, [-1]) * used

    return EdgeGroups(
        of_edge=of_edge,
        shape=(components, max_groups),
        count=count,
        type=flat(slot_type),
        layer=flat(layers_before),
        depth=depth / tf.cast(tf.maximum(count, 1), depth.dtype),
        from_start=flat(from_start),
        from_end=flat(from_end),
    )


def _count(condition: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(condition, tf.int32), axis=-1)
