"""Where a parameter graph is drawn: nodes, blocks of edges, and elementwise steps that may fold.

Converters draw on a canvas; `finish` folds what may be folded (see `gmn_tf.graph.folding`), numbers
the nodes and layers that are left, and returns the finished structure.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np

from gmn_tf.graph import schema
from gmn_tf.graph.blocks import Block, Position, make_block


class Stage(enum.IntEnum):
    """Order of what happens inside one node; a step folds only into a node of an earlier stage."""

    WEIGHTS = 0
    NORMALIZATION = 1
    RESIDUAL = 2
    ACTIVATION = 3
    CLOSED = 4


@dataclasses.dataclass(frozen=True)
class Step:
    """An elementwise step from nodes `source` to new nodes `target`, one to one.

    Attributes:
        source, target: int64 [n].
        stage: the step's place inside a node.
        type: the edges' type where the step does not fold.
        layer: number of the operation.
        activation: the label that a folded activation leaves on its node.
        visible: whether the step leaves a mark (edges of its own, an unambiguous activation label).
            One that leaves none folds only when it covers every node of the operation it acts on.
        may_fold: False where entries must be told apart by the step's own nodes.
    """

    source: np.ndarray
    target: np.ndarray
    stage: Stage
    type: schema.EdgeType
    layer: int
    activation: schema.Activation = schema.Activation.LINEAR
    visible: bool = True
    may_fold: bool = True


@dataclasses.dataclass
class Nodes:
    """Labels of all nodes, each int64 [num_nodes]."""

    type: np.ndarray
    layer: np.ndarray
    index: np.ndarray
    activation: np.ndarray
    stage: np.ndarray


class Canvas:
    """Collects nodes, blocks and steps. Layer 0 belongs to the inputs."""

    def __init__(self) -> None:
        self.num_nodes = 0
        self.num_layers = 1
        self.blocks: list[Block] = []
        self.steps: list[Step] = []
        self._columns: list[tuple[np.ndarray, ...]] = []
        self._finished_columns: Nodes | None = None

    def new_layer(self) -> int:
        """The number of the next operation in topological order."""
        self.num_layers += 1
        return self.num_layers - 1

    def add_nodes(
        self,
        shape: int | tuple[int, ...],
        *,
        type: schema.NodeType,
        layer: int,
        index: np.ndarray | int = schema.NO_INDEX,
        activation: schema.Activation = schema.Activation.LINEAR,
        stage: Stage = Stage.WEIGHTS,
    ) -> np.ndarray:
        """New nodes; returns their ids as an int64 array of `shape`."""
        ids = np.arange(self.num_nodes, self.num_nodes + int(np.prod(shape)), dtype=np.int64)
        self.num_nodes += ids.size
        index_column = np.broadcast_to(np.asarray(index, np.int64), shape).reshape(-1)
        self._columns.append(
            (
                np.full(ids.size, type, np.int64),
                np.full(ids.size, layer, np.int64),
                index_column,
                np.full(ids.size, activation, np.int64),
                np.full(ids.size, stage, np.int64),
            )
        )
        self._finished_columns = None
        return ids.reshape(shape)

    def add_edges(
        self,
        source: np.ndarray,
        target: np.ndarray,
        *,
        type: schema.EdgeType,
        layer: int,
        kernel_position: Position = None,
        entry_position: Position = None,
        slot: np.ndarray | None = None,
    ) -> None:
        """Edges between broadcastable arrays of node ids; see `gmn_tf.graph.blocks.Block`."""
        block = make_block(
            source,
            target,
            type=type,
            layer=layer,
            kernel_position=kernel_position,
            entry_position=entry_position,
            slot=slot,
        )
        if block.size:
            self.blocks.append(block)

    def add_step(self, step: Step) -> None:
        if step.source.size:
            self.steps.append(step)

    @property
    def nodes(self) -> Nodes:
        """Labels of the nodes drawn so far."""
        if self._finished_columns is None:
            if not self._columns:
                empty = np.zeros(0, np.int64)
                return Nodes(empty, empty, empty, empty, empty)
            self._finished_columns = Nodes(*(np.concatenate(c) for c in zip(*self._columns, strict=True)))
            self._columns = [tuple(dataclasses.astuple(self._finished_columns))]
        return self._finished_columns
