"""What the families of sets, patches and sequences share: variables, norms, patches."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import numpy as np
from keras import layers

from gmn_tf.zoo.families.architecture import NORM_EPSILON, NORM_MOMENTUM, Variable

TYPICAL_PARAMETERS = (1000, 6000)
_TYPICAL_SHARE = 0.8

Patch = tuple[int, int]
"""Height and width of a patch in pixels; both divide the image's."""


@dataclasses.dataclass(frozen=True)
class SequenceArchitecture(abc.ABC):
    """An image classifier that sees its image as a set or a sequence; see `architecture.Architecture`."""

    image_shape: tuple[int, int, int]
    num_classes: int

    @abc.abstractmethod
    def variables(self) -> list[Variable]:
        """All weights, in the order of the Keras model's `get_weights()`."""

    @property
    def num_parameters(self) -> int:
        return sum(variable.size for variable in self.variables())


def dense(features: int, units: int) -> list[Variable]:
    """Kernel and bias of a Dense layer."""
    return [Variable("kernel", (features, units)), Variable("bias", (units,))]


def norm(kind: str, features: int) -> list[Variable]:
    """Weights of a normalisation: "none", "layer" or "batch"."""
    if kind == "none":
        return []
    variables = [Variable("scale", (features,)), Variable("shift", (features,))]
    if kind == "batch":
        variables += [Variable("mean", (features,)), Variable("variance", (features,))]
    return variables


def keras_norm(x: Any, kind: str, *, name: str) -> Any:
    """The same normalisation by its Keras layer."""
    if kind == "none":
        return x
    if kind == "batch":
        return layers.BatchNormalization(momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, name=name)(x)
    return layers.LayerNormalization(epsilon=NORM_EPSILON, name=name)(x)


def keras_pool(x: Any, kind: str, *, name: str) -> Any:
    """ "mean" or "max" over the elements, [batch, elements, features] -> [batch, features]."""
    pooling = layers.GlobalMaxPooling1D if kind == "max" else layers.GlobalAveragePooling1D
    return pooling(name=name)(x)


def draw_bounds(rng: np.random.Generator) -> dict[str, int]:
    """Bounds for `draw_within`: those of a typical network four times of five, else the widest."""
    if rng.random() >= _TYPICAL_SHARE:
        return {}
    return dict(zip(("low", "high"), TYPICAL_PARAMETERS, strict=True))


def draw_patch(
    rng: np.random.Generator, image_shape: tuple[int, int, int], *, patches: range
) -> Patch | None:
    """A patch that divides the image into a number of patches within `patches`, mostly a square one."""
    height, width, _ = image_shape
    sizes = [(h, w) for h in _divisors(height) for w in _divisors(width)]
    sizes = [size for size in sizes if num_patches(image_shape, size) in patches]
    squares = [size for size in sizes if size[0] == size[1]]
    if squares and rng.random() < 0.7:
        sizes = squares
    return sizes[int(rng.integers(len(sizes)))] if sizes else None


def num_patches(image_shape: tuple[int, int, int], patch: Patch) -> int:
    return (image_shape[0] // patch[0]) * (image_shape[1] // patch[1])


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]
