"""Names of the features that layers put on a GraphTensor on the way; labels are in `graph.schema`."""

from __future__ import annotations

PACKAGE = "gmn_tf"
"""Under which the layers are registered with Keras."""

UPDATE = "update"
"""Edge feature: the hidden activation of the latest edge update, which messages read."""
