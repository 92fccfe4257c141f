"""What a network draws from its own random streams: weights, batches, shifts, wrong labels."""

from __future__ import annotations

import numpy as np

from gmn_tf.zoo import recipe
from gmn_tf.zoo.families.architecture import Architecture


def initial_weights(architecture: Architecture, index: int, *, seed: int, scale: float) -> np.ndarray:
    """Flat start [P] of network `index`: `scale` x Glorot-uniform kernels, scales 1, variances 1, else 0."""
    rng = recipe.network_rng(index, seed=seed, use=1)
    pieces = []
    for variable in architecture.variables():
        if variable.role == "kernel":
            *window, fan_in, fan_out = variable.shape
            limit = scale * np.sqrt(6.0 / ((fan_in + fan_out) * np.prod(window)))
            pieces.append(rng.uniform(-limit, limit, variable.size))
        else:
            pieces.append(np.full(variable.size, float(variable.role in ("scale", "variance"))))
    return np.concatenate(pieces).astype(np.float32)


def batch_order(index: int, *, seed: int, steps: int, fraction: float, num_images: int) -> np.ndarray:
    """Image numbers [steps, batch] of network `index`: its own subset, shuffled anew every epoch."""
    rng = recipe.network_rng(index, seed=seed, use=2)
    subset = rng.permutation(num_images)[: max(1, round(fraction * num_images))]
    epochs = -(-steps * recipe.BATCH_SIZE // len(subset))
    order = np.concatenate([rng.permutation(subset) for _ in range(epochs)])
    return order[: steps * recipe.BATCH_SIZE].reshape(steps, recipe.BATCH_SIZE).astype(np.int32)


def noisy_labels(labels: np.ndarray, index: int, *, seed: int, share: float, num_classes: int) -> np.ndarray:
    """The labels [n] as network `index` is told them: a share of them drawn anew, uniformly, once."""
    if not share:
        return labels
    rng = recipe.network_rng(index, seed=seed, use=4)
    replaced = rng.random(len(labels)) < share
    return np.where(replaced, rng.integers(num_classes, size=len(labels)), labels).astype(np.int32)


def shifts(index: int, *, seed: int, steps: int, limit: int) -> np.ndarray:
    """(rows, columns) by which each image of each batch is moved, each -limit..limit, [steps, batch, 2]."""
    rng = recipe.network_rng(index, seed=seed, use=5)
    return rng.integers(-limit, limit + 1, size=(steps, recipe.BATCH_SIZE, 2), dtype=np.int32)


def weight_list(architecture: Architecture, flat: np.ndarray) -> list[np.ndarray]:
    """A flat vector [P] as the list that Keras' `set_weights` takes."""
    ends = np.cumsum([variable.size for variable in architecture.variables()])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(v.shape) for part, v in zip(parts, architecture.variables(), strict=True)]
