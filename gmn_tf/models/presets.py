"""Named sizes of metanetworks."""

from __future__ import annotations

from typing import Any

from gmn_tf.errors import SchemaError

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"num_blocks": 2, "node_dim": 16, "edge_dim": 16, "message_dim": 16, "readout_dim": 16},
    "small": {"num_blocks": 3, "node_dim": 32, "edge_dim": 32, "message_dim": 32, "readout_dim": 32},
    # 4 blocks and the number of parameters of Lim et al. 2024, appendix (about 750,000); messages run
    # both ways with weights of their own here, so the width is less than the 128 of the paper.
    "paper": {"num_blocks": 4, "node_dim": 104, "edge_dim": 104, "message_dim": 104, "readout_dim": 52},
}
"""Arguments of `GraphMetanetwork` by name. "small" is also what its own defaults are."""


def preset(name: str) -> dict[str, Any]:
    """The arguments of a preset, a copy.

    Raises:
        SchemaError: there is none of that name.
    """
    if name not in PRESETS:
        raise SchemaError(f"received preset {name!r}, expected one of {', '.join(PRESETS)}")
    return dict(PRESETS[name])
