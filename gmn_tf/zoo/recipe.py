"""What a population is made of: which families, how many architectures, and the fixed settings of training.

Everything is drawn from the population's seed: each architecture and each network has random streams of its
own.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import families
from gmn_tf.zoo.families.architecture import (
    MAX_PARAMETERS,
    MIN_PARAMETERS,
    NORM_EPSILON,
    NORM_MOMENTUM,
    Architecture,
)

RECIPE_VERSION = 2
SMALL_CNNS, VARYING_CNNS, DIVERSE = "cnn", "varying_cnns", "diverse"

MIN_ARCHITECTURES = 8
BATCH_SIZE = 32
MOMENTUM = 0.9
RMSPROP_DECAY = 0.9
CLIP_NORM = 10.0
NOISE = 0.2  # standard deviation that the augmentation "noise" adds to pixels in [0, 1]

_ARCHITECTURE_STREAM, _NETWORK_STREAM, _SPLIT_STREAM = 0, 1, 2
_BASE_SIZE = 1400


@dataclasses.dataclass(frozen=True)
class Population:
    """What the name of a population stands for.

    Attributes:
        families: architecture i is of family i modulo their number, so all have equal shares.
        networks_per_architecture: so many networks share an architecture ...
        max_architectures: ... until there are so many architectures.
        small: networks of the first recipe, smaller and with fewer hyper-parameters.
        parameters: the fewest and the most that a network may have.
    """

    families: tuple[str, ...]
    networks_per_architecture: int = 20
    max_architectures: int = 256
    small: bool = False
    parameters: tuple[int, int] = (MIN_PARAMETERS, MAX_PARAMETERS)


def populations() -> dict[str, Population]:
    """All populations by name: "cnn", "varying_cnns", "diverse", and each other family by itself."""
    single = {name: Population((name,)) for name in families.FAMILIES if name != SMALL_CNNS}
    return {
        SMALL_CNNS: Population((SMALL_CNNS,), 44, 64, small=True, parameters=(500, 6000)),
        VARYING_CNNS: Population(("cnn",)),
        DIVERSE: Population(tuple(families.FAMILIES)),
        **single,
    }


def population(name: str) -> Population:
    """The population of a name; ZooError where there is none."""
    known = populations()
    if name not in known:
        raise ZooError(f'Unknown family "{name}": expected one of {", ".join(known)}.')
    return known[name]


def describe(name: str) -> dict[str, Any]:
    """The fixed settings of a population's recipe, for the manifest."""
    found = population(name)
    return {
        "version": RECIPE_VERSION,
        "families": list(found.families),
        "batch_size": BATCH_SIZE,
        "momentum": MOMENTUM,
        "rmsprop_decay": RMSPROP_DECAY,
        "clip_norm": CLIP_NORM,
        "norm_momentum": NORM_MOMENTUM,
        "norm_epsilon": NORM_EPSILON,
        "augmentation_noise": NOISE,
        "parameters": list(found.parameters),
    }


def num_architectures(name: str, size: int) -> int:
    """How many architectures `size` networks of a population have; network i has number i modulo that."""
    found = population(name)
    wanted = -(-size // found.networks_per_architecture)
    wanted = min(max(wanted, MIN_ARCHITECTURES), found.max_architectures)
    shares = len(found.families)
    return max(1, min(size, shares * max(1, round(wanted / shares))))


def sample_architecture(
    name: str, number: int, *, seed: int, image_shape: tuple[int, int, int], num_classes: int
) -> Architecture:
    """Architecture `number` of the population with this name and seed."""
    found = population(name)
    shares = len(found.families)
    rng = np.random.default_rng([seed, _ARCHITECTURE_STREAM, number])
    if found.small:
        from gmn_tf.zoo.families.cnn import sample_small

        return sample_small(rng, image_shape=image_shape, num_classes=num_classes, number=number)
    sample = families.sampler(found.families[number % shares])
    return sample(rng, image_shape=image_shape, num_classes=num_classes, number=number // shares)


def network_rng(index: int, *, seed: int, use: int = 0) -> np.random.Generator:
    """Random stream of network `index`.

    Uses: hyper-parameters 0, weights 1, batches 2, dropout and noise 3, wrong labels 4, shifts 5.
    """
    return np.random.default_rng([seed, _NETWORK_STREAM, index, use])


def split_names(size: int, *, seed: int) -> np.ndarray:
    """Split of each network; of 1,400: 1,000 train, 100 validation, 300 test; smaller sizes alike.

    Of every 18 networks beyond 1,400, 15 are for training, 1 for validation and 2 for test.
    """
    base, more = min(size, _BASE_SIZE), max(size - _BASE_SIZE, 0)
    validation, test = max(1, round(base / 14 + more / 18)), max(1, round(base * 3 / 14 + more / 9))
    names = np.array(["train"] * (size - validation - test) + ["validation"] * validation + ["test"] * test)
    return names[np.random.default_rng([seed, _SPLIT_STREAM]).permutation(size)]
