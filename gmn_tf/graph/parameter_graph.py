"""The parameter graph as a value: one architecture's structure, immutable, filled with weights at will."""

from __future__ import annotations

import functools
import hashlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import ConversionError
from gmn_tf.graph import schema
from gmn_tf.graph.blocks import Block
from gmn_tf.graph.channels import flatten_partly
from gmn_tf.graph.folding import Structure
from gmn_tf.graph.layout import WeightLayout, set_weights

if TYPE_CHECKING:
    import tensorflow_gnn as tfgnn

EDGE_COLUMNS = (
    schema.SOURCE,
    schema.TARGET,
    schema.TYPE,
    schema.LAYER,
    schema.KERNEL_POSITION,
    schema.ENTRY_POSITION,
    schema.SLOT,
)


class EdgeColumns(Mapping[str, np.ndarray]):
    """The edges' columns by name, expanded from their blocks on first use and then kept."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._columns: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in EDGE_COLUMNS:
            raise KeyError(name)
        if name not in self._columns:
            width = (schema.POSITION_SIZE,) if name.endswith("position") else ()
            parts = [block.column(name) for block in self._blocks]
            column = np.concatenate(parts) if parts else np.zeros((0, *width), np.int32)
            column.flags.writeable = False
            self._columns[name] = column
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(EDGE_COLUMNS)

    def __len__(self) -> int:
        return len(EDGE_COLUMNS)


class ParameterGraph:
    """Structure of the parameter graph of one architecture (Lim et al. 2024, section 2.3).

    Neurons, channels and the like are nodes, every weight is one edge. The structure depends on the
    architecture alone; `values` fills it with the weights of any model of that architecture by one
    gather, `weights` is its exact inverse. Two graphs are equal when their structures are.

    Attributes:
        nodes: numpy columns by name, int32 [num_nodes]: type, layer, index, activation.
        edges: numpy columns by name [num_edges]: source, target, type, layer, slot, and
            kernel_position, entry_position [num_edges, 3].
        blocks: the same edges, unexpanded.
        layout: how the model's weights lie in one flat vector.
        name: the model's name.
        layer_names: what drew each layer number, for people to read.
    """

    def __init__(
        self,
        structure: Structure,
        layout: WeightLayout,
        *,
        name: str = "model",
        layer_names: Mapping[int, str] | None = None,
        trainable_only: bool = False,
    ) -> None:
        for column in structure.nodes.values():
            column.flags.writeable = False
        self.nodes: Mapping[str, np.ndarray] = structure.nodes
        self.blocks = structure.blocks
        self.edges = EdgeColumns(structure.blocks)
        self.layout = layout
        self.name = name
        self.layer_names = dict(layer_names or {})
        self.trainable_only = trainable_only
        self.num_layers = structure.num_layers
        self.num_nodes = int(structure.nodes[schema.TYPE].size)
        self.num_edges = sum(block.size for block in self.blocks)
        self._offsets = np.cumsum([0] + [block.size for block in self.blocks])

    @classmethod
    def from_keras(cls, model: Any, trainable_only: bool = False) -> ParameterGraph:
        """The parameter graph of a built Keras 3 (or tf_keras) model.

        Args:
            model: a built `keras.Model`, or a `tf_keras` model; for a part of one,
                `keras.Model(model.inputs, model.get_layer("x").output)`, which shares its variables.
            trainable_only: leave running statistics and other non-trainable weights out, as the
                paper does; by default every float weight is an edge.

        Raises:
            UnsupportedLayerError: a layer has no converter; the message names it and the way out.
            ConversionError: the model is not built, or its weights cannot be accounted for.
        """
        # Found by name: the graph knows no converter, imports run from `convert` to `graph`.
        convert = importlib.import_module("gmn_tf.convert.from_keras")
        return convert.from_keras(model, trainable_only=trainable_only)

    @property
    def num_parameters(self) -> int:
        """Weights on edges: all float weights of the model (all trainable ones with `trainable_only`)."""
        return int(self._carried.sum())

    # ---- filling and reading back -------------------------------------------------------------

    def values(self, weights: Any, *, extra: Sequence[Any] | None = None) -> np.ndarray:
        """The edges' values, and further numbers per weight beside them.

        Args:
            weights: a model of this architecture, a list shaped like `model.get_weights()`, or flat
                vectors [..., size of the layout].
            extra: further channels, such as gradients, optimiser moments (`gmn_tf.optimizer_slots`) or a
                pruning mask; each as `weights`, or a list shaped like `model.trainable_weights` (None where
                there is no number), or a mapping from variables' paths to arrays. Weights that a channel
                does not name have 0 in it, and so have edges without a weight.

        Returns:
            float32 [num_edges] (float64 for float64 models), or [..., num_edges] for flat vectors. With
            `extra`, [..., num_edges, 1 + len(extra)]: channel 0 is the weight.

        Raises:
            ConversionError: an array does not fit this architecture.
        """
        values = self._gather(self.flatten(weights), schema.PARAMETERLESS_VALUE)
        if extra is None:
            return values
        channels = [values]
        for group in extra:
            channel = self._gather(flatten_partly(self.layout, group), 0.0)
            if channel.shape != values.shape:
                raise ConversionError(
                    f"received a channel of shape {channel.shape} beside weights of shape {values.shape}: "
                    "give both as flat vectors of the same leading shape, or both for one network"
                )
            channels.append(channel)
        return np.stack(channels, axis=-1)

    def _gather(self, flat: np.ndarray, parameterless: float) -> np.ndarray:
        if flat.shape[-1:] != (self.layout.size,):
            raise ConversionError(
                f"received flat weights of length {flat.shape[-1] if flat.ndim else 0}, but this "
                f"architecture has {self.layout.size} float weights"
            )
        values = np.empty((*flat.shape[:-1], self.num_edges), self.layout.dtype)
        for start, stop, slot in self._fill_plan:
            values[..., start:stop] = parameterless if slot is None else flat[..., slot]
        return values

    def flatten(self, weights: Any) -> np.ndarray:
        """The flat vector of a model or list; flat vectors pass through."""
        if isinstance(weights, np.ndarray):
            return weights
        if hasattr(weights, "get_weights"):
            weights = weights.get_weights()
        return self.layout.flatten(weights)

    def flat(self, values: np.ndarray, *, base: Any = None, average_roles: bool = False) -> np.ndarray:
        """Inverse of `values` on flat vectors; see `weights`."""
        values = np.asarray(values)
        if values.shape != (self.num_edges,):
            raise ConversionError(
                f"received values of shape {values.shape}, expected [{self.num_edges}], one per edge"
            )
        flat = np.empty(self.layout.size, self.layout.dtype)
        if not self._carried.all():
            if base is None:
                raise ConversionError(
                    "this graph leaves the non-trainable weights out: pass a model or a list of weights "
                    "as `base`, it supplies them"
                )
            flat[:] = self.flatten(base)
        for start, stop, slot in self._fill_plan:
            if slot is not None:
                flat[slot] = values[start:stop]
        for slots, edges in self._roles:
            given = values[edges]
            if average_roles:
                flat[slots] = given.mean(axis=1)
            elif not np.array_equal(given, np.repeat(given[:, :1], given.shape[1], axis=1), equal_nan=True):
                raise ConversionError(
                    "the roles of one weight disagree: a tied weight stands on several edges, which carry "
                    "different values; make them equal, or pass average_roles=True"
                )
        return flat

    def weights(
        self, values: np.ndarray, *, base: Any = None, average_roles: bool = False
    ) -> list[np.ndarray]:
        """Exact inverse of `values`: a list shaped like `model.get_weights()`.

        Args:
            values: [num_edges].
            base: a model or list that supplies what is on no edge: integer state (counters, seeds),
                and non-trainable weights under `trainable_only`.
            average_roles: a tied weight stands on several edges, one per role; where they carry
                different values, take the mean (for edited weights) instead of refusing.

        Raises:
            ConversionError: the roles of a tied weight disagree, or `base` is needed and not given.
        """
        if base is not None and hasattr(base, "get_weights"):
            base = base.get_weights()
        return self.layout.unflatten(self.flat(values, base=base, average_roles=average_roles), base)

    def assign(self, model: Any, values: np.ndarray) -> None:
        """Writes `values` into a model of this architecture; state on no edge keeps its value.

        Values may be edited ones: a tied weight becomes the mean of its roles.
        """
        set_weights(model, self.weights(values, base=model, average_roles=True))

    def locate(self, edge: int) -> tuple[str, tuple[int, ...]] | None:
        """The variable's path and the index in it of the weight on `edge`; None if it carries none."""
        if not 0 <= edge < self.num_edges:
            raise ConversionError(f"edge {edge} is not in this graph, which has {self.num_edges} edges")
        number = int(np.searchsorted(self._offsets, edge, side="right")) - 1
        block = self.blocks[number]
        if block.slot is None:
            return None
        slot = int(block.slot.reshape(-1)[edge - self._offsets[number]])
        for spec in self.layout.specs:
            if not spec.is_state and spec.offset <= slot < spec.offset + spec.size:
                where = np.unravel_index(slot - spec.offset, spec.shape) if spec.shape else ()
                return spec.path, tuple(int(i) for i in where)
        raise AssertionError("a slot outside the layout")

    def edges_of(self, path: str, index: Sequence[int] = ()) -> np.ndarray:
        """The edges that carry entry `index` of the variable `path` (usually one)."""
        for spec in self.layout.specs:
            if spec.path == path and not spec.is_state:
                if len(index) != len(spec.shape) or not all(
                    0 <= i < n for i, n in zip(index, spec.shape, strict=True)
                ):
                    raise ConversionError(f"index {tuple(index)} is outside {path!r} of shape {spec.shape}")
                inside = np.ravel_multi_index(tuple(index), spec.shape) if spec.shape else 0
                return np.flatnonzero(self.edges[schema.SLOT] == spec.offset + int(inside))
        raise ConversionError(
            f"no float weight {path!r} in this graph; there are "
            f"{', '.join(s.path for s in self.layout.specs[:5])} ..."
        )

    # ---- out of here ------------------------------------------------------------------------------

    def to_graph_tensor(self, values: np.ndarray) -> tfgnn.GraphTensor:
        """A scalar `tfgnn.GraphTensor` of one component; `values` is [num_edges] or [num_edges, channels]."""
        tensor = importlib.import_module("gmn_tf.graph.tensor")  # the one module here that knows TensorFlow
        nodes, edges = (
            {**columns, schema.DEPTH: tensor.depth(columns[schema.LAYER], self.num_layers)}
            for columns in (self.nodes, self.edges)
        )
        return tensor.assemble(nodes, edges, np.asarray(values, np.float32))

    def summary(self) -> str:
        """A table of operations: nodes, edges, parameters and edge types of each."""
        return importlib.import_module("gmn_tf.graph.summary").summary(self)

    def plot(self, path: str | Path, *, values: np.ndarray | None = None) -> None:
        """Draws the graph as a PNG: every node where it is small, operations where it is large."""
        importlib.import_module("gmn_tf.graph.picture").plot(self, path, values=values)

    # ---- as a value ---------------------------------------------------------------------------------

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the structure: equal for equal graphs, in every process."""
        digest = hashlib.sha256(f"{schema.SCHEMA_VERSION}".encode())
        for name in sorted(self.nodes):
            digest.update(np.ascontiguousarray(self.nodes[name]).tobytes())
        for block in self.blocks:
            digest.update(repr((block.type, block.layer, block.shape)).encode())
            for array in (
                block.source,
                block.target,
                *(block.kernel_position or ()),
                b"|",
                *(block.entry_position or ()),
                block.slot,
            ):
                if isinstance(array, bytes):
                    digest.update(array)
                elif array is not None:
                    digest.update(repr(np.shape(array)).encode())
                    digest.update(np.ascontiguousarray(array, np.int64).tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParameterGraph) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return (
            f"<ParameterGraph of {self.name!r}: {self.num_nodes:,} nodes, {self.num_edges:,} edges, "
            f"{self.num_parameters:,} parameters, {self.num_layers} layers>"
        )

    @functools.cached_property
    def _carried(self) -> np.ndarray:
        """Which entries of the flat vector are on an edge."""
        carried = np.zeros(self.layout.size, bool)
        for _, _, slot in self._fill_plan:
            if slot is not None:
                carried[slot] = True
        return carried

    @functools.cached_property
    def _roles(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Tied weights by number of roles: (slots [n], edges [n, roles])."""
        if sum(block.size for block in self.blocks if block.slot is not None) == self.num_parameters:
            return []
        slots = self.edges[schema.SLOT]
        counts = np.bincount(slots[slots >= 0], minlength=self.layout.size)
        order = np.argsort(slots, kind="stable")[int(np.sum(slots < 0)) :]
        starts = np.cumsum(counts) - counts
        found = []
        for roles in np.unique(counts[counts > 1]):
            tied = np.flatnonzero(counts == roles)
            found.append((tied, order[starts[tied][:, None] + np.arange(roles)]))
        return found

    @functools.cached_property
    def _fill_plan(self) -> list[tuple[int, int, slice | np.ndarray | None]]:
        """(first edge, end, slots) per run of edges; a slice where the slots are consecutive."""
        plan: list[tuple[int, int, slice | np.ndarray | None]] = []
        for block, start in zip(self.blocks, self._offsets[:-1], strict=True):
            stop = int(start) + block.size
            slot: slice | np.ndarray | None = None
            if block.slot is not None:
                flat = block.slot.reshape(-1)
                first = int(flat[0])
                consecutive = int(flat[-1]) - first + 1 == flat.size and bool(np.all(np.diff(flat) == 1))
                slot = slice(first, first + flat.size) if consecutive else flat
            plan.append((int(start), stop, slot))
        return plan
