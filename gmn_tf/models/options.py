"""The arguments of a metanetwork: which go together, and which of them are its blocks'."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from gmn_tf.errors import SchemaError
from gmn_tf.layers.canonical_values import symmetry_names
from gmn_tf.models.block import MetanetworkBlock
from gmn_tf.models.edge_block import EdgeBlock
from gmn_tf.models.transformer_block import TransformerBlock

BLOCKS: dict[str, type[EdgeBlock]] = {"message_passing": MetanetworkBlock, "transformer": TransformerBlock}

STATES = "states"
"""Value of `recompute`: states of edges are computed again as well."""


def check(options: dict[str, Any]) -> None:
    """Refuses arguments of `GraphMetanetwork` that do not exist or do not go together.

    Raises:
        SchemaError: which says what was received and what is expected.
    """
    if options["output"] not in ("graph", "edge"):
        raise SchemaError(f"received output={options['output']!r}, expected 'graph' or 'edge'")
    if options["block"] not in BLOCKS:
        raise SchemaError(f"received block={options['block']!r}, expected 'message_passing' or 'transformer'")
    reduce_type = options["reduce_type"]
    if options["block"] == "transformer" and reduce_type not in ("mean", "attention"):
        raise SchemaError(
            f"received reduce_type={reduce_type!r} for block='transformer', which reduces by attention: "
            "leave reduce_type out"
        )
    for name, smallest in (("readout_members", 1), ("num_probes", 0)):
        if options[name] < smallest:
            raise SchemaError(f"received {name}={options[name]}, expected {smallest} or more")
    if options["recompute"] not in (False, True, STATES):
        raise SchemaError(f"received recompute={options['recompute']!r}, expected False, True or {STATES!r}")
    symmetry, num_channels = options["symmetry"], options["num_channels"]
    if symmetry_names(symmetry) and num_channels > 1 and not options["bundled"]:
        raise SchemaError(
            f"received symmetry={symmetry!r} with num_channels={num_channels} of bundled=False, expected "
            "values that are weights alone: other facts of a weight do not scale as it does"
        )


def states_are_written(index: int, number: int) -> bool:
    """Whether block `index` of `number` writes down its edge states under recompute="states".

    The last one does, and every square root of `number`-th (rounded up) before it.
    """
    return (number - 1 - index) % math.ceil(math.sqrt(number)) == 0


def make_blocks(options: dict[str, Any]) -> list[EdgeBlock]:
    """The blocks of a metanetwork; where it answers per edge, the last one leaves the nodes as they are."""
    block = BLOCKS[options["block"]]
    names = {field.name for field in dataclasses.fields(block.settings_class)}
    settings = {name: value for name, value in options.items() if name in names}
    number = options["num_blocks"]
    return [
        block(
            edges_only=options["output"] == "edge" and index == number - 1, name=f"block_{index}", **settings
        )
        for index in range(number)
    ]
