"""Image operations that networks are taught to do to what they show: `operation`, `OPERATIONS`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.contrast import raise_contrast

Operation = Callable[[np.ndarray], np.ndarray]
"""From images [N, H, W, C] in [0, 1] to images of the same shape; each image by itself."""


def dilate(images: np.ndarray, *, side: int = 3) -> np.ndarray:
    """The largest value in a square around each pixel; pixels outside do not count.

    With a side of 3 it is what Zhou et al. 2023 (section 4.3) teach MNIST INRs: OpenCV's `dilate` with a
    3 x 3 kernel of ones.
    """
    from scipy.ndimage import maximum_filter

    return maximum_filter(images, size=(1, side, side, 1), mode="constant", cval=-np.inf)


def erode(images: np.ndarray, *, side: int = 3) -> np.ndarray:
    """The smallest value in a square around each pixel; pixels outside do not count."""
    from scipy.ndimage import minimum_filter

    return minimum_filter(images, size=(1, side, side, 1), mode="constant", cval=np.inf)


def rotate(images: np.ndarray, *, degrees: float = 90.0) -> np.ndarray:
    """Turned anticlockwise about the centre, bilinear; what comes in from outside is 0.

    Quarter turns of square images are exact.
    """
    from scipy.ndimage import rotate as turned

    quarters = degrees / 90.0
    if quarters == int(quarters) and images.shape[1] == images.shape[2]:
        return np.rot90(images, int(quarters), axes=(1, 2)).copy()
    return turned(images, degrees, axes=(2, 1), reshape=False, order=1, mode="constant", cval=0.0)


OPERATIONS: dict[str, tuple[Callable[..., np.ndarray], str | None, float]] = {
    "dilate": (dilate, "side", 3),
    "erode": (erode, "side", 3),
    "contrast": (raise_contrast, None, 0),
    "rotate": (rotate, "degrees", 90.0),
}
"""By name: the function, the argument that may stand behind a colon, its default."""


def operation(name: str) -> Operation:
    """The operation that a text names: "dilate", "erode", "contrast", "rotate", or with the size of the
    square or the angle behind it, "dilate:5", "rotate:-30".

    Raises:
        InrError: there is none, or the number is out of range.
    """
    word, colon, text = name.partition(":")
    if word not in OPERATIONS:
        raise InrError(f"Unknown operation {name!r}: expected one of {', '.join(OPERATIONS)}.")
    function, argument, default = OPERATIONS[word]
    if argument is None:
        if colon:
            raise InrError(f"Received the operation {name!r}: {word!r} takes no number.")
        return function
    try:
        value = float(text) if colon else float(default)
    except ValueError:
        raise InrError(
            f"Received the operation {name!r}, expected a number such as {word}:{default}."
        ) from None
    if argument == "side":
        if value != int(value) or value < 1 or value % 2 == 0:
            raise InrError(f"Received the operation {name!r}, expected an odd number of pixels, 1 or more.")
        return lambda images: function(images, side=int(value))
    if not np.isfinite(value):
        raise InrError(f"Received the operation {name!r}, expected an angle in degrees.")
    return lambda images: function(images, degrees=value)


def apply(function: Operation, images: np.ndarray, *, name: str = "operation") -> np.ndarray:
    """What an operation makes of images, float32 [N, H, W, C]; the images stay as they are.

    Raises:
        InrError: the result has another shape, or is not finite.
    """
    made = np.asarray(function(np.array(images, np.float32)), np.float32)
    if made.shape != images.shape:
        raise InrError(
            f"Received images of shape {made.shape} from the {name}, expected the shape {images.shape} that "
            "it was given."
        )
    if not np.isfinite(made).all():
        raise InrError(f"Received NaN or infinite pixels from the {name}, expected finite ones.")
    return made
