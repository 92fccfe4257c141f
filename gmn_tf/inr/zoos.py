"""The networks of a zoo of INRs of pictures: what they were fitted to and what they show, batch by batch."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.coordinates import grid
from gmn_tf.inr.targets import architecture_of, images_of
from gmn_tf.zoo.store import Zoo

_AT_ONCE = 128

_IMAGES: WeakKeyDictionary[Zoo, np.ndarray] = WeakKeyDictionary()
"""Of opened zoos: reading a data set takes longer than anything that is done with it."""


def image_shape(zoo: Zoo) -> tuple[int, int, int]:
    """Height, width and channels of the pictures.

    Raises:
        InrError: it is no zoo of INRs of pictures.
    """
    architecture_of(zoo)
    shape = zoo.manifest["recipe"].get("image_shape")
    if shape is None:
        raise InrError(
            f"{zoo.path} holds INRs of {zoo.manifest['recipe'].get('kind')}, expected INRs of pictures."
        )
    height, width, channels = map(int, shape)
    return height, width, channels


def images(zoo: Zoo, indices: np.ndarray) -> np.ndarray:
    """The pictures that the networks `indices` were fitted to, float32 [n, H, W, C] in [0, 1].

    Raises:
        InrError, ZooError: as of `gmn_tf.inr.targets.images_of`.
    """
    if zoo not in _IMAGES:
        _IMAGES[zoo] = images_of(zoo)
    return _IMAGES[zoo][np.asarray(indices)]


def renderings(zoo: Zoo, indices: np.ndarray) -> np.ndarray:
    """What the networks `indices` show, float32 [n, H, W, C], not clipped to [0, 1].

    Raises:
        InrError: it is no zoo of INRs of pictures.
    """
    indices = np.asarray(indices)
    shape = image_shape(zoo)
    coordinates = grid(*shape[:2])
    numbers = np.asarray(zoo.table["architecture"])[indices].astype(int)
    shown = np.empty((len(indices), *shape), np.float32)
    for number in np.unique(numbers):
        architecture = architecture_of(zoo, int(number))
        members, flat = zoo.flat_weights(int(number))
        row_of = dict(zip(map(int, members), range(len(members)), strict=True))
        places = np.flatnonzero(numbers == number)
        for start in range(0, len(places), _AT_ONCE):
            part = places[start : start + _AT_ONCE]
            weights = np.stack([flat[row_of[int(indices[place])]] for place in part])
            shown[part] = np.reshape(architecture.render(weights, coordinates), (len(part), *shape))
    return shown
