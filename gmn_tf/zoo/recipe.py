"""How a network of a population comes to be: its architecture and its hyper-parameters, from a seed.

Family "cnn" (after the Varying CNNs of Lim et al. 2024, appendix C.1, and the Small CNN Zoo of
Unterthiner et al. 2020): stacks of one to four 3 x 3 convolutions of different widths, with strides or
pooling, no normalisation, BatchNorm or GroupNorm, several activations, with or without dropout, global
pooling or Flatten before the classifier. Hyper-parameters range widely on purpose, so that accuracies
spread from chance to the best these networks can do.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError

RECIPE_VERSION = 1
FAMILIES = ("cnn",)

NETWORKS_PER_ARCHITECTURE = 44
MIN_ARCHITECTURES, MAX_ARCHITECTURES = 8, 64
MIN_PARAMETERS, TYPICAL_PARAMETERS, MAX_PARAMETERS = 500, 2000, 6000
MIN_IMAGE, MAX_IMAGE = 8, 32
BATCH_SIZE = 32
MOMENTUM = 0.9
CLIP_NORM = 10.0
NORM_MOMENTUM = 0.9
BATCH_NORM_EPSILON = GROUP_NORM_EPSILON = 1e-3

_ARCHITECTURE_STREAM, _NETWORK_STREAM, _SPLIT_STREAM = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Block:
    """Convolution 3 x 3 ("same"), then, each optional: normalisation, activation, pooling 2 x 2, dropout."""

    filters: int
    stride: int = 1
    norm: str = "none"  # "none", "batch", "group"
    groups: int = 1  # of a GroupNorm
    activation: str = "relu"
    pool: str = "none"  # "none", "max", "average"
    dropout: bool = False


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Blocks, then global average pooling or Flatten, optional dropout, and a Dense classifier (logits)."""

    image_shape: tuple[int, int, int]
    num_classes: int
    blocks: tuple[Block, ...]
    head: str = "average"  # "average", "flatten"
    dropout: bool = False

    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) after each block."""
        size = (self.image_shape[0], self.image_shape[1])
        sizes = []
        for block in self.blocks:
            size = (-(-size[0] // block.stride), -(-size[1] // block.stride))
            if block.pool != "none":
                size = (size[0] // 2, size[1] // 2)
            sizes.append(size)
        return sizes

    @property
    def has_dropout(self) -> bool:
        return self.dropout or any(block.dropout for block in self.blocks)

    def variables(self) -> list[Variable]:
        """All weights, in the order of the Keras model's `get_weights()`."""
        variables: list[Variable] = []
        channels = self.image_shape[2]
        for block in self.blocks:
            variables.append(Variable("kernel", (3, 3, channels, block.filters)))
            variables.append(Variable("bias", (block.filters,)))
            channels = block.filters
            if block.norm != "none":
                variables += [Variable("scale", (channels,)), Variable("shift", (channels,))]
            if block.norm == "batch":
                variables += [Variable("mean", (channels,)), Variable("variance", (channels,))]
        height, width = self.sizes()[-1]
        features = channels if self.head == "average" else channels * height * width
        variables.append(Variable("kernel", (features, self.num_classes)))
        variables.append(Variable("bias", (self.num_classes,)))
        return variables

    @property
    def num_parameters(self) -> int:
        return sum(variable.size for variable in self.variables())


@dataclasses.dataclass(frozen=True)
class Variable:
    """One weight of an architecture: role ("kernel", "bias", "scale", "shift", "mean", "variance"), shape."""

    role: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def trainable(self) -> bool:
        return self.role not in ("mean", "variance")


@dataclasses.dataclass(frozen=True)
class HyperParameters:
    """How one network was trained; one row of the table."""

    optimizer: str  # "adam", "sgd" (momentum .9)
    learning_rate: float
    weight_decay: float  # decoupled, kernels only: w -= learning_rate * weight_decay * w
    initial_scale: float  # factor on Glorot-uniform kernels
    steps: int  # batches of 32 images
    train_fraction: float  # share of the training images this network ever sees
    dropout_rate: float  # 0 where the architecture has no dropout

    def row(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


HYPER_PARAMETERS = tuple(field.name for field in dataclasses.fields(HyperParameters))


def check_family(family: str) -> None:
    """Raises ZooError for a family that is not known."""
    if family not in FAMILIES:
        raise ZooError(f'Unknown family "{family}": expected one of {", ".join(FAMILIES)}.')


def describe() -> dict[str, Any]:
    """The fixed settings of the recipe, for the manifest."""
    return {
        "version": RECIPE_VERSION,
        "batch_size": BATCH_SIZE,
        "momentum": MOMENTUM,
        "clip_norm": CLIP_NORM,
        "norm_momentum": NORM_MOMENTUM,
        "norm_epsilon": BATCH_NORM_EPSILON,
        "parameters": [MIN_PARAMETERS, MAX_PARAMETERS],
        "hyper_parameters": list(HYPER_PARAMETERS),
    }


def num_architectures(size: int) -> int:
    """How many architectures a population of `size` networks has; network i has number i modulo that."""
    wanted = min(max(-(-size // NETWORKS_PER_ARCHITECTURE), MIN_ARCHITECTURES), MAX_ARCHITECTURES)
    return max(1, min(size, wanted))


def sample_architecture(
    number: int, *, seed: int, image_shape: tuple[int, int, int], num_classes: int
) -> Architecture:
    """Architecture `number` of the population with this seed."""
    if not all(MIN_IMAGE <= side <= MAX_IMAGE for side in image_shape[:2]):
        raise ZooError(
            f"Images of shape {image_shape} do not fit the family cnn: expected {MIN_IMAGE} to {MAX_IMAGE} "
            "pixels a side."
        )
    rng = np.random.default_rng([seed, _ARCHITECTURE_STREAM, number])
    depth = (3, 2, 4, 1, 3, 4, 2, 3)[number % 8]
    norm = ("none", "batch", "group")[number % 3]
    low = TYPICAL_PARAMETERS if rng.random() < 0.8 else MIN_PARAMETERS
    for _ in range(10_000):
        candidate = _draw(rng, depth, norm, image_shape, num_classes)
        if low <= candidate.num_parameters <= MAX_PARAMETERS and min(candidate.sizes()[-1]) >= 2:
            return candidate
    raise ZooError(
        f"No network of {low} to {MAX_PARAMETERS} parameters fits images of shape {image_shape} and "
        f"{num_classes} classes: use smaller images or fewer classes."
    )


def _draw(
    rng: np.random.Generator, depth: int, norm: str, image_shape: tuple[int, int, int], num_classes: int
) -> Architecture:
    activation = str(rng.choice(["relu", "relu", "relu", "tanh", "gelu"]))
    pool = str(rng.choice(["max", "average"]))
    dropout = str(rng.choice(["none", "head", "blocks"]))
    size = min(image_shape[:2])
    blocks = []
    for index in range(depth):
        filters = 4 * int(rng.integers(2, 8))
        # Full-size images are expensive: at most the first block leaves 8 or more pixels a side.
        shrink = (
            size > 8 or (size > 4 and (index > 0 or rng.random() < 0.6)) or (size > 2 and rng.random() < 0.3)
        )
        by_pool = bool(shrink and rng.random() < 0.4)
        stride = 2 if shrink and (not by_pool or size > 16) else 1
        size = -(-size // stride)
        size = size // 2 if by_pool else size
        blocks.append(
            Block(
                filters=filters,
                stride=stride,
                norm=norm,
                groups=int(rng.choice([2, 4])) if norm == "group" else 1,
                activation=activation,
                pool=pool if by_pool else "none",
                dropout=dropout == "blocks" and index > 0,
            )
        )
    head = "average" if depth > 1 and rng.random() < 0.5 else "flatten"
    return Architecture(image_shape, num_classes, tuple(blocks), head, dropout != "none")


def sample_hyper_parameters(index: int, architecture: Architecture, *, seed: int) -> HyperParameters:
    """Hyper-parameters of network `index`, decided by the seed, the number and the architecture alone."""
    rng = network_rng(index, seed=seed)
    optimizer = str(rng.choice(["adam", "adam", "sgd"]))
    low, high = (2e-4, 1e-1) if optimizer == "adam" else (2e-3, 1.0)
    return HyperParameters(
        optimizer=optimizer,
        learning_rate=_log_uniform(rng, low, high),
        weight_decay=_log_uniform(rng, 1e-4, 5e-1),
        initial_scale=_log_uniform(rng, 0.3, 3.0),
        steps=round(_log_uniform(rng, 30, 600)),
        train_fraction=_log_uniform(rng, 0.05, 1.0),
        dropout_rate=float(rng.uniform(0.0, 0.5)) if architecture.has_dropout else 0.0,
    )


def network_rng(index: int, *, seed: int, use: int = 0) -> np.random.Generator:
    """Random stream of network `index`; `use`: hyper-parameters 0, weights 1, batches 2, dropout 3."""
    return np.random.default_rng([seed, _NETWORK_STREAM, index, use])


def split_names(size: int, *, seed: int) -> np.ndarray:
    """Split of each network; of 1,400: 1,000 train, 100 validation, 300 test; other sizes alike."""
    validation, test = max(1, round(size / 14)), max(1, round(size * 3 / 14))
    names = np.array(["train"] * (size - validation - test) + ["validation"] * validation + ["test"] * test)
    return names[np.random.default_rng([seed, _SPLIT_STREAM]).permutation(size)]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
