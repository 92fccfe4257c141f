"""INRs in files that others publish: PyTorch state dicts as `.npz` or `.safetensors`, never pickles.

DWSNets (Navon et al. 2023) and NFN (Zhou et al. 2023) publish their INRs as `.pth` files, which are pickled:
to read one is to run what is in it, so they are refused here.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gmn_tf.errors import InrError

READABLE = (".npz", ".safetensors")
PICKLED = (".pth", ".pt", ".pkl", ".pickle", ".ckpt", ".bin")
WAY_OUT = (
    "these are pickled, and reading one would run what is in it; convert them where you trust them, for "
    "example with numpy.savez(name + '.npz', **{k: numpy.asarray(v) for k, v in torch.load(name, "
    "weights_only=True).items()}), and give the folder of the .npz files"
)

_LAYER = re.compile(r"(?:.*\.)?(?P<layer>\d+)(?:\.[A-Za-z]\w*)*?\.(?P<what>weight|bias)")
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
_MAX_HEADER = 1 << 24


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one file by name.

    Raises:
        InrError: the file is pickled, of another kind, missing or damaged.
    """
    suffix = path.suffix.lower()
    if suffix in PICKLED:
        raise InrError(f"{path}: {WAY_OUT}.")
    if suffix not in READABLE:
        raise InrError(f"{path}: received a name that ends in {suffix!r}, expected {' or '.join(READABLE)}.")
    try:
        if suffix == ".safetensors":
            return _safetensors(path.read_bytes())
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InrError(f"{path} is no readable {suffix} file of plain numbers: {error}") from error


def layers_of(state: Mapping[str, np.ndarray], path: Path) -> tuple[list[np.ndarray], set[str]]:
    """The weights of a multilayer perceptron, in the order and form of Keras' Dense layers.

    Args:
        state: arrays named like `seq.0.weight` [out, in] and `seq.0.bias` [out], or `net.0.linear.weight`.
        path: the file, for the sentence.

    Returns:
        [kernel [in, out], bias [out], kernel, ...], and the names of all other entries.

    Raises:
        InrError: there are no such names, a layer lacks one, or shapes do not follow one another.
    """
    found: dict[int, dict[str, np.ndarray]] = {}
    other = set()
    for name, array in state.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            other.add(name)
            continue
        layer = found.setdefault(int(match["layer"]), {})
        if match["what"] in layer:
            raise InrError(f"{path} has two entries for the {match['what']} of layer {match['layer']}.")
        layer[match["what"]] = np.asarray(array, np.float32)
    weights: list[np.ndarray] = []
    for number in sorted(found):
        kernel, bias = found[number].get("weight"), found[number].get("bias")
        if kernel is None or bias is None or kernel.ndim != 2 or bias.shape != kernel.shape[:1]:
            raise InrError(
                f"{path}: layer {number} has no weight [out, in] with a bias [out], expected entries such as "
                "seq.0.weight and seq.0.bias of linear layers."
            )
        if weights and len(weights[-1]) != kernel.shape[1]:
            raise InrError(
                f"{path}: layer {number} takes {kernel.shape[1]} inputs after {len(weights[-1])} outputs."
            )
        weights += [np.ascontiguousarray(kernel.T), bias]
    if len(weights) < 4:
        raise InrError(
            f"{path} has {len(weights) // 2} linear layers, expected two or more, named like seq.0.weight "
            f"and seq.0.bias; its entries are {', '.join(sorted(state)) or 'none'}."
        )
    return weights, other


def _safetensors(content: bytes) -> dict[str, np.ndarray]:
    """Length of the header (8 bytes), the header as JSON (type, shape, place of each array), the numbers."""
    length = int.from_bytes(content[:8], "little")
    if length > min(_MAX_HEADER, len(content) - 8):
        raise ValueError("it was cut short")
    header = json.loads(content[8 : 8 + length])
    data, arrays = memoryview(content)[8 + length :], {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, stop = entry["data_offsets"]
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name} has numbers of type {entry['dtype']}")
        dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(int(side) for side in entry["shape"])
        if not 0 <= start <= stop <= len(data) or stop - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} lies outside of the file, or has another size than its shape")
        arrays[name] = np.frombuffer(data[start:stop], dtype).reshape(shape).copy()
    return arrays
