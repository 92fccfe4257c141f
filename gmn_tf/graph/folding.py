"""Folding: elementwise steps merge into the node they act on, so the graph stays as shallow as the paper's.

An activation becomes a node label, gamma and beta become edges into the node, a residual becomes an
edge into the last branch's output. A step folds where it is the only reader of its node, in the fixed
order weights, normalisation, residual, activation; an invisible step only if it covers the whole
operation, else nodes that are treated differently could no longer be told apart.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from gmn_tf.graph import schema
from gmn_tf.graph.blocks import Block, make_block
from gmn_tf.graph.canvas import Canvas, Nodes, Stage, Step


@dataclasses.dataclass(frozen=True)
class Structure:
    """A finished drawing: node labels and blocks of edges, with nodes and layers numbered densely.

    `drawn_layers` are the numbers that the layers had on the canvas.
    """

    nodes: dict[str, np.ndarray]
    blocks: tuple[Block, ...]
    drawn_layers: tuple[int, ...]

    @property
    def num_layers(self) -> int:
        return len(self.drawn_layers)


def finish(canvas: Canvas, *, outputs: np.ndarray, output_index: np.ndarray) -> Structure:
    """Folds, labels the output nodes, numbers what is left.

    Args:
        canvas: the drawing.
        outputs: int64 [n], distinct nodes that the model's outputs read.
        output_index: int64 [n], their labels.
    """
    nodes = canvas.nodes
    index = nodes.index.copy()
    index[outputs] = output_index
    activation = nodes.activation.copy()
    merged = _fold(canvas, nodes, activation, outputs)
    index[merged[outputs]] = index[outputs]

    blocks = [_moved(block, merged) for block in canvas.blocks]
    for step in canvas.steps:
        source, target = merged[step.source], merged[step.target]
        own = source != target
        if own.any():
            blocks.append(make_block(source[own], target[own], type=step.type, layer=step.layer))
    blocks.sort(key=lambda block: block.layer)  # stable: drawing order within an operation

    used = merged == np.arange(merged.size)
    used &= ~_isolated(nodes, blocks, outputs)
    number = np.cumsum(used) - 1
    layers = np.unique(np.concatenate([[0], nodes.layer[used], [b.layer for b in blocks]]).astype(np.int64))
    return Structure(
        nodes={
            schema.TYPE: nodes.type[used].astype(np.int32),
            schema.LAYER: np.searchsorted(layers, nodes.layer[used]).astype(np.int32),
            schema.INDEX: index[used].astype(np.int32),
            schema.ACTIVATION: activation[used].astype(np.int32),
        },
        blocks=tuple(
            dataclasses.replace(_moved(b, number), layer=int(np.searchsorted(layers, b.layer)))
            for b in blocks
        ),
        drawn_layers=tuple(int(layer) for layer in layers),
    )


def _moved(block: Block, number: np.ndarray) -> Block:
    return dataclasses.replace(
        block, source=number[block.source].astype(np.int32), target=number[block.target].astype(np.int32)
    )


def _isolated(nodes: Nodes, blocks: list[Block], outputs: np.ndarray) -> np.ndarray:
    """Token and constant nodes that nothing reads (an integer input drawn by its embedding's tokens)."""
    touched = np.zeros(nodes.type.size, bool)
    touched[outputs] = True
    for block in blocks:
        touched[block.source] = True
        touched[block.target] = True
    return ~touched & np.isin(nodes.type, (schema.NodeType.TOKEN, schema.NodeType.CONSTANT))


def _fold(canvas: Canvas, nodes: Nodes, activation: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Which node each node is merged into (itself where it stays); sets the labels of activations."""
    size = nodes.type.size
    merged = np.arange(size)
    stage = nodes.stage.copy()
    readers = _readers(canvas, size)
    readers[outputs] += 2  # the outside reads it too
    members = np.bincount(nodes.layer * len(schema.NodeType) + nodes.type)
    marks: dict[tuple[int, int, int], int] = {}
    for step in canvas.steps:
        source = merged[step.source]  # steps stand in topological order, so these are final
        if not _foldable(step, source, stage, readers, nodes, members, marks):
            continue
        merged[step.target] = source
        stage[source] = step.stage
        readers[source] = readers[step.target]
        if step.stage == Stage.ACTIVATION:
            activation[source] = step.activation
    return merged


def _foldable(
    step: Step,
    source: np.ndarray,
    stage: np.ndarray,
    readers: np.ndarray,
    nodes: Nodes,
    members: np.ndarray,
    marks: dict[tuple[int, int, int], int],
) -> bool:
    if not step.may_fold or np.unique(source).size != source.size:
        return False
    if np.any(readers[source] != 1) or np.any(stage[source] >= step.stage):
        return False
    operations = np.unique(nodes.layer[source] * len(schema.NodeType) + nodes.type[source])
    whole = int(members[operations].sum()) == source.size
    if not whole and not step.visible:
        return False
    # Two steps that leave the same label on nodes of one operation could not be told apart.
    keys = [(int(o), int(step.stage), int(step.activation)) for o in operations]
    if step.stage == Stage.ACTIVATION and any(marks.get(k, step.layer) != step.layer for k in keys):
        return False
    if not whole and step.stage == Stage.ACTIVATION and step.activation == schema.Activation.LINEAR:
        return False
    marks.update(dict.fromkeys(keys, step.layer))
    return True


def _readers(canvas: Canvas, size: int) -> np.ndarray:
    """How many operations read each node."""
    pairs = [np.unique(block.source) * canvas.num_layers + block.layer for block in canvas.blocks]
    pairs += [np.unique(step.source) * canvas.num_layers + step.layer for step in canvas.steps]
    if not pairs:
        return np.zeros(size, np.int64)
    return np.bincount(np.unique(np.concatenate(pairs)) // canvas.num_layers, minlength=size)
