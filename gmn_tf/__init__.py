"""Graph metanetworks for Keras: neural networks in, predictions about them out.

The names below are the public surface. They are imported on first use, so that `import gmn_tf` is
light; what must be set before TensorFlow starts is set here, at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gmn_tf import _environment

_environment.prepare()

__version__ = "0.1.0"

_HOMES = {
    "AccuracyProbe": "gmn_tf.probe",
    "ComputationGraph": "gmn_tf.convert.computation_graph",
    "ParameterGraph": "gmn_tf.graph.parameter_graph",
    "check_symmetry": "gmn_tf.convert.check",
    "optimizer_slots": "gmn_tf.convert.optimizer_slots",
    "register_converter": "gmn_tf.convert.registry",
    "supported_layers": "gmn_tf.convert.supported",
    "UnsupportedLayerError": "gmn_tf.errors",
    "GmnError": "gmn_tf.errors",
    "GraphMetanetwork": "gmn_tf.models.graph_metanetwork",
    "WeightsReader": "gmn_tf.convert.weights_files",
    "Zoo": "gmn_tf.zoo.store",
    "load": "gmn_tf.export",
    "rank": "gmn_tf.ranking",
}
_MODULES = ("keras_layers",)

__all__ = [
    "AccuracyProbe",
    "ComputationGraph",
    "GmnError",
    "GraphMetanetwork",
    "ParameterGraph",
    "UnsupportedLayerError",
    "WeightsReader",
    "Zoo",
    "__version__",
    "check_symmetry",
    "keras_layers",
    "load",
    "optimizer_slots",
    "rank",
    "register_converter",
    "supported_layers",
]

if TYPE_CHECKING:
    from gmn_tf import keras_layers
    from gmn_tf.convert.check import check_symmetry
    from gmn_tf.convert.computation_graph import ComputationGraph
    from gmn_tf.convert.optimizer_slots import optimizer_slots
    from gmn_tf.convert.registry import register_converter
    from gmn_tf.convert.supported import supported_layers
    from gmn_tf.convert.weights_files import WeightsReader
    from gmn_tf.errors import GmnError, UnsupportedLayerError
    from gmn_tf.export import load
    from gmn_tf.graph.parameter_graph import ParameterGraph
    from gmn_tf.models.graph_metanetwork import GraphMetanetwork
    from gmn_tf.probe import AccuracyProbe
    from gmn_tf.ranking import rank
    from gmn_tf.zoo.store import Zoo


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"gmn_tf.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'gmn_tf' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
