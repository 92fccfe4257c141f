"""Attention layers, drawn from the same pieces as everything else: kernels, pairs, heads."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers
from keras.src.ops import nn as nn_ops

from gmn_tf.convert.attention import attend
from gmn_tf.convert.converters.dense import contract, refuse_quantised, spelled_out
from gmn_tf.convert.converters.products import einsum_of
from gmn_tf.convert.elementwise import combine
from gmn_tf.convert.entries import Composed, Entries, Weights, fresh
from gmn_tf.convert.groups import softmax
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.products import product_sum
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph.schema import EdgeType


@register_converter(layers.MultiHeadAttention, layers.GroupQueryAttention)
def multi_head_attention(
    pen: Pen,
    layer: Any,
    query: Entries,
    value: Entries,
    key: Entries | None = None,
    query_mask: Any = None,
    value_mask: Any = None,
    key_mask: Any = None,
    attention_mask: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Entries | tuple[Entries, Entries]:
    """Projections to [heads, dim], scores, weighted sums, output projection (Vaswani et al. 2017).

    With grouped queries (Ainslie et al. 2023) several heads share keys and values. A gate multiplies the
    attended values; scores that are asked for are read at the heads' nodes.
    """
    key = value if key is None else key
    q = _heads(_project(pen, layer._query_dense, query, "query", EdgeType.QUERY))
    k = _heads(_project(pen, layer._key_dense, key, "key", EdgeType.KEY))
    v = _heads(_project(pen, layer._value_dense, value, "value", EdgeType.VALUE))
    mask = pen.with_nodes(attention_mask) if isinstance(attention_mask, Entries) else None
    head, out = attend(pen, q, k, v, mask)
    shape = (*query.shape[:-1], *out.shape)
    attended = fresh(out, shape, range(len(shape) - 2))
    if getattr(layer, "use_gate", False) or getattr(layer, "_use_gate", False):
        gate = _project(pen, layer._gate_dense, query, "gate", EdgeType.LINEAR)
        attended = combine(pen, [attended, gate], edge_type=EdgeType.MULTIPLY, commutative=True)
    result = _project(pen, layer._output_dense, attended, "output", EdgeType.ATTENTION_OUT)
    return (result, _scores(pen, layer, query, head)) if return_attention_scores else result


def _scores(pen: Pen, layer: Any, query: Entries, head: np.ndarray) -> Entries:
    """The scores [batch axes, heads, query positions, key positions], at the nodes [heads] of the heads."""
    axis = query.ndim - 1 - len(getattr(layer, "_attention_axes", None) or (1,))
    shape = tuple(pen.call.outputs[1].shape)
    return fresh(
        head.reshape(-1, *(1,) * (len(shape) - axis - 1)), shape, [a for a in range(len(shape)) if a != axis]
    )


def _project(pen: Pen, dense: Any, x: Entries, key: str, edge_type: EdgeType) -> Entries:
    """One of the layer's inner EinsumDense projections."""
    refuse_quantised(pen, dense)
    equation = spelled_out(dense.equation, x.ndim)
    kernel = pen.slots(dense._kernel)
    letters = equation.split("->")[0].replace(",", "")
    sizes = dict(zip(letters, (*x.shape, *kernel.shape), strict=True))
    shape = tuple(sizes[c] for c in equation.split("->")[1])
    y = contract(
        pen,
        x,
        equation,
        kernel,
        out_shape=shape,
        bias_slots=pen.slots(dense.bias) if dense.bias is not None else None,
        edge_type=edge_type,
        key=key,
        free_rows=False,
    )
    if not getattr(dense, "lora_enabled", False):
        return y
    factors = tuple(Weights(pen.slots(v)) for v in (dense.lora_kernel_a, dense.lora_kernel_b))
    added = einsum_of(pen, x, Composed([factors], kernel.shape), equation, shape, key=f"{key}:lora")
    return combine(pen, [y, added], edge_type=EdgeType.RESIDUAL, commutative=True, residual=True)


def _heads(x: Entries) -> np.ndarray:
    """Node ids [heads, dim]; a projection has the same nodes at every position."""
    return x.node[(0,) * (x.ndim - 2)]


@register_converter(nn_ops.DotProductAttention)
def dot_product_attention(
    pen: Pen,
    operation: Any,
    query: Entries,
    key: Entries,
    value: Entries,
    bias: Any = None,
    mask: Any = None,
    **settings: Any,
) -> Entries:
    """`keras.ops.dot_product_attention`: [batch, time, heads, dim] each, keys shared by groups of heads."""
    if isinstance(bias, Entries):
        raise pen.refuse("adds a bias that the network computes to its scores")
    kv_heads, per_kv = key.shape[2], query.shape[2] // key.shape[2]

    def grouped(x: Entries, axis: int, heads: int) -> Entries:
        """Heads as [key heads, queries per key], so that a key is read where it is, not copied."""
        split = (kv_heads, per_kv) if heads > 1 else (1, 1)
        return x.rearrange(lambda a: a.reshape(*a.shape[:axis], *split, *a.shape[axis + 1 :]))

    scores = product_sum(pen, (grouped(query, 2, query.shape[2]), key), "btgrd,bsgd->bgrts")
    if isinstance(mask, Entries):
        shape = scores.shape
        mask = grouped(mask, mask.ndim - 3, mask.shape[-3]) if mask.ndim > 2 else mask
        scores = combine(pen, [scores, mask], edge_type=EdgeType.OPERAND, commutative=False, shape=shape)
    result = product_sum(pen, (softmax(pen, scores, (4,)), value), "bgrts,bsgd->btgrd")
    return result.rearrange(lambda a: a.reshape(*query.shape[:3], value.shape[3]))
