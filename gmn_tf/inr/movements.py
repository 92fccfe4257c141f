"""Other weights of INRs whose pictures are known exactly: moved coordinates, and the symmetries of sines."""

from __future__ import annotations

import math

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.architecture import FOURIER, SIREN, TRIPLANE, InrArchitecture


def turning(degrees: float) -> np.ndarray:
    """The matrix float32 [2, 2] with which `moved` turns a picture counter-clockwise."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]], np.float32)


def moved(
    architecture: InrArchitecture,
    flat: np.ndarray,
    *,
    matrix: np.ndarray | None = None,
    shift: np.ndarray | None = None,
) -> np.ndarray:
    """INRs that show at x what the given ones show at `x A + t`; only their first layer differs.

        (x A + t) W + b = x (A W) + (t W + b)

    Nothing is sampled or fitted anew. What comes into sight from outside of [-1, 1] is what the INR says
    there, where it was not trained.

    Args:
        architecture: of the INRs; "siren" and "relu", and "fourier" without a shift.
        flat: float32 [N, P].
        matrix: A, [num_inputs, num_inputs], or one for each, [N, num_inputs, num_inputs].
        shift: t, [num_inputs] or [N, num_inputs]; [0.1, 0] moves a picture up by 5 % of its height.

    Returns:
        float32 [N, P].

    Raises:
        InrError: the architecture's encoding cannot be moved by a change of weights.
    """
    if architecture.kind == TRIPLANE or (architecture.kind == FOURIER and shift is not None):
        raise InrError(
            f'Received a "{architecture.kind}" INR{"" if matrix is not None else " to shift"}: expected '
            f'"siren" or "relu", whose first layer is linear in the coordinates.'
        )
    parts = _split(architecture, flat)
    kernel = parts[0].astype(np.float64)
    if shift is not None:
        offset = np.broadcast_to(shift, kernel.shape[:2])[:, np.newaxis] @ kernel
        parts[1] = parts[1] + offset[:, 0]
    if matrix is not None:
        size = kernel.shape[1]
        parts[0] = np.broadcast_to(matrix, (len(kernel), size, size)) @ kernel
    return _join(parts)


def equivalent(
    architecture: InrArchitecture,
    flat: np.ndarray,
    *,
    signs: list[np.ndarray] | None = None,
    half_turns: list[np.ndarray] | None = None,
) -> np.ndarray:
    """Other weights of the same functions: hidden neurons of SIRENs flipped and their phases turned.

        sin(omega (s z + k pi / omega)) = s (-1)^k sin(omega z)      s = 1 or -1, k whole

    so that weights and bias into a neuron times s, its bias plus k pi / omega, and the weights out of it
    times s (-1)^k show the same picture.

    Args:
        architecture: of kind "siren".
        flat: float32 [N, P].
        signs: s of each hidden layer's neurons, [N, units] each, 1 or -1; None for 1.
        half_turns: k likewise, whole numbers; None for 0.

    Returns:
        float32 [N, P].

    Raises:
        InrError: another kind of INR.
    """
    if architecture.kind != SIREN:
        raise InrError(f'Received a "{architecture.kind}" INR: expected a "siren", which has sines.')
    parts = [part.astype(np.float64) for part in _split(architecture, flat)]
    for layer, units in enumerate(architecture.hidden):
        s = np.ones((1, units)) if signs is None else np.asarray(signs[layer], np.float64)
        k = np.zeros((1, units)) if half_turns is None else np.asarray(half_turns[layer], np.float64)
        kernel, bias, following = 2 * layer, 2 * layer + 1, 2 * layer + 2
        parts[kernel] = parts[kernel] * s[:, np.newaxis]
        parts[bias] = parts[bias] * s + k * (math.pi / architecture.frequency)
        parts[following] = parts[following] * (s * np.where(k % 2, -1.0, 1.0))[:, :, np.newaxis]
    return _join(parts)


def graded(
    architecture: InrArchitecture, flat: np.ndarray, *, contrast: np.ndarray, brightness: np.ndarray
) -> np.ndarray:
    """INRs that show `contrast * (value - output_shift) + output_shift + brightness`: the last layer differs.

    Args:
        architecture: of any kind.
        flat: float32 [N, P].
        contrast, brightness: [N].
    """
    parts = _split(architecture, flat)
    factor = np.asarray(contrast)
    parts[-2] = parts[-2] * factor[:, np.newaxis, np.newaxis]
    added = np.asarray(brightness) / architecture.output_scale
    parts[-1] = parts[-1] * factor[:, np.newaxis] + added[:, np.newaxis]
    return _join(parts)


def _split(architecture: InrArchitecture, flat: np.ndarray) -> list[np.ndarray]:
    """The variables of N INRs, [N, *shape] each."""
    flat = np.asarray(flat)
    if flat.ndim != 2 or flat.shape[1] != architecture.num_parameters:
        raise InrError(
            f"Received weights of shape {flat.shape}, expected (N, {architecture.num_parameters})."
        )
    variables = architecture.variables()
    parts = np.split(flat, np.cumsum([variable.size for variable in variables])[:-1], axis=1)
    return [part.reshape(-1, *variable.shape) for part, variable in zip(parts, variables, strict=True)]


def _join(parts: list[np.ndarray]) -> np.ndarray:
    number = max(len(part) for part in parts)
    return np.concatenate([part.reshape(number, -1) for part in parts], axis=1).astype(np.float32)
