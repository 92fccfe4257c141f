"""The variants by name: what each is, where it runs, and the settings of its process."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

TRUNK = "trunk"
WHOLE = "whole"
OTHER = "other"
FLOOR = "floor"

_KEEP_MEMORY = {  # glibc returns no memory to the system, so that it is not faulted in anew each step
    "MALLOC_MMAP_THRESHOLD_": str(2**40),
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
}
_TENSORFLOW = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
_PLAIN = {**_TENSORFLOW, "TF_CPU_ALLOCATOR_USE_BFC": "0"}
_TUNED = {**_TENSORFLOW, "TF_CPU_ALLOCATOR_USE_BFC": "1"}


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to take the step.

    Attributes:
        title: for the table.
        factory: "module:function", from a Problem to a `worker.Run`.
        scope: `TRUNK` (same equations, inputs and weights, answers compared with each other), `WHOLE` (the
            public path of GraphMetanetwork, answers compared with one network at a time), `OTHER` (other
            equations), or `FLOOR`.
        torch: whether it runs in the interpreter that has torch.
        environment: of its process, on top of the caller's.
    """

    title: str
    factory: str
    scope: str
    torch: bool = False
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


VARIANTS = {
    "pyg": Variant("PyTorch Geometric, as shipped", "benchmarks.step.pyg:shipped", TRUNK, True),
    "pyg_memory": Variant(
        "PyTorch Geometric, memory kept, all cores", "benchmarks.step.pyg:tuned", TRUNK, True, _KEEP_MEMORY
    ),
    "pyg_compile": Variant(
        "the same, torch.compile", "benchmarks.step.pyg:compiled", TRUNK, True, _KEEP_MEMORY
    ),
    "tfgnn": Variant("stock TF-GNN, as shipped", "benchmarks.step.stock:shipped", TRUNK, False, _PLAIN),
    "tfgnn_xla": Variant(
        "stock TF-GNN, memory kept, XLA", "benchmarks.step.stock:tuned", TRUNK, False, _TUNED
    ),
    "trunk": Variant("gmn_tf's blocks", "benchmarks.step.trunk:trunk", TRUNK, False, _TUNED),
    "trunk_recompute": Variant(
        "gmn_tf's blocks, recompute=True", "benchmarks.step.trunk:recomputing", TRUNK, False, _TUNED
    ),
    "vanilla_mpnn": Variant(
        "TF-GNN's VanillaMPNN (no edge states), memory kept, XLA",
        "benchmarks.step.stock:vanilla",
        OTHER,
        False,
        _TUNED,
    ),
    "step": Variant("GraphMetanetwork, train step alone", "benchmarks.step.whole:step", WHOLE, False, _TUNED),
    "fit": Variant("GraphMetanetwork, fit", "benchmarks.step.whole:fit", WHOLE, False, _TUNED),
    "bundled": Variant(
        "GraphMetanetwork, fit, bundled kernels", "benchmarks.step.whole:bundled", WHOLE, False, _TUNED
    ),
    "pipeline": Variant("input pipeline alone", "benchmarks.step.whole:pipeline_alone", OTHER, False, _TUNED),
    "floor_tf": Variant(
        "matrix products, TensorFlow", "benchmarks.step.floor_tensorflow:floor", FLOOR, False, _TUNED
    ),
    "floor_torch": Variant(
        "matrix products, torch", "benchmarks.step.floor_torch:floor", FLOOR, True, _KEEP_MEMORY
    ),
}

PARTIES = (
    (
        "pyg",
        "pyg_memory",
        "pyg_compile",
        "tfgnn",
        "tfgnn_xla",
        "trunk",
        "trunk_recompute",
        "floor_tf",
        "floor_torch",
    ),
    (
        "pyg_memory",
        "trunk",
        "step",
        "fit",
        "bundled",
        "pipeline",
        "vanilla_mpnn",
        "floor_tf",
        "floor_torch",
    ),
)
"""Who takes turns with whom: all at once would need 30 GB. Ratios are taken within a party."""
