"""How a run of the Small CNN Zoo comes to be: its hyper-parameters, start and images, from a seed.

After Unterthiner et al. 2020, section 4 and their training code: optimiser, learning rate, L2 penalty,
dropout, initialisation, activation and share of the training images vary; 86 epochs, kept at the epochs
`small_cnn_format.STEPS`; images scaled to [-1, 1]. Unlike there, a run has random streams of its own (theirs
all have the seed 42), and batches are smaller than 512 images where there are few.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from gmn_tf.zoo.families.small_cnn import ACTIVATIONS
from gmn_tf.zoo.small_cnn_format import NUM_PARAMETERS, SHAPES

OPTIMIZERS = ("sgd", "adam", "rmsprop")
FRACTIONS = (0.1, 0.25, 0.5, 1.0)
INITIALIZERS = ("glorot_normal", "he_normal", "orthogonal", "RandomNormal", "TruncatedNormal")
LEARNING_RATES = (5e-4, 5e-2)
PENALTIES = (1e-8, 1e-2)
DEVIATIONS = (1e-3, 0.5)  # of the last two initialisers
MAX_DROPOUT = 0.7
MAX_BATCH, MIN_BATCH, MIN_BATCHES = 512, 16, 4

_TRUNCATED_DEVIATION = 0.87962566103423978  # of a standard normal number cut off at 2
_PARAMETERS, _WEIGHTS, _IMAGES = range(3)  # uses of a run's random streams
_STREAM = 6  # of the seed


@dataclasses.dataclass(frozen=True)
class Run:
    """Hyper-parameters of one run, under their published names."""

    activation: str
    optimizer: str
    learning_rate: float
    l2reg: float  # adds l2reg * sum of squares of all kernels to the loss
    dropout: float
    w_init: str
    init_std: float
    train_fraction: float

    def row(self) -> dict[str, Any]:
        """Columns of `metrics.csv.gz`."""
        return {f"config.{name}": value for name, value in dataclasses.asdict(self).items()} | {
            "config.b_init": "zero",
            "config.dnn_architecture": "cnn",
            "config.num_layers": 3,
            "config.num_units": 16,
        }


def draw_run(number: int, *, seed: int) -> Run:
    """Hyper-parameters of run `number`."""
    rng = _rng(number, seed, _PARAMETERS)
    return Run(
        activation=str(rng.choice(ACTIVATIONS)),
        optimizer=str(rng.choice(OPTIMIZERS)),
        learning_rate=_log_uniform(rng, *LEARNING_RATES),
        l2reg=_log_uniform(rng, *PENALTIES),
        dropout=float(rng.uniform(0.0, MAX_DROPOUT)),
        w_init=str(rng.choice(INITIALIZERS)),
        init_std=_log_uniform(rng, *DEVIATIONS),
        train_fraction=float(rng.choice(FRACTIONS)),
    )


def initial_weights(number: int, run: Run, *, seed: int) -> np.ndarray:
    """Start of a run, float32 [4970]; biases are 0.

    Kernels as Keras' initialisers of these names draw them: fan-in and fan-out count the window, orthogonal
    ones are orthogonal as matrices [window * channels, units], truncation is at two standard deviations.
    """
    rng = _rng(number, seed, _WEIGHTS)
    pieces = []
    for shape in SHAPES:
        if len(shape) == 1:
            pieces.append(np.zeros(shape))
            continue
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        fan_out = columns * int(np.prod(shape[:-2]))
        if run.w_init == "orthogonal":
            pieces.append(_orthogonal(rng, rows, columns))
        elif run.w_init in ("RandomNormal", "TruncatedNormal"):
            draw = _truncated if run.w_init == "TruncatedNormal" else _normal
            pieces.append(run.init_std * draw(rng, rows * columns))
        else:
            variance = 2.0 / rows if run.w_init == "he_normal" else 2.0 / (rows + fan_out)
            pieces.append(np.sqrt(variance) / _TRUNCATED_DEVIATION * _truncated(rng, rows * columns))
    flat = np.concatenate([piece.ravel() for piece in pieces]).astype(np.float32)
    assert flat.shape == (NUM_PARAMETERS,)
    return flat


def batch_size(num_images: int) -> int:
    """512, or less where a tenth of the images would not make four batches."""
    return min(MAX_BATCH, max(MIN_BATCH, int(FRACTIONS[0] * num_images) // MIN_BATCHES))


def images_of(number: int, run: Run, *, seed: int, num_images: int) -> np.ndarray:
    """Numbers of the training images that a run sees, at least one batch of them."""
    count = max(batch_size(num_images), round(run.train_fraction * num_images))
    return _rng(number, seed, _IMAGES).permutation(num_images)[:count]


def batches(number: int, images: np.ndarray, *, seed: int, epoch: int, size: int) -> np.ndarray:
    """Image numbers [batches, size] of one epoch, shuffled anew; what does not fill a batch is left out."""
    order = np.random.default_rng([seed, _STREAM, number, _IMAGES, epoch]).permutation(images)
    return order[: len(order) // size * size].reshape(-1, size).astype(np.int32)


def kept_epochs(epochs: int, steps: Sequence[int]) -> tuple[int, ...]:
    """After which epochs a run is kept: the published ones before its end, and its end."""
    return (*(step for step in steps if step < epochs), epochs)


def _rng(number: int, seed: int, use: int) -> np.random.Generator:
    return np.random.default_rng([seed, _STREAM, number, use])


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _normal(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(size=count)


def _truncated(rng: np.random.Generator, count: int) -> np.ndarray:
    """Standard normal numbers, those beyond 2 drawn again."""
    drawn = rng.normal(size=count)
    while (outside := np.abs(drawn) > 2.0).any():
        drawn[outside] = rng.normal(size=int(outside.sum()))
    return drawn


def _orthogonal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Orthonormal rows or columns, whichever are fewer, uniformly drawn (by QR with a positive diagonal)."""
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))
    return q if rows >= columns else q.T
