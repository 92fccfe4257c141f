"""Are the variants one function? Answers and gradients on equal inputs and weights, before any timing."""

from __future__ import annotations

import numpy as np

from benchmarks.step.parameters import Arrays

ANSWER_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-3


class Disagreement(AssertionError):
    """Two variants answer differently."""


def check(name: str, answers: Arrays, reference: Arrays | None) -> dict[str, float]:
    """Largest relative differences (to the largest magnitude of each array) of a variant's first step.

    Args:
        name: of the variant.
        answers: its answers. With "reference" among them it brought its own; else `reference` is used.
        reference: the answers of the variant it must agree with; None for the first one, which is only
            checked to be finite and not constant.

    Returns:
        {"answer": ..., "gradient": ...}, what was compared.

    Raises:
        Disagreement: beyond 1e-4 for answers and loss, 1e-3 for gradients; or nonsense.
    """
    for key, array in answers.items():
        if not np.isfinite(array).all():
            raise Disagreement(f"{name}: {key} is not finite")
    if "answer" in answers and np.ptp(answers["answer"]) == 0:
        raise Disagreement(f"{name}: the answers are all alike, which compares nothing")
    if "reference" in answers:
        expected = {"answer": answers["reference"]}
        keys = ["answer"]
    elif reference is None or "answer" not in answers:
        return {}
    else:
        expected = reference
        keys = sorted(expected)
        if keys != sorted(answers):
            raise Disagreement(f"{name}: received {sorted(answers)}, expected {keys}")
    worst = {"answer": 0.0, "gradient": 0.0}
    for key in keys:
        kind = "gradient" if key.startswith("gradient/") else "answer"
        difference = _relative(answers[key], expected[key])
        limit = GRADIENT_TOLERANCE if kind == "gradient" else ANSWER_TOLERANCE
        if not difference <= limit:
            raise Disagreement(f"{name}: {key} differs by {difference:.1e} (relative), allowed {limit:.0e}")
        worst[kind] = max(worst[kind], difference)
    return worst if len(keys) > 1 else {"answer": worst["answer"]}


def _relative(array: np.ndarray, expected: np.ndarray) -> float:
    if array.shape != expected.shape:
        return float("inf")
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(array.astype(np.float64) - expected).max()) / scale
