"""Arguments of the layers, checked: received, expected, and the fix in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gmn_tf.errors import LayerArgumentError

PACKAGE = "gmn_tf"
"""The name under which the layers are registered, and stand in `.keras` files."""


def positive_integer(value: Any, name: str, *, smallest: int = 1) -> int:
    """`value` as an int, `smallest` or more."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < smallest:
        raise LayerArgumentError(f"received {name}={value!r}, expected an integer of {smallest} or more")
    return int(value)


def one_of(value: Any, name: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise LayerArgumentError(
            f"received {name}={value!r}, expected one of {', '.join(repr(c) for c in choices)}"
        )
    return str(value)


def permutations(generators: Any, name: str) -> list[list[int]]:
    """Permutations of one number of positions, each as the list of where 0, 1, 2 ... go."""
    if not isinstance(generators, (list, tuple, np.ndarray)):
        raise LayerArgumentError(
            f"received {name}={generators!r}, expected a list of permutations such as [[1, 2, 0]]"
        )
    result: list[list[int]] = []
    for permutation in generators:
        array = np.asarray(permutation)
        if array.ndim != 1 or array.dtype.kind not in "iu" or sorted(array) != list(range(array.size)):
            raise LayerArgumentError(
                f"received {permutation!r} in {name}, expected each of 0 .. n - 1 once: where every one of "
                "the n positions goes, such as [1, 2, 0] for a step around a circle of 3"
            )
        if result and array.size != len(result[0]):
            raise LayerArgumentError(
                f"received permutations of {len(result[0])} and of {array.size} positions in {name}, "
                "expected all of one group to move the same positions"
            )
        result.append([int(i) for i in array])
    return result
