"""What can be neither converted nor opened, but reads nothing that depends on weights: lookups, hashes."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import tree

from gmn_tf.convert.entries import Composed, Entries, Weights, fresh
from gmn_tf.convert.pen import Pen
from gmn_tf.errors import UnsupportedLayerError
from gmn_tf.graph.canvas import Canvas
from gmn_tf.graph.schema import EdgeType, NodeType


def opaque(
    pen: Pen, operation: Any, *args: Any, refusal: UnsupportedLayerError, **kwargs: Any
) -> Entries | list[Entries]:
    """The results as further inputs of the network: a pinned node per feature, fed by all that is read.

    Whatever is computed from the inputs alone is the same for all weights, so no permutation of neurons
    can change it.

    Raises:
        UnsupportedLayerError: `refusal`, where something that is read depends on weights.
    """
    read = [e for e in tree.flatten((args, kwargs)) if isinstance(e, Entries)]
    if any(isinstance(e, (Weights, Composed)) for e in read):
        raise refusal
    nodes = np.unique(np.concatenate([pen.with_nodes(e).node.reshape(-1) for e in read]))
    if _weighted(pen.canvas)[nodes].any():
        raise refusal
    layer = pen.canvas.new_layer()
    group = pen.canvas.add_nodes(1, type=NodeType.GROUP, layer=layer)
    pen.canvas.add_edges(nodes, group, type=EdgeType.GROUP, layer=layer)
    results, count = [], 0
    for tensor in tree.flatten(pen.call.outputs):
        shape = tuple(tensor.shape)
        size = shape[-1] if len(shape) > 1 else 1
        index = np.arange(count, count + size)
        count += size
        own = pen.canvas.add_nodes(size, type=NodeType.TOKEN, layer=layer, index=index)
        pen.canvas.add_edges(group, own, type=EdgeType.OPERAND, layer=layer)
        results.append(fresh(own, shape, range(len(shape) - (len(shape) > 1))))
    return tree.pack_sequence_as(pen.call.outputs, results)


def _weighted(canvas: Canvas) -> np.ndarray:
    """Whether each node is one that a weight acts on, directly or through other nodes."""
    found = np.zeros(canvas.num_nodes, bool)
    links = [(step.source, step.target) for step in canvas.steps]
    for block in canvas.blocks:
        if block.slot is None:
            links.append((block.source, block.target))
        else:
            found[block.target] = True
    before = -1
    while before != (before := int(found.sum())):
        for source, target in links:
            reached = np.broadcast_to(found[source], np.broadcast_shapes(source.shape, target.shape))
            found[np.broadcast_to(target, reached.shape)[reached]] = True
    return found
