"""The pen: what a converter draws with. It knows the canvas, the model's slots and the current call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from gmn_tf.convert.entries import Entries, index_along, varying_axes
from gmn_tf.convert.registry import way_out
from gmn_tf.convert.relations import in_order, unique_rows
from gmn_tf.convert.trace import Call
from gmn_tf.errors import ConversionError, UnsupportedLayerError
from gmn_tf.graph import schema
from gmn_tf.graph.canvas import Canvas


class Slots:
    """Which part of the flat weight vector each variable has."""

    def __init__(self, offsets: dict[int, int], *, trainable_only: bool) -> None:
        self._offsets = offsets
        self._taken: dict[int, np.ndarray] = {}
        self.left_out: set[int] = set()
        self.trainable_only = trainable_only

    def take(self, variable: keras.Variable, path: str) -> np.ndarray:
        """Slots of `variable`, int64 of its shape; one array, read-only, however often it is taken."""
        if id(variable) not in self._offsets:
            raise ConversionError(f"{path!r} uses {variable.path!r}, which is no weight of the model")
        start = self._offsets[id(variable)]
        if start not in self._taken:
            slots = np.arange(start, start + math.prod(variable.shape), dtype=np.int64)
            slots.flags.writeable = False
            self._taken[start] = slots.reshape(variable.shape)
        return self._taken[start]


class Pen:
    """Draws one call at a time.

    Attributes:
        canvas: where the nodes and edges go.
        call: the call being drawn.
        repeats: how often the call's layer is called in the whole model, where it has weights (else 1).
        repeat: which of these calls this one is, from 0.
        memory: what earlier calls of the same layer have drawn, by the converter's own keys.
        layer_names: what drew each operation's number, for people to read.
        materials: nodes drawn for variables that stand in the network's own tensors.
        read: ids of the symbolic tensors that a call or the model's outputs read.
        value_nodes: node of each weight that has one of its own, by slot; -1 for the others.
    """

    def __init__(self, canvas: Canvas, slots: Slots) -> None:
        self.canvas = canvas
        self._slots = slots
        self.call: Call
        self.repeats = 1
        self.repeat = 0
        self.memory: dict[str, Any] = {}
        self.layer_names: dict[int, str] = {0: "inputs"}
        self.num_constants = 0
        self.materials: dict[bytes, Entries] = {}
        self.read: set[int] = set()
        self.value_nodes = np.full(0, -1, np.int64)

    def slots(self, variable: keras.Variable) -> np.ndarray:
        """Slots of a variable, int64 of its shape; the converter puts each on exactly one edge."""
        return self._slots.take(variable, self.call.path)

    def statistic(self, variable: keras.Variable) -> np.ndarray | None:
        """Slots of a running statistic; None where the graph leaves them out (`trainable_only`)."""
        if self._slots.trainable_only:
            self._slots.left_out.add(id(variable))
            return None
        return self.slots(variable)

    @property
    def shared(self) -> bool:
        """Whether the call's layer is called more than once."""
        return self.repeats > 1

    def layer(self, key: str = "") -> int:
        """The number of the operation `key` of this layer: one number for all calls of the layer."""
        name = f"layer:{key}"
        if name not in self.memory:
            self.memory[name] = self.canvas.new_layer()
        return int(self.memory[name])

    def input(
        self, shape: Sequence[int], *, first_index: int, tokens: bool = False, sequence: bool = False
    ) -> Entries:
        """Entries of a model input: a node per feature of the last axis; one node for all tokens.

        `sequence`: the last axis is one of positions, such as that of a padding mask: one node too.
        """
        shape = tuple(shape)
        channels = len(shape) > 2
        if tokens or len(shape) < 2:
            node = self.canvas.add_nodes(1, type=schema.NodeType.TOKEN, layer=0, index=first_index)
            axes = range(len(shape))
        elif sequence:
            node = self.canvas.add_nodes(1, type=schema.NodeType.CHANNEL, layer=0, index=first_index)
            axes = range(len(shape))
        else:
            node = self.canvas.add_nodes(
                shape[-1],
                type=schema.NodeType.CHANNEL if channels else schema.NodeType.NEURON,
                layer=0,
                index=np.arange(first_index, first_index + shape[-1]),
            )
            axes = range(len(shape) - 1)
        return Entries(
            np.broadcast_to(node, shape), tuple(index_along(shape, a) for a in axes if shape[a] > 1)
        )

    def refuse(self, what: str) -> UnsupportedLayerError:
        """The error to raise for a setting that cannot be drawn."""
        operation = self.call.operation
        return UnsupportedLayerError(
            f"{self.call.path!r} ({type(operation).__name__}) {what}; {way_out(operation)}"
        )

    def constant(self, value: Any) -> Entries:
        """Entries of a constant: no node, told apart by value."""
        self.num_constants += 1
        array = np.asarray(value)
        _, inverse = np.unique(array, return_inverse=True)
        return Entries(
            np.full(array.shape, -1, np.int64),
            (inverse.reshape(array.shape).astype(np.int64),),
            via=np.full(array.shape, -self.num_constants, np.int64),
        )

    def with_nodes(self, entries: Entries, *, per_feature: bool = False) -> Entries:
        """The same entries, with pinned constant nodes for the constants among them.

        A tensor of constants has a node per feature of its last axis; one of equal constants has a single
        node, but where kernels read them (`per_feature`), whose weights then move from one to the other.
        """
        missing = entries.node < 0
        if not missing.any():
            return entries
        differ = any(varying_axes(d) for d in entries.details)
        if missing.all() and entries.ndim and (differ or per_feature):
            return self._with_columns(entries)
        rows, group = unique_rows(*(d[missing] for d in entries.details))
        layer = self.canvas.new_layer()
        ids = self.canvas.add_nodes(
            len(rows), type=schema.NodeType.CONSTANT, layer=layer, index=np.arange(len(rows))
        )
        node = np.array(entries.node)
        node[missing] = ids[group]
        result = Entries(node, entries.coordinates, via=entries.via)
        if group.size == len(rows):
            return result
        # Equal constants, yet each may meet a weight of its own.
        if missing.all():
            axes = [index_along(node.shape, a) for a in range(node.ndim) if node.shape[a] > 1]
            return result.with_coordinates(*axes, copies=True)
        copy = np.zeros(node.shape, np.int64)
        copy[missing] = np.arange(group.size)
        return result.with_coordinates(copy, copies=True)

    def _with_columns(self, entries: Entries) -> Entries:
        """A constant tensor: a node per feature of its last axis; equal columns may be exchanged."""
        shape = entries.shape
        columns = np.concatenate([d.reshape(-1, shape[-1]) for d in entries.details])
        _, label = np.unique(columns, axis=1, return_inverse=True)
        node = self.canvas.add_nodes(
            shape[-1],
            type=schema.NodeType.CONSTANT,
            layer=self.canvas.new_layer(),
            index=in_order(label.reshape(-1)),
        )
        result = Entries(np.broadcast_to(node, shape))
        different = {axis for d in entries.details for axis in varying_axes(d)}
        for axis in range(len(shape) - 1):
            if shape[axis] > 1:  # equal constants, yet each may meet a weight of its own
                result = result.with_coordinates(index_along(shape, axis), copies=axis not in different)
        return result

    def local(self, entries: Entries, *, result: int = 0) -> Entries:
        """The same nodes after a function without parameters that treats every entry alike.

        `result`: which of several results of the call this one is.
        """
        via = np.broadcast_to(np.int64(self.call.number + (result << 32)), entries.shape)
        if np.any(entries.via != entries.via.flat[0]):
            entries = entries.with_coordinates(entries.via)
        return Entries(entries.node, entries.coordinates, via=via)
