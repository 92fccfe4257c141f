"""Attention scores and weighted sums: products summed over features, drawn with pair and head nodes."""

from __future__ import annotations

import numpy as np

from gmn_tf.convert.entries import Entries, index_along
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.relations import first_along, outside, pack, shared_axes, signatures, unique_rows
from gmn_tf.graph import schema


def attend(
    pen: Pen, query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: Entries | None
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the scores and of the attended values, one set per head.

    Pair nodes p[h, d] are fed by query and key, p[h, d] -> a[h] with the softmax over positions;
    a[h] and value v[h, d] -> o[h, d]. So heads stay exchangeable as wholes, and each head's
    query-key dimensions and value dimensions among themselves (design: Products summed over features).

    Args:
        pen: draws.
        query: node ids [heads, key_dim].
        key: node ids [kv_heads, key_dim]; heads share keys in consecutive groups.
        value: node ids [kv_heads, value_dim].
        mask: an attention mask of any shape, or None.

    Returns:
        Node ids [heads] and [heads, value_dim].
    """
    canvas = pen.canvas
    heads, kv_heads = query.shape[0], key.shape[0]
    of_head = np.arange(heads) // (heads // kv_heads)
    layer = canvas.new_layer()
    pair = canvas.add_nodes(query.shape, type=schema.NodeType.PAIR, layer=layer)
    head = canvas.add_nodes(
        heads, type=schema.NodeType.HEAD, layer=layer, activation=schema.Activation.SOFTMAX
    )
    canvas.add_edges(query, pair, type=schema.EdgeType.PAIR, layer=layer, kernel_position=[0])
    canvas.add_edges(key[of_head], pair, type=schema.EdgeType.PAIR, layer=layer, kernel_position=[1])
    canvas.add_edges(pair, head[:, None], type=schema.EdgeType.HEAD, layer=layer)
    if mask is not None:
        node, position = _readings(mask)
        canvas.add_edges(
            node[:, None],
            head[None, :],
            type=schema.EdgeType.OPERAND,
            layer=layer,
            entry_position=None if position is None else [p[:, None] for p in position],
        )
    layer = canvas.new_layer()
    out = canvas.add_nodes((heads, value.shape[1]), type=schema.NodeType.NEURON, layer=layer)
    canvas.add_edges(head[:, None], out, type=schema.EdgeType.WEIGHTED, layer=layer)
    canvas.add_edges(value[of_head], out, type=schema.EdgeType.WEIGHTED, layer=layer)
    return head, out


def _readings(mask: Entries) -> tuple[np.ndarray, list[np.ndarray] | None]:
    """The mask's nodes, and which queries and keys each of them speaks of (None where all alike)."""
    dropped = shared_axes([mask.node], mask.details, range(mask.ndim))
    core = first_along(mask.node, dropped)
    nodes, group = unique_rows(core.reshape(-1))
    places = [first_along(index_along(mask.shape, a), dropped) for a in range(mask.ndim) if a not in dropped]
    details = [np.broadcast_to(d, core.shape).reshape(-1) for d in (*places, *outside(mask.details, dropped))]
    if not details:
        return nodes[:, 0], None
    return nodes[:, 0], pack([signatures(group, np.stack(details, axis=1))])
