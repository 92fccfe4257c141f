"""Tied weights: a variable in several roles has one edge per role, and tie nodes hold the roles together.

For each axis of the variable there is a tie node per index, with an edge to that index's node in every
role; so a permutation of one role's nodes moves those of the other with it. A table that was sliced
before use is completed here: rows that this input size does not reach are edges too.
"""

from __future__ import annotations

import numpy as np

from gmn_tf.errors import UnsupportedLayerError
from gmn_tf.graph.blocks import Block
from gmn_tf.graph.canvas import Canvas
from gmn_tf.graph.layout import WeightLayout, WeightSpec
from gmn_tf.graph.schema import EdgeType, NodeType


def tie(canvas: Canvas, layout: WeightLayout) -> None:
    """Completes sliced tables and ties the roles of each variable, on a finished drawing."""
    by_spec: dict[int, list[Block]] = {}
    specs = [s for s in layout.specs if not s.is_state]
    starts = np.array([s.offset for s in specs])
    for block in canvas.blocks:
        if block.slot is None:
            continue
        first, last = block.slot.min(), block.slot.max()
        for number in range(
            int(np.searchsorted(starts, first, side="right")) - 1,
            int(np.searchsorted(starts, last, side="right")),
        ):
            by_spec.setdefault(number, []).append(block)
    for number, blocks in by_spec.items():
        spec = specs[number]
        count = sum(b.size for b in blocks)
        if len(blocks) == 1 and count == spec.size:
            continue
        _complete(canvas, spec, blocks)
        _tie(canvas, spec, blocks)


def _edges(spec: WeightSpec, blocks: list[Block]) -> dict[str, np.ndarray]:
    """The variable's edges: slot within the variable, role (block), source, target, layer, labels."""
    found: dict[str, list[np.ndarray]] = {k: [] for k in ("slot", "role", "source", "target", "labels")}
    for role, block in enumerate(blocks):
        assert block.slot is not None
        slot = block.slot.reshape(-1) - spec.offset
        here = (slot >= 0) & (slot < spec.size)
        found["slot"].append(slot[here])
        found["role"].append(np.full(int(here.sum()), role))
        found["source"].append(block.column("source")[here].astype(np.int64))
        found["target"].append(block.column("target")[here].astype(np.int64))
        labels = np.concatenate([block.column("kernel_position"), block.column("entry_position")], axis=1)
        found["labels"].append(labels[here])
    return {k: np.concatenate(v) for k, v in found.items()}


def _complete(canvas: Canvas, spec: WeightSpec, blocks: list[Block]) -> None:
    """Edges for the rows of a table that were sliced away, beside those of its last row."""
    edges = _edges(spec, blocks)
    present = np.zeros(spec.size, bool)
    present[edges["slot"]] = True
    if present.all():
        return
    used = present.reshape(spec.shape)
    for axis in range(used.ndim):
        rest = tuple(a for a in range(used.ndim) if a != axis)
        rows = used.any(axis=rest)
        if not np.array_equal(rows, used.all(axis=rest)):
            continue
        numbers = np.arange(spec.size).reshape(spec.shape)
        last = int(np.flatnonzero(rows)[-1])
        model_row = numbers.take(last, axis=axis).reshape(-1)
        order = np.argsort(edges["slot"], kind="stable")
        at = order[np.searchsorted(edges["slot"][order], model_row)]
        role = blocks[int(edges["role"][at[0]])]
        missing = np.flatnonzero(~rows)
        slots = numbers.take(missing, axis=axis)
        canvas.add_edges(
            edges["source"][at][None, :],
            edges["target"][at][None, :],
            type=EdgeType(role.type),
            layer=role.layer,
            kernel_position=[missing[:, None]],
            entry_position=[edges["labels"][at, i][None, :] for i in (3, 4, 5)],
            slot=np.moveaxis(slots, axis, 0).reshape(missing.size, -1) + spec.offset,
        )
        blocks.append(canvas.blocks[-1])
        return


def _tie(canvas: Canvas, spec: WeightSpec, blocks: list[Block]) -> None:
    edges = _edges(spec, blocks)
    if np.unique(edges["slot"]).size == edges["slot"].size:
        return
    index = np.stack(np.unravel_index(edges["slot"], spec.shape), axis=1) if spec.shape else None
    if index is None:
        return  # a single number: its edges have nothing to permute
    layer = canvas.new_layer()
    if _tie_weight_by_weight(canvas, spec, blocks, edges, layer=layer):
        return
    for axis in range(len(spec.shape)):
        if spec.shape[axis] == 1:
            continue
        along = index[:, axis]
        ends: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        pinned = False
        for role in range(len(blocks)):
            here = edges["role"] == role
            if not here.any():
                continue
            known = False
            for side, name in enumerate(("source", "target")):
                pairs = np.unique(np.stack([edges[name][here], along[here]], axis=1), axis=0)
                if np.unique(pairs[:, 0]).size == len(pairs):  # the node says which index
                    ends.append((pairs[:, 1], pairs[:, 0], np.full(len(pairs), 2 * role + side)))
                    known = True
            labels = edges["labels"][here]
            for column in range(labels.shape[1]):
                pairs = np.unique(np.stack([labels[:, column], along[here]], axis=1), axis=0)
                if len(pairs) > 1 and np.unique(pairs[:, 0]).size == len(pairs):
                    pinned = known = True
            if not known:
                raise UnsupportedLayerError(
                    f"weight {spec.path!r} is tied between operations in a way that has no tie nodes: in one "
                    f"of them neither nodes nor positions tell the indices along axis {axis} apart"
                )
        size = spec.shape[axis]
        nodes = canvas.add_nodes(
            size, type=NodeType.TIE, layer=layer, index=np.arange(size) if pinned else -1
        )
        for which, node, place in ends:
            canvas.add_edges(
                nodes[which],
                node,
                type=EdgeType.TIE,
                layer=layer,
                kernel_position=[axis, place],
            )


def _tie_weight_by_weight(
    canvas: Canvas, spec: WeightSpec, blocks: list[Block], edges: dict[str, np.ndarray], *, layer: int
) -> bool:
    """A tie node per weight, where every role has a node for each weight (elementwise parameters).

    Such weights need not keep rows and columns together, which tie nodes per index would. Returns
    whether it is so.
    """
    ends = []
    for role in range(len(blocks)):
        here = edges["role"] == role
        sides = (np.stack([edges[name][here], edges["slot"][here]], axis=1) for name in ("target", "source"))
        for place, pairs in enumerate(np.unique(side, axis=0) for side in sides):
            if np.unique(pairs[:, 0]).size == len(pairs):
                ends.append((pairs[:, 1], pairs[:, 0], 2 * role + place))
                break
        else:
            return False
    nodes = canvas.add_nodes(spec.size, type=NodeType.TIE, layer=layer)
    for slots, node, place in ends:
        canvas.add_edges(
            nodes[slots], node, type=EdgeType.TIE, layer=layer, kernel_position=[np.full(slots.size, place)]
        )
    return True
