"""What a population's code knows of an architecture, whatever its family."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from gmn_tf.errors import ZooError

if TYPE_CHECKING:
    import keras

MIN_PARAMETERS, MAX_PARAMETERS = 500, 10_000
MIN_IMAGE, MAX_IMAGE = 8, 32
NORM_MOMENTUM = 0.9
NORM_EPSILON = 1e-3

_ATTEMPTS = 10_000


class Dropout(Protocol):
    """Drops entries of activations: (x, number of the dropout layer) -> the same shape.

    `axis` is where the networks lie in x; it has one entry for each.
    """

    def __call__(self, x: Any, number: int, /, *, axis: int = 0) -> Any: ...


@dataclasses.dataclass(frozen=True)
class Variable:
    """One weight of an architecture.

    Attributes:
        role: "kernel" (starts Glorot-uniform, decays), "scale" and "variance" (start at 1), "bias", "shift",
            "mean" and any other (start at 0). "mean" and "variance" are a BatchNorm's running statistics,
            "frequencies" the fixed ones of an INR's Fourier features (`gmn_tf.inr`).
        shape: as in the Keras model.
    """

    role: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def trainable(self) -> bool:
        return self.role not in ("mean", "variance", "frequencies")


class Architecture(Protocol):
    """A network's shape: images in, one logit per class out. Frozen dataclasses, one class a family."""

    family: ClassVar[str]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""

    @property
    def num_classes(self) -> int:
        """Number of logits."""

    @property
    def width(self) -> int:
        """The largest number of channels or hidden units: what "wider" means in this family."""

    @property
    def has_dropout(self) -> bool:
        """Whether there is a dropout layer."""

    @property
    def num_parameters(self) -> int:
        """Entries of all variables, running statistics included."""

    def variables(self) -> list[Variable]:
        """All weights, in the order of the Keras model's `get_weights()`."""

    def keras_model(self, *, name: str = ...) -> keras.Model:
        """An untrained functional Keras 3 model; dropout rates are 0 (each network has its own)."""

    def logits(
        self, flat: Any, images: Any, *, dropout: Dropout | None = None, training: bool = False
    ) -> tuple[Any, list[Any]]:
        """Class scores of N networks at once, each on its own images, in TensorFlow.

        Args:
            flat: float32 [N, P], the weights of each in the order of `variables()`.
            images: float32 [N, B, H, W, C].
            dropout: called where the architecture has dropout; None for none.
            training: BatchNorm uses the statistics of the batch.

        Returns:
            [N, B, classes], and for each BatchNorm, in order, mean and (biased) variance of the batch, each
            [N, channels]; an empty list unless `training`.
        """


AnyArchitecture = TypeVar("AnyArchitecture", bound=Architecture)


def draw_within(
    draw: Callable[[], AnyArchitecture | None],
    *,
    family: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    low: int = MIN_PARAMETERS,
    high: int = MAX_PARAMETERS,
) -> AnyArchitecture:
    """The first architecture that `draw` gives (None: it does not fit) with `low` to `high` parameters.

    Raises:
        ZooError: the images are too small or too large, or nothing fits them and the classes.
    """
    if not all(MIN_IMAGE <= side <= MAX_IMAGE for side in image_shape[:2]):
        raise ZooError(
            f"Images of shape {image_shape} do not fit the family {family}: expected {MIN_IMAGE} to "
            f"{MAX_IMAGE} pixels a side."
        )
    for _ in range(_ATTEMPTS):
        candidate = draw()
        if candidate is not None and low <= candidate.num_parameters <= high:
            return candidate
    raise ZooError(
        f"No network of {low} to {high} parameters fits images of shape {image_shape} and "
        f"{num_classes} classes: use smaller images or fewer classes."
    )
