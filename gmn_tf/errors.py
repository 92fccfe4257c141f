"""Every error this package raises on purpose: one sentence that says received, expected and the fix.

All derive from `ValueError`, so callers that know nothing of this package can catch them; the
command line turns each into that sentence and exit code 2.
"""

from __future__ import annotations


class GmnError(ValueError):
    """Base of every error raised by gmn_tf for a reason a user can act on."""


class UnsupportedLayerError(GmnError):
    """A layer or operation that no converter can draw, named by its path in the model."""


class ConversionError(GmnError):
    """A model that is understood but whose graph would be unsound, or whose weights do not fit."""


class ModelFileError(GmnError):
    """A file that is not a loadable, safe Keras model."""


class WeightsFileError(ModelFileError, ConversionError):
    """A file of weights that cannot be read, or whose weights are another architecture's."""


class ZooError(GmnError):
    """A model zoo that is missing, empty, cut short or made by another version."""


class InrError(GmnError):
    """An implicit neural representation that cannot be made, fitted, read or rendered as asked."""


class SchemaError(GmnError):
    """Graphs and a metanetwork (or an export) that were made for different schemas."""


class RunError(GmnError):
    """A training run, export folder or argument that cannot be used as asked."""


class LayerArgumentError(GmnError):
    """An argument or an input shape that a layer of gmn_tf.keras_layers cannot be built with."""


class NotAPlainChainError(SchemaError):
    """A network whose layers do not simply follow one another, for a model that reads plain chains alone."""
