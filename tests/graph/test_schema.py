"""The schema's numbers are what stored graphs and trained metanetworks mean: none may change or move.

A new kind goes to the end. Whoever must change one raises `SCHEMA_VERSION` and changes this test.
"""

from __future__ import annotations

import pytest

from gmn_tf.graph import schema

NODE_TYPES = (
    "neuron channel bias norm_scale norm_shift norm_mean norm_variance scale location token head pair group "
    "row join tie constant value state"
)
EDGE_TYPES = (
    "linear conv depthwise bias norm_scale norm_shift norm_mean norm_variance scale location embedding query "
    "key value attention_out recurrent residual identity multiply operand join group row pair head weighted "
    "shared tie"
)
ACTIVATIONS = (
    "linear relu relu6 leaky_relu prelu elu selu celu gelu silu sigmoid hard_sigmoid hard_silu tanh "
    "hard_tanh softmax log_softmax softplus softsign exponential mish sine cosine absolute square "
    "square_root normalize threshold other"
)


@pytest.mark.parametrize(
    "enum, names",
    [(schema.NodeType, NODE_TYPES), (schema.EdgeType, EDGE_TYPES), (schema.Activation, ACTIVATIONS)],
    ids=["nodes", "edges", "activations"],
)
def test_enum_values_are_pinned(enum, names):
    assert {member.name.lower(): member.value for member in enum} == {
        name: number for number, name in enumerate(names.split())
    }
    assert len(set(enum)) == len(enum.__members__), "no two names for one number"


def test_names_and_fill_values_are_pinned():
    assert schema.SCHEMA_VERSION == 1
    assert (schema.NODE_SET, schema.EDGE_SET) == ("nodes", "edges")
    assert (schema.TYPE, schema.LAYER, schema.INDEX, schema.ACTIVATION) == (
        "type",
        "layer",
        "index",
        "activation",
    )
    assert (schema.SOURCE, schema.TARGET, schema.SLOT, schema.VALUE) == ("source", "target", "slot", "value")
    assert (schema.KERNEL_POSITION, schema.ENTRY_POSITION, schema.DEPTH) == (
        "kernel_position",
        "entry_position",
        "depth",
    )
    assert (schema.POSITION_SIZE, schema.PARAMETERLESS_VALUE) == (3, 1.0)
    assert (schema.NO_POSITION, schema.NO_INDEX, schema.NO_SLOT) == (-1, -1, -1)


def test_edge_types_that_carry_parameters_come_first():
    carrying = {t for t in schema.EdgeType if t < schema.EdgeType.RECURRENT}
    assert schema.EdgeType.RESIDUAL not in carrying and schema.EdgeType.EMBEDDING in carrying
    assert len(carrying) == 15
