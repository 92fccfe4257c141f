"""What converts as it is; everything made of it is opened and converts too."""

from __future__ import annotations

from keras import Layer

import gmn_tf.convert.converters  # noqa: F401  (registers the converters)
from gmn_tf.convert.registry import registered


def supported_layers() -> list[str]:
    """Names of the Keras layers that have a converter; any layer made of them is opened and works too."""
    return sorted({cls.__name__ for cls in registered() if issubclass(cls, Layer)})
