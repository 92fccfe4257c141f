"""What the reports of all tasks begin with: which run was judged, on which networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.training.folder import zoo_hash

if TYPE_CHECKING:
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo

REPORT = "report.json"
"""The file of every report."""


def judged_networks(run: Run, zoo: Zoo, split: str) -> np.ndarray:
    """The networks of a split, in the setting that the run was trained in.

    Raises:
        ZooError: there are none, or the zoo lacks the setting.
    """
    indices = zoo.indices(split, run.setting)
    if not len(indices):
        raise ZooError(f"received an empty {split} split, expected networks in it: make a larger zoo")
    return indices


def facts(run: Run, zoo: Zoo, *, split: str, networks: int, seed: int | None = None) -> dict[str, Any]:
    """{"method", "setting", "split", "networks", "zoo_hash", "trained_on_this_zoo", "seed"}; the seed is
    the run's where none is given."""
    identity = zoo_hash(zoo)
    return {
        "method": run.method.name,
        "setting": run.setting,
        "split": split,
        "networks": networks,
        "zoo_hash": identity,
        "trained_on_this_zoo": run.config.get("zoo_hash") == identity,
        "seed": int(run.config["settings"]["seed"]) if seed is None else seed,
    }
