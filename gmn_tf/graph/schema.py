"""The schema of parameter graphs: the one place where names, label enums and fill values stand.

A parameter graph has one node set and one edge set (Lim et al. 2024, section 2.3). Node labels are
`type`, `layer`, `index`, `activation`; edge labels are `type`, `layer`, `kernel_position` and
`entry_position`. The edge feature `value` holds the parameters. `depth` (layer number divided by the
last layer number, in [0, 1]) is derived from `layer` when a GraphTensor is made, so that encoders
need not know how many layers a network has.
"""

from __future__ import annotations

import enum

SCHEMA_VERSION = 1
"""Raised whenever a label changes its meaning; a metanetwork records the version it was trained on."""

# Sets of the GraphTensor.
NODE_SET = "nodes"
EDGE_SET = "edges"

# Features. Node labels and edge labels share the names that mean the same.
TYPE = "type"
LAYER = "layer"
INDEX = "index"
ACTIVATION = "activation"
DEPTH = "depth"
SOURCE = "source"
TARGET = "target"
KERNEL_POSITION = "kernel_position"
ENTRY_POSITION = "entry_position"
SLOT = "slot"
VALUE = "value"

POSITION_SIZE = 3
"""Coordinates of a kernel position or an entry position; longer tuples are packed injectively."""

NO_POSITION = -1
"""Fill value of a position coordinate that an edge does not have."""

NO_INDEX = -1
"""Index of a hidden node, which is free to be exchanged with others of its layer."""

NO_SLOT = -1
"""Slot of an edge that carries no parameter; its value is `PARAMETERLESS_VALUE`."""

PARAMETERLESS_VALUE = 1.0


class NodeType(enum.IntEnum):
    """What a node stands for."""

    NEURON = 0
    CHANNEL = 1
    BIAS = 2
    NORM_SCALE = 3
    NORM_SHIFT = 4
    NORM_MEAN = 5
    NORM_VARIANCE = 6
    SCALE = 7
    LOCATION = 8
    TOKEN = 9
    HEAD = 10
    PAIR = 11
    GROUP = 12
    ROW = 13
    JOIN = 14
    TIE = 15
    CONSTANT = 16
    VALUE = 17
    STATE = 18


class EdgeType(enum.IntEnum):
    """What an edge does. Those up to `RECURRENT` may carry parameters, those after it do not."""

    LINEAR = 0
    CONV = 1
    DEPTHWISE = 2
    BIAS = 3
    NORM_SCALE = 4
    NORM_SHIFT = 5
    NORM_MEAN = 6
    NORM_VARIANCE = 7
    SCALE = 8
    LOCATION = 9
    EMBEDDING = 10
    QUERY = 11
    KEY = 12
    VALUE = 13
    ATTENTION_OUT = 14
    RECURRENT = 15
    RESIDUAL = 16
    IDENTITY = 17
    MULTIPLY = 18
    OPERAND = 19
    JOIN = 20
    GROUP = 21
    ROW = 22
    PAIR = 23
    HEAD = 24
    WEIGHTED = 25
    SHARED = 26
    TIE = 27


class Activation(enum.IntEnum):
    """The nonlinearity a node ends with. `OTHER` is any function without a name of its own here."""

    LINEAR = 0
    RELU = 1
    RELU6 = 2
    LEAKY_RELU = 3
    PRELU = 4
    ELU = 5
    SELU = 6
    CELU = 7
    GELU = 8
    SILU = 9
    SIGMOID = 10
    HARD_SIGMOID = 11
    HARD_SILU = 12
    TANH = 13
    HARD_TANH = 14
    SOFTMAX = 15
    LOG_SOFTMAX = 16
    SOFTPLUS = 17
    SOFTSIGN = 18
    EXPONENTIAL = 19
    MISH = 20
    SINE = 21
    COSINE = 22
    ABSOLUTE = 23
    SQUARE = 24
    SQUARE_ROOT = 25
    NORMALIZE = 26
    THRESHOLD = 27
    OTHER = 28
