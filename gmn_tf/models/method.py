"""One way of learning from networks' weights, as the registry's tables hold it: `Method`."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

GRAPH, FIT = "graph", "fit"

_GIVEN = {"self", "kwargs", "units", "output", "num_channels", "seed", "name"}
"""Arguments that the task or the run determines."""


@dataclasses.dataclass(frozen=True)
class Method:
    """One way of predicting from weights.

    Attributes:
        name: as `--method` takes it.
        title: as tables print it.
        kind: `GRAPH` or `FIT`.
        target: "module:Class".
        source: the paper it follows.
        settings: default training settings (`gmn_tf.training.settings.Settings`) that are its own.
        model: default constructor arguments that are not the class's own; sizes are chosen so that
            all methods have about as many parameters as the default metanetwork.
    """

    name: str
    title: str
    kind: str
    target: str
    source: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def on_graphs(self) -> bool:
        """Whether it is a model on GraphTensors."""
        return self.kind == GRAPH

    def load(self) -> Any:
        """The class, imported now."""
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)

    def arguments(self) -> set[str]:
        """Constructor arguments that are for the user to choose."""
        return set(inspect.signature(self.load()).parameters) - _GIVEN
