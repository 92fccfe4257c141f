"""Fourier transforms: along positions nodes stay themselves; over different nodes, these are pinned."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import KerasTensor
from keras.src.ops import math as math_ops

from gmn_tf.convert.choosing import combine_all
from gmn_tf.convert.elementwise import combine
from gmn_tf.convert.entries import Entries, fresh, relabel
from gmn_tf.convert.pen import Pen
from gmn_tf.convert.registry import register_converter
from gmn_tf.graph.schema import EdgeType, NodeType


@register_converter(
    math_ops.FFT, math_ops.FFT2, math_ops.IFFT2, math_ops.RFFT, math_ops.IRFFT
)  # fmt: skip
def fourier(pen: Pen, operation: Any, x: Any) -> Any:
    """Real and imaginary parts in, real and imaginary parts out; one of them for real signals."""
    parts = [
        e if isinstance(e, Entries) else pen.constant(keras.ops.convert_to_numpy(e))
        for e in (x if isinstance(x, (tuple, list)) else [x])
    ]
    signal = parts[0]
    if len(parts) > 1:
        signal = combine(pen, parts, edge_type=EdgeType.OPERAND, commutative=False)
    width = 2 if isinstance(operation, (math_ops.FFT2, math_ops.IFFT2)) else 1
    axes = list(range(signal.ndim - width, signal.ndim))
    shapes = [tuple(t.shape) for t in keras.tree.flatten(pen.call.outputs) if isinstance(t, KerasTensor)]
    if signal.separates(axes):
        results = [
            pen.local(relabel(signal, axes, shape, pen.call.number), result=number)
            for number, shape in enumerate(shapes)
        ]
    else:
        results = [_of_all(pen, signal, shape) for shape in shapes]
    return tuple(results) if len(results) > 1 else results[0]


def _of_all(pen: Pen, x: Entries, shape: tuple[int, ...]) -> Entries:
    """Each feature of the result is a sum over all nodes with coefficients of its own, so all are pinned."""
    hub = combine_all(pen, np.unique(x.node))
    layer = pen.canvas.new_layer()
    out = pen.canvas.add_nodes(shape[-1], type=NodeType.NEURON, layer=layer, index=np.arange(shape[-1]))
    pen.canvas.add_edges(hub, out, type=EdgeType.OPERAND, layer=layer)
    return fresh(out, shape, range(len(shape) - 1))
