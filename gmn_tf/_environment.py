"""What must be set before TensorFlow starts, and the one warning when it is too late."""

from __future__ import annotations

import os
import sys
import warnings

_SETTINGS = {
    # TF-GNN needs tf.keras to be Keras 2 (package tf-keras); Keras 3 stays available as `keras`.
    "TF_USE_LEGACY_KERAS": "1",
    # TensorFlow keeps its CPU memory instead of faulting it in anew: less than half the step time.
    "TF_CPU_ALLOCATOR_USE_BFC": "1",
}


def prepare() -> None:
    """Sets the variables above where the user has not; warns once if TensorFlow already runs."""
    late = [
        name
        for name, value in _SETTINGS.items()
        if "tensorflow" in sys.modules and os.environ.get(name) != value
    ]
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # scikit-learn's OpenMP threads sleep while they wait, instead of taking the processor from others.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if late:
        warnings.warn(
            f"TensorFlow was imported before gmn_tf, too early for {' and '.join(late)} to take effect: "
            "import gmn_tf first, or set "
            + " ".join(f"{name}={_SETTINGS[name]}" for name in late)
            + " in the environment.",
            RuntimeWarning,
            stacklevel=3,
        )
