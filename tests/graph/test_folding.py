"""Folding on hand-made drawings: what merges, what must not, and how the rest is numbered."""

from __future__ import annotations

import numpy as np

from gmn_tf.graph import schema
from gmn_tf.graph.canvas import Canvas, Stage, Step
from gmn_tf.graph.folding import finish
from gmn_tf.graph.schema import Activation, EdgeType, NodeType


class Drawing:
    """A canvas with 2 inputs and 4 hidden nodes that read them; `head` closes it with one output."""

    def __init__(self) -> None:
        self.canvas = Canvas()
        self.inputs = self.canvas.add_nodes(2, type=NodeType.NEURON, layer=0, index=np.arange(2))
        self.hidden = self.kernel(self.inputs, 4)

    def kernel(self, source, size):
        layer = self.canvas.new_layer()
        out = self.canvas.add_nodes(size, type=NodeType.NEURON, layer=layer)
        self.canvas.add_edges(source[:, None], out[None, :], type=EdgeType.LINEAR, layer=layer)
        return out

    def step(self, source, stage=Stage.ACTIVATION, activation=Activation.RELU, **settings):
        layer = self.canvas.new_layer()
        out = self.canvas.add_nodes(
            source.size, type=NodeType.NEURON, layer=layer, activation=activation, stage=stage
        )
        self.canvas.add_step(
            Step(
                source,
                out,
                stage=stage,
                type=EdgeType.IDENTITY,
                layer=layer,
                activation=activation,
                **settings,
            )
        )
        return out

    def head(self, *sources, outputs=()):
        outputs = [self.kernel(np.concatenate(sources), 1), *outputs]
        flat = np.concatenate(outputs)
        return finish(self.canvas, outputs=flat, output_index=np.arange(flat.size))


def kinds(structure):
    return [EdgeType(b.type).name for b in structure.blocks]


def test_an_activation_becomes_a_label():
    d = Drawing()
    structure = d.head(d.step(d.hidden))
    assert kinds(structure) == ["LINEAR", "LINEAR"]
    assert structure.nodes[schema.ACTIVATION].tolist() == [0, 0] + [Activation.RELU] * 4 + [0]
    assert structure.nodes[schema.LAYER].tolist() == [0, 0, 1, 1, 1, 1, 2], "layers are numbered densely"
    assert structure.nodes[schema.INDEX].tolist() == [0, 1, -1, -1, -1, -1, 0]
    assert structure.num_layers == 3 and structure.drawn_layers == (0, 1, 3)


def test_the_order_inside_a_node_is_fixed():
    """Weights, normalisation, residual, activation: each folds after those before it only."""
    d = Drawing()
    x = d.step(d.hidden, Stage.NORMALIZATION, Activation.LINEAR)
    x = d.step(x, Stage.RESIDUAL, Activation.LINEAR)
    assert kinds(d.head(d.step(x))) == ["LINEAR", "LINEAR"]
    d = Drawing()
    x = d.step(d.step(d.hidden), Stage.NORMALIZATION, Activation.LINEAR)
    assert kinds(d.head(x)) == ["LINEAR", "IDENTITY", "LINEAR"]
    d = Drawing()
    assert kinds(d.head(d.step(d.step(d.hidden), activation=Activation.TANH))) == [
        "LINEAR",
        "IDENTITY",
        "LINEAR",
    ]


def test_a_node_with_two_readers_keeps_to_itself():
    d = Drawing()
    structure = d.head(d.step(d.hidden), d.hidden)
    assert kinds(structure) == ["LINEAR", "IDENTITY", "LINEAR"]
    assert structure.nodes[schema.TYPE].size == 2 + 4 + 4 + 1


def test_an_output_is_read_from_outside():
    d = Drawing()
    structure = d.head(d.step(d.hidden), outputs=[d.hidden])
    assert kinds(structure) == ["LINEAR", "IDENTITY", "LINEAR"]
    d = Drawing()
    x = d.step(d.hidden)
    structure = d.head(x, outputs=[x])  # the result itself may be an output: it is the merged node
    assert kinds(structure) == ["LINEAR", "LINEAR"]
    assert structure.nodes[schema.INDEX].tolist() == [0, 1, 1, 2, 3, 4, 0]


def test_half_an_operation_folds_only_if_it_leaves_a_mark():
    d = Drawing()
    structure = d.head(d.step(d.hidden[:2]), d.hidden[2:])
    assert kinds(structure) == ["LINEAR", "LINEAR"]
    assert sorted(structure.nodes[schema.ACTIVATION][2:6]) == [0, 0, Activation.RELU, Activation.RELU]
    d = Drawing()
    structure = d.head(d.step(d.hidden[:2], activation=Activation.OTHER, visible=False), d.hidden[2:])
    assert kinds(structure) == ["LINEAR", "IDENTITY", "LINEAR"]


def test_two_steps_on_parts_of_one_operation_do_not_leave_the_same_label():
    """Two leaky slopes: the second keeps its own nodes, whose layer tells them apart."""
    d = Drawing()
    left = d.step(d.hidden[:2], activation=Activation.LEAKY_RELU)
    right = d.step(d.hidden[2:], activation=Activation.LEAKY_RELU)
    assert kinds(d.head(left, right)).count("IDENTITY") == 1


def test_a_step_that_may_not_fold_stays():
    d = Drawing()
    assert kinds(d.head(d.step(d.hidden, may_fold=False))) == ["LINEAR", "IDENTITY", "LINEAR"]


def test_edges_into_the_results_of_a_step_move_with_it():
    """Gamma's edges end in the step's own node; after folding they end in the convolution's."""
    d = Drawing()
    x = d.step(d.hidden, Stage.NORMALIZATION, Activation.LINEAR)
    layer = d.canvas.num_layers - 1
    source = d.canvas.add_nodes(1, type=NodeType.NORM_SCALE, layer=layer)
    d.canvas.add_edges(source, x, type=EdgeType.NORM_SCALE, layer=layer, slot=np.arange(4))
    structure = d.head(x)
    gamma = next(b for b in structure.blocks if b.type == EdgeType.NORM_SCALE)
    assert gamma.column(schema.TARGET).tolist() == [2, 3, 4, 5]
    assert gamma.column(schema.SLOT).tolist() == [0, 1, 2, 3]


def test_tokens_and_constants_that_nothing_reads_are_dropped():
    d = Drawing()
    d.canvas.add_nodes(3, type=NodeType.TOKEN, layer=0)
    idle = d.canvas.add_nodes(1, type=NodeType.NEURON, layer=0)
    structure = d.head(d.hidden)
    assert NodeType.TOKEN not in structure.nodes[schema.TYPE]
    assert structure.nodes[schema.TYPE].size == 2 + 4 + idle.size + 1, (
        "an unused input is an input all the same"
    )


def test_edges_come_in_the_order_of_their_operations():
    d = Drawing()
    structure = d.head(d.step(d.hidden), d.hidden)
    layers = [b.layer for b in structure.blocks]
    assert layers == sorted(layers)
