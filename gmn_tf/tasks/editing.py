"""Editing: what an INR shall show after its weights were changed, and how far off it is.

`edited weights = weights + change`, and the loss is the mean squared error between what the edited INR shows
and an operation done to the picture itself (Zhou et al. 2023, section 4.3; Lim et al. 2024, section 5.2; both
in pixels from -1 to 1, whose squared errors are 4 times those of pixels from 0 to 1 here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.inr import operations, zoos

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo

IMAGE, RENDERING = "image", "rendering"


def targets(
    zoo: Zoo, indices: np.ndarray, function: operations.Operation, *, of: str = IMAGE, name: str = "operation"
) -> np.ndarray:
    """What networks shall show once they are edited, float32 [n, H, W, C].

    Args:
        zoo: of INRs of pictures.
        indices: numbers in it.
        function: the operation.
        of: "image": it is done to the picture that the network was fitted to; "rendering": to what the
            network shows, where there are no pictures.
        name: of the operation, for errors.

    Raises:
        RunError: an unknown `of`.
        InrError: the zoo is none of INRs of pictures, or the operation does not keep the pictures' shape.
    """
    if of not in (IMAGE, RENDERING):
        raise RunError(f"received target={of!r}, expected {IMAGE!r} or {RENDERING!r}")
    indices = np.asarray(indices)
    before = zoos.images(zoo, indices) if of == IMAGE else zoos.renderings(zoo, indices)
    return operations.apply(function, before, name=name)


def squared_errors(targets: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Mean squared error of each network over all pixels, float64 [n], from [n, ...] of as many pixels."""
    targets, shown = np.asarray(targets, np.float64), np.asarray(shown, np.float64)
    return np.mean((targets.reshape(len(targets), -1) - shown.reshape(len(shown), -1)) ** 2, axis=1)


def figures(errors: np.ndarray) -> dict[str, float]:
    """ "loss", the mean squared error of all networks, and "psnr", the mean of each one's, in dB."""
    if not np.isfinite(errors).all():
        return {"loss": float("inf"), "psnr": float("nan")}
    decibels = -10.0 * np.log10(np.maximum(errors, 1e-12))
    return {"loss": float(errors.mean()), "psnr": float(decibels.mean())}


def loss() -> Any:
    """The tf_keras loss: mean squared error over pixels, summed over components with their weights."""
    import tf_keras

    return tf_keras.losses.MeanSquaredError(reduction=tf_keras.losses.Reduction.SUM, name="mse")


class Unedited:
    """The networks as they are, beside which edits must be judged; a method of the kind `FIT`."""

    def __init__(self, *, seed: int = 0) -> None:
        self.settings: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []

    num_parameters = 0

    def fit(self, zoo: Any, indices: np.ndarray, *, validation: np.ndarray | None = None) -> Unedited:
        """There is nothing to learn."""
        return self

    def predict(self, zoo: Any, indices: np.ndarray) -> np.ndarray:
        """What the networks show, float32 [n, pixels]."""
        shown = zoos.renderings(zoo, np.asarray(indices))
        return shown.reshape(len(shown), -1)

    def get_state(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray], /) -> Unedited:
        return cls()
