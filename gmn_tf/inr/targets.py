"""What the INRs of a zoo were fitted to, and what they are."""

from __future__ import annotations

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.sources import IMAGES, PUBLISHED, ImageSource, Source, load_source
from gmn_tf.zoo.store import Zoo


def is_inr_zoo(zoo: Zoo) -> bool:
    """Whether a zoo is one of INRs, with the recipe that the functions here read."""
    recipe = zoo.manifest.get("recipe")
    return isinstance(recipe, dict) and "architectures" in recipe and "kind" in recipe


def architecture_of(zoo: Zoo, number: int = 0) -> InrArchitecture:
    """The architecture of a zoo of INRs with this number.

    Raises:
        InrError: it is no zoo of INRs, or has no such architecture.
    """
    if not is_inr_zoo(zoo):
        raise InrError(f"{zoo.path} is no zoo of INRs: make one with gmn-tf zoo --family siren.")
    known = zoo.manifest["recipe"]["architectures"]
    if not 0 <= number < len(known):
        raise InrError(f"No architecture {number}: {zoo.path} has {len(known)}.")
    return InrArchitecture.of_dict(known[number])


def source_of(zoo: Zoo, *, data: str | None = None) -> Source:
    """What the INRs of a zoo were fitted to.

    Args:
        zoo: a zoo of INRs.
        data: where the data lies now, if not where the zoo says.

    Raises:
        InrError: it is no zoo of INRs, or the data is not what it was made from.
        ZooError: the data cannot be read.
    """
    architecture_of(zoo)
    name = data or zoo.manifest["recipe"]["data"]
    if name == PUBLISHED:
        raise InrError(f"{zoo.path} does not say what its INRs, fitted elsewhere, were fitted to.")
    source = load_source(name)
    if source.hash != zoo.manifest["data"]["hash"]:
        raise InrError(f"{name} is not the data that {zoo.path} was made from: its content is another.")
    return source


def images_of(zoo: Zoo, *, data: str | None = None) -> np.ndarray:
    """The image that each INR of a zoo was fitted to, float32 [number of networks, H, W, C], in [0, 1].

    Arguments and errors as of `source_of`; InrError also where they are no images.
    """
    source = source_of(zoo, data=data)
    if not isinstance(source, ImageSource):
        raise InrError(f"{zoo.path} holds INRs of {zoo.manifest['recipe']['kind']}, expected {IMAGES}.")
    return source.images(zoo.table["image"])


def values_of(zoo: Zoo, *, data: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [M, num_inputs], and what each INR was fitted to there, [networks, M, num_outputs].

    Of images and waves alike; arguments and errors as of `source_of`.
    """
    source = source_of(zoo, data=data)
    return source.coordinates, source.values(zoo.table)
