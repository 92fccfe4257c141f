"""Many INRs fitted at once, each to a picture (or wave) of its own, in one compiled step.

Adam (Kingma and Ba 2015) runs on the stacked flat weights. Networks are fitted side by side in slots; a
network that has reached its quality leaves its slot to the next, so that no arithmetic is spent on it. What a
network becomes does not depend on the networks beside it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.errors import InrError
from gmn_tf.inr import quality
from gmn_tf.inr.architecture import InrArchitecture

BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8
BLOCK = 8
"""Steps between two looks at which networks are done."""

NONE, COSINE = "none", "cosine"


@dataclasses.dataclass(frozen=True)
class FittedNetworks:
    """What `fit_many` gives.

    Attributes:
        flat: weights, float32 [N, P], each row in the order of `InrArchitecture.variables()`.
        psnr: of each against its target, dB, float32 [N].
        steps: steps each was trained for, int64 [N].
    """

    flat: np.ndarray
    psnr: np.ndarray
    steps: np.ndarray


def fit_many(
    architecture: InrArchitecture,
    targets: np.ndarray,
    coordinates: np.ndarray,
    *,
    steps: int = 500,
    learning_rate: float = 5e-3,
    decay: str = NONE,
    target_psnr: float | None = None,
    seed: int = 0,
    first: int = 0,
    initial: np.ndarray | None = None,
    slots: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> FittedNetworks:
    """Fits N INRs, each to its target, by Adam on the mean squared error over all points.

    Of the weights that a network passes through it keeps those with the smallest error.

    Args:
        architecture: what they all look like.
        targets: [N, M, num_outputs], pixels in [0, 1] (or any numbers).
        coordinates: [M, num_inputs], the same for all.
        steps: the most that a network is trained for.
        learning_rate: of the first step.
        decay: "none", or "cosine" from `learning_rate` to 0 over `steps`.
        target_psnr: a network is done at the first step at which it has so many dB; None: never.
        seed, first: network i starts from `architecture.initial`'s weights of number `first + i`.
        initial: other weights to start from, [N, P].
        slots: networks side by side. More of them cost memory; the result is the same.
        progress: called with networks done and networks in all.

    Raises:
        InrError: shapes that do not fit, a number that is not as above, or a network whose error is never
            finite (the learning rate is too large, or a target is not finite).
    """
    targets, coordinates = np.asarray(targets, np.float32), np.asarray(coordinates, np.float32)
    _check(architecture, targets, coordinates, steps=steps, learning_rate=learning_rate, slots=slots)
    if decay not in (NONE, COSINE):
        raise InrError(f'Unknown decay "{decay}": expected "{NONE}" or "{COSINE}".')
    number = len(targets)
    if initial is None:
        initial = architecture.initial(number, seed=seed, first=first)
    if np.shape(initial) != (number, architecture.num_parameters):
        raise InrError(
            f"Received initial weights of shape {np.shape(initial)}, expected "
            f"({number}, {architecture.num_parameters})."
        )
    limit = 10.0 ** (-target_psnr / 10.0) if target_psnr is not None else -1.0
    block = _compiled(architecture, float(learning_rate), int(steps), decay, float(limit))
    found = _run(np.asarray(initial, np.float32), targets, coordinates, block, steps, limit, slots, progress)
    flat, error, taken = found
    if not np.isfinite(error).all():
        raise InrError(
            f"Network {int(np.flatnonzero(~np.isfinite(error))[0])} never had a finite error: lower the "
            f"learning rate, {learning_rate}, and look for NaN in its target."
        )
    return FittedNetworks(flat, quality.of_error(error), taken)


def _run(
    initial: np.ndarray,
    targets: np.ndarray,
    coordinates: np.ndarray,
    block: Callable[..., Any],
    steps: int,
    limit: float,
    slots: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights [N, P], squared errors [N] and steps [N]; networks take slots as others leave them."""
    number = len(initial)
    flat, error, taken = np.empty_like(initial), np.empty(number, np.float32), np.empty(number, np.int64)
    owner = np.arange(min(slots, number))  # network in each slot
    state = _fresh(initial[owner])
    following, done = len(owner), 0
    while done < number:
        state = [np.array(tensor) for tensor in block(*state, targets[owner], coordinates)]
        _, _, _, best, best_error, step = state
        finished = np.flatnonzero((owner >= 0) & ((best_error <= limit) | (step > steps)))
        flat[owner[finished]], error[owner[finished]] = best[finished], best_error[finished]
        taken[owner[finished]] = np.minimum(step[finished], steps)
        done += len(finished)
        coming = np.arange(following, min(following + len(finished), number))
        following += len(coming)
        free, idle = finished[: len(coming)], finished[len(coming) :]
        owner[free] = coming
        for values, start in zip(state, _fresh(initial[coming]), strict=True):
            values[free] = start
        owner[idle] = -1  # its state says that it is done, so that it stays as it is
        if progress is not None and len(finished):
            progress(done, number)
    return flat, error, taken


def _fresh(flat: np.ndarray) -> list[np.ndarray]:
    """The state of networks before the first step: weights, two moments, best weights, their error, step."""
    number = len(flat)
    zeros = np.zeros_like(flat)
    return [
        flat,
        zeros,
        zeros.copy(),
        flat.copy(),
        np.full(number, np.inf, np.float32),
        np.zeros(number, np.int32),
    ]


@functools.lru_cache(maxsize=8)
def _compiled(
    architecture: InrArchitecture, learning_rate: float, steps: int, decay: str, limit: float
) -> Callable[..., Any]:
    """`BLOCK` steps of all slots, compiled; see `_fresh` for the state."""
    trained = np.concatenate([np.full(v.size, v.trainable, np.float32) for v in architecture.variables()])

    def body(
        count: Any, state: tuple[Any, ...], targets: Any, coordinates: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        flat, mean, square, best, best_error, step = state
        with tf.GradientTape() as tape:
            tape.watch(flat)
            error = tf.reduce_mean((architecture.render(flat, coordinates) - targets) ** 2, axis=[1, 2])
        gradient = tape.gradient(error, flat)
        better = (error < best_error) & (step <= steps)
        best = tf.where(better[:, tf.newaxis], flat, best)
        best_error = tf.where(better, error, best_error)
        active = (best_error > limit) & (step <= steps)
        taken = tf.cast(step + 1, tf.float32)[:, tf.newaxis]
        mean = BETA_1 * mean + (1.0 - BETA_1) * gradient
        square = BETA_2 * square + (1.0 - BETA_2) * gradient**2
        rate = learning_rate * tf.sqrt(1.0 - BETA_2**taken) / (1.0 - BETA_1**taken)
        if decay == COSINE:
            rate *= 0.5 + 0.5 * tf.cos((taken - 1.0) * (np.pi / steps))
        change = trained * rate * mean / (tf.sqrt(square) + EPSILON)
        flat = tf.where(active[:, tf.newaxis], flat - change, flat)
        return count + 1, (flat, mean, square, best, best_error, step + tf.cast(active, tf.int32))

    @tf.function(autograph=False)
    def block(*arguments: Any) -> tuple[Any, ...]:
        *state, targets, coordinates = arguments
        _, state = tf.while_loop(
            lambda count, state: count < BLOCK,
            lambda count, state: body(count, state, targets, coordinates),
            (tf.constant(0), tuple(state)),
        )
        return state

    return block


def _check(
    architecture: InrArchitecture,
    targets: np.ndarray,
    coordinates: np.ndarray,
    *,
    steps: int,
    learning_rate: float,
    slots: int,
) -> None:
    expected = f"expected [N, M, {architecture.num_outputs}] and [M, {architecture.num_inputs}]"
    fits = targets.ndim == 3 and coordinates.ndim == 2 and targets.shape[1] == len(coordinates)
    if not fits or (targets.shape[2], coordinates.shape[1]) != (
        architecture.num_outputs,
        architecture.num_inputs,
    ):
        raise InrError(
            f"Received targets of shape {targets.shape} and coordinates of shape {coordinates.shape}, "
            f"{expected}."
        )
    if not len(targets):
        raise InrError(f"Received no targets, {expected}, N at least 1.")
    if steps < 1 or not learning_rate > 0 or slots < 1:
        raise InrError(
            f"Received steps {steps}, learning_rate {learning_rate}, slots {slots}: expected 1 or more "
            "steps and slots, and a learning rate above 0."
        )
