"""Dense, EinsumDense, Embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from gmn_tf.convert.converters.activations import apply_activation
from gmn_tf.convert.elementwise import Parameter, apply_parameters
from gmn_tf.convert.entries import Entries, index_along
from gmn_tf.convert.linear import Columns, bias, linear
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph import schema
from gmn_tf.graph.schema import EdgeType, NodeType


def contract(
    pen: Pen,
    x: Entries,
    equation: str,
    kernel: np.ndarray,
    *,
    out_shape: tuple[int, ...],
    bias_slots: np.ndarray | None = None,
    edge_type: EdgeType = EdgeType.LINEAR,
    key: str = "kernel",
    free_rows: bool = True,
    constant: bool = False,
) -> Entries:
    """An einsum of a tensor and a kernel: `equation` such as "abc,cd->abd", letters only.

    Letters of the kernel that stand in the input are features (one column each), those that stand in
    the output are result nodes; one that stands in both, as b in "abc,bcd->abd", is a feature of both.
    Letters of the input alone are rows, over which the kernel is shared; `free_rows` as in `linear`.
    A `constant` kernel holds no slots but a number for each of its values, which its edges say.
    """
    inputs, output = equation.split("->")
    of_x, of_kernel = inputs.split(",")
    if len(set(of_x)) != len(of_x) or len(set(of_kernel)) != len(of_kernel):
        raise pen.refuse(f"has the equation {equation!r}, which takes a diagonal")
    feature = [c for c in of_kernel if c in of_x]
    result = [c for c in of_kernel if c in output]
    if [c for c in of_kernel if c not in of_x and c not in output]:
        raise pen.refuse(f"has the equation {equation!r}, which sums a kernel axis on its own")
    layer = pen.layer(key)

    def view(array: np.ndarray, letters: list[str]) -> np.ndarray:
        return array.reshape([array.shape[letters.index(c)] if c in letters else 1 for c in of_kernel])

    def draw(columns: Columns, out: np.ndarray) -> None:
        position = columns.position
        pen.canvas.add_edges(
            view(columns.node, feature),
            view(out, result),
            type=EdgeType.OPERAND if constant else edge_type,
            layer=layer,
            kernel_position=[kernel] if constant else None,
            entry_position=None if position is None else [view(p, feature) for p in position],
            slot=None if constant else kernel,
        )
        if bias_slots is not None:
            letters = output[len(output) - bias_slots.ndim :]  # it broadcasts from the right
            sizes = dict(zip(letters, bias_slots.shape, strict=True))
            if _over_rows(bias_slots, output, result):
                return  # along an axis over which the kernel is shared: applied to the result
            there = [c for c in letters if c in result]
            here = [c for c in result if c in letters]
            slots = bias_slots.reshape([sizes[c] for c in there]).transpose([there.index(c) for c in here])
            bias(pen, slots.reshape([sizes.get(c, 1) for c in result]), out, layer=layer)

    rows_of_x = [c for c in of_x if c not in feature]
    same_rows = rows_of_x == [c for c in output if c not in result]
    y = linear(
        pen,
        x,
        draw,
        layer=layer,
        feature_axes=[of_x.index(c) for c in feature],
        out_shape=out_shape,
        out_axes=[output.index(c) for c in result],
        node_type=NodeType.NEURON,
        key=key,
        free_rows=free_rows and same_rows,
    )
    if bias_slots is None or not _over_rows(bias_slots, output, result):
        return y
    return apply_parameters(
        pen, y, [Parameter(bias_slots, EdgeType.BIAS, NodeType.BIAS, f"{key}:bias")], layer=layer
    )


def _over_rows(bias_slots: np.ndarray, output: str, result: list[str]) -> bool:
    """Whether a bias varies along an axis of the output over which the kernel is shared."""
    letters = output[len(output) - bias_slots.ndim :]
    return any(size != 1 for c, size in zip(letters, bias_slots.shape, strict=True) if c not in result)


@register_converter(layers.Dense)
def dense(pen: Pen, layer: layers.Dense, x: Entries) -> Entries:
    refuse_quantised(pen, layer)
    rows = "abcdefgh"[: x.ndim - 1]
    y = contract(
        pen,
        x,
        f"{rows}y,yz->{rows}z",
        pen.slots(layer._kernel),
        out_shape=(*x.shape[:-1], layer.units),
        bias_slots=pen.slots(layer.bias) if layer.use_bias else None,
    )
    return apply_activation(pen, y, layer.activation)


@register_converter(layers.EinsumDense)
def einsum_dense(pen: Pen, layer: layers.EinsumDense, x: Entries) -> Entries:
    refuse_quantised(pen, layer)
    equation = spelled_out(layer.equation, x.ndim)
    kernel = pen.slots(layer._kernel)
    output = equation.split("->")[1]
    sizes = dict(zip(equation.split("->")[0].replace(",", ""), (*x.shape, *kernel.shape), strict=True))
    y = contract(
        pen,
        x,
        equation,
        kernel,
        out_shape=tuple(sizes[c] for c in output),
        bias_slots=pen.slots(layer.bias) if layer.bias is not None else None,
    )
    return apply_activation(pen, y, layer.activation)


def spelled_out(equation: str, ndim: int) -> str:
    """The einsum equation with the letters that `...` stands for."""
    equation = equation.replace(" ", "")
    if "..." not in equation:
        return equation
    inputs, output = equation.split("->")
    of_x, of_kernel = inputs.split(",")
    free = [c for c in "ABCDEFGHIJKL" if c not in equation][: ndim - len(of_x.replace("...", ""))]
    letters = "".join(free)
    return f"{of_x.replace('...', letters)},{of_kernel}->{output.replace('...', letters)}"


def refuse_quantised(pen: Pen, layer: Any) -> None:
    if getattr(layer, "quantization_mode", None):
        raise pen.refuse(f"is quantised ({layer.quantization_mode}); only float weights have an exact graph")


@register_converter(layers.Embedding)
def embedding(pen: Pen, layer: layers.Embedding, tokens: Entries) -> Entries:
    refuse_quantised(pen, layer)
    return embed(pen, pen.slots(layer._embeddings), tokens)


def embed(pen: Pen, table: np.ndarray, tokens: Entries, *, key: str = "") -> Entries:
    """Token nodes, one per row of the table (slots [rows, features]), with an edge to each result node."""
    operation, name = pen.layer(key), f"nodes:{key}"
    if name not in pen.memory:
        rows, features = table.shape
        token = pen.canvas.add_nodes(rows, type=NodeType.TOKEN, layer=operation, index=np.arange(rows))
        out = pen.canvas.add_nodes(features, type=NodeType.NEURON, layer=operation)
        pen.canvas.add_edges(
            token[:, None], out[None, :], type=EdgeType.EMBEDDING, layer=operation, slot=table
        )
        pen.memory[name] = out
    out = pen.memory[name]
    _read_computed_tokens(pen, tokens, out, operation)
    shape = (*tokens.shape, out.size)

    def spread(array: np.ndarray) -> np.ndarray:
        return np.broadcast_to(array[..., None], shape)

    # The tokens' own nodes and coordinates say which entry is which.
    coordinates = [spread(d) for d in (tokens.node, *tokens.details)]
    via = np.broadcast_to(np.int64(-pen.repeat), shape)
    result = Entries(np.broadcast_to(out, shape), tuple(coordinates), via=via)
    if np.all(tokens.node >= 0):
        return result
    # Constant tokens are told apart by value: where one stands twice, its rows are equal copies.
    axes = [a for a in range(tokens.ndim) if tokens.shape[a] > 1]
    return result.with_coordinates(*(index_along(shape, a) for a in axes), copies=True)


def _read_computed_tokens(pen: Pen, tokens: Entries, out: np.ndarray, layer: int) -> None:
    """Edges from nodes that the network computes its tokens from; input tokens are pinned as they are."""
    nodes = np.unique(tokens.node[tokens.node >= 0])
    nodes = nodes[pen.canvas.nodes.type[nodes] != schema.NodeType.TOKEN]
    if nodes.size:
        pen.canvas.add_edges(
            nodes[:, None],
            out[None, :],
            type=EdgeType.OPERAND,
            layer=layer,
            entry_position=[np.arange(nodes.size)[:, None]],
        )
