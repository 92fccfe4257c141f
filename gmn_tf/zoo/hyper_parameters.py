"""How each network of a population is trained: hyper-parameters, drawn from the seed.

They range widely on purpose (after the Small CNN Zoo of Unterthiner et al. 2020), so that accuracies spread
from chance to the best these networks can do.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gmn_tf.zoo import recipe
from gmn_tf.zoo.families.architecture import Architecture


@dataclasses.dataclass(frozen=True)
class HyperParameters:
    """How one network was trained; one row of the table."""

    optimizer: str  # "adam", "sgd" (momentum .9), "rmsprop"
    learning_rate: float
    weight_decay: float  # decoupled, kernels only: w -= learning_rate * weight_decay * w
    initial_scale: float  # factor on Glorot-uniform kernels
    steps: int  # batches of 32 images
    train_fraction: float  # share of the training images this network ever sees
    dropout_rate: float  # 0 where the architecture has no dropout
    augmentation: str = "none"  # "none", "shift" (by a pixel or two, each image its own), "noise"
    label_noise: float = 0.0  # share of its training images whose label is drawn anew, once

    def row(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


HYPER_PARAMETERS = tuple(field.name for field in dataclasses.fields(HyperParameters))

_LEARNING_RATES = {"adam": (3e-4, 3e-2), "sgd": (3e-3, 0.3), "rmsprop": (3e-4, 1e-2)}
_LONGER = {"deepsets": 2.0, "vit": 1.5}  # families that learn slowly: factor on the steps
_SMALL_LEARNING_RATES = {"adam": (2e-4, 1e-1), "sgd": (2e-3, 1.0)}


def sample_hyper_parameters(
    name: str, index: int, architecture: Architecture, *, seed: int
) -> HyperParameters:
    """Hyper-parameters of network `index` of the population `name`, decided by these arguments alone."""
    rng = recipe.network_rng(index, seed=seed)
    if recipe.population(name).small:
        return _small(rng, architecture.has_dropout)
    return _varied(rng, architecture.family, architecture.has_dropout)


def _varied(rng: np.random.Generator, family: str, has_dropout: bool) -> HyperParameters:
    optimizer = str(rng.choice(["adam", "adam", "adam", "sgd", "sgd", "rmsprop"]))
    return HyperParameters(
        optimizer=optimizer,
        learning_rate=_log_uniform(rng, *_LEARNING_RATES[optimizer]),
        weight_decay=_log_uniform(rng, 1e-4, 5e-1),
        initial_scale=_log_uniform(rng, 0.4, 2.5),
        steps=round(_log_uniform(rng, 50, 1000) * _LONGER.get(family, 1.0)),
        train_fraction=_log_uniform(rng, 0.1, 1.0),
        dropout_rate=float(rng.uniform(0.0, 0.5)) if has_dropout else 0.0,
        augmentation=str(rng.choice(["none", "none", "shift", "noise"])),
        label_noise=float(rng.uniform(0.0, 0.6)) if rng.random() < 1 / 3 else 0.0,
    )


def _small(rng: np.random.Generator, has_dropout: bool) -> HyperParameters:
    """The first recipe, of the population "cnn"."""
    optimizer = str(rng.choice(["adam", "adam", "sgd"]))
    return HyperParameters(
        optimizer=optimizer,
        learning_rate=_log_uniform(rng, *_SMALL_LEARNING_RATES[optimizer]),
        weight_decay=_log_uniform(rng, 1e-4, 5e-1),
        initial_scale=_log_uniform(rng, 0.3, 3.0),
        steps=round(_log_uniform(rng, 30, 600)),
        train_fraction=_log_uniform(rng, 0.05, 1.0),
        dropout_rate=float(rng.uniform(0.0, 0.5)) if has_dropout else 0.0,
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
