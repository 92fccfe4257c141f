"""The linear layer that is equivariant to a given finite group of permutations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from gmn_tf.errors import LayerArgumentError
from gmn_tf.keras_layers.arguments import PACKAGE, permutations
from gmn_tf.keras_layers.equivariant_dense import EquivariantDense


def orbits(moves: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Number of the orbit of each of `size` points under permutations of them, in order of appearance."""
    first = np.arange(size)  # the smallest point known to be in the same orbit
    while True:
        found = first
        for move in moves:
            found = np.minimum(found, found[move])
        found = found[found]
        if np.array_equal(found, first):
            return np.unique(first, return_inverse=True)[1].reshape(-1)
        first = found


@keras.saving.register_keras_serializable(package=PACKAGE)
class GroupEquivariantDense(EquivariantDense):
    """`y_i = activation(sum_j x_j K[o(i, j)] + b[o(i)])`: all linear maps that commute with a group.

    The group moves positions; o(i, j) numbers the orbits of its action on pairs of an output and an input
    position, o(i) those on output positions. The 0-1 matrices of the orbits are the standard basis of
    the equivariant maps (Wood & Shawe-Taylor 1996; Ravanbakhsh et al., "Equivariance Through
    Parameter-Sharing", ICML 2017). A group of all shifts around a circle gives circular convolution, the
    symmetric group DeepSets, the trivial group a dense layer over all positions.

    Args:
        units: features at each position of the result, 1 or more.
        generators: permutations that generate the group, each a list in which entry i is where position i
            goes; `[[1, 2, 0]]` for shifts around a circle of 3. None of them: the trivial group.
        output_generators: what the same generators do to the positions of the result, in the same order
            and of another number of positions if so wished (`[[0]]` for an invariant result). None: the
            same as to those of the input.
        activation: as in `keras.layers.Dense`; so are the arguments for kernel and bias below.
        use_bias: whether b is there, one number per unit and orbit of output positions.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
        bias_constraint: of `kernel` [orbits of pairs, features, units] and `bias` [orbits of output
            positions, units]. Orbits are numbered in order of their first pair (i, j), i before j.

    Call arguments:
        inputs: [batch, ..., positions, features].

    Returns:
        [batch, ..., output positions, units]. Its cost is that of a dense layer over all positions; for
        the symmetric group `SetEquivariantDense` is cheaper.

    Raises:
        gmn_tf.errors.LayerArgumentError: a generator is no permutation, generators move different numbers
            of positions, or the input has another number of positions than they move.

    Example:
        ```python
        rotations = GroupEquivariantDense(8, [[1, 2, 3, 0]], activation="relu")  # circle of 4
        invariant = GroupEquivariantDense(5, [[1, 2, 3, 0]], output_generators=[[0]])
        ```
    """

    def __init__(
        self,
        units: int,
        generators: Sequence[Sequence[int]],
        *,
        output_generators: Sequence[Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.generators = permutations(generators, "generators")
        self.output_generators = None
        if output_generators is not None:
            self.output_generators = permutations(output_generators, "output_generators")
            if len(self.output_generators) != len(self.generators):
                raise LayerArgumentError(
                    f"received {len(self.generators)} generators and {len(self.output_generators)} "
                    "output_generators, expected as many of one as of the other: entry k of both is what "
                    "the same element of the group does"
                )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        positions = input_shape[-2]
        moved = len(self.generators[0]) if self.generators else positions
        if positions is None or positions != moved:
            raise LayerArgumentError(
                f"layer {self.name!r} received an input of shape {tuple(input_shape)}, expected "
                f"{'a known number of' if moved is None else moved} positions on its last axis but one, "
                "those that the generators move"
            )
        there = self.generators if self.output_generators is None else self.output_generators
        outputs = len(there[0]) if there else positions
        pairs = np.arange(outputs * positions).reshape(outputs, positions)
        moves = [pairs[np.ix_(g, h)].reshape(-1) for g, h in zip(there, self.generators, strict=True)]
        self.pair_orbits = orbits(moves, pairs.size).reshape(pairs.shape)
        self.position_orbits = orbits([np.asarray(g) for g in there], outputs)
        basis_maps, kinds = int(self.pair_orbits.max()) + 1, int(self.position_orbits.max()) + 1
        self._add_weights(basis_maps, input_shape[-1], (kinds, self.units))
        self.input_spec = keras.layers.InputSpec(min_ndim=3, axes={-1: input_shape[-1], -2: positions})

    def call(self, inputs: Any) -> Any:
        kernel = ops.take(self.kernel, self.pair_orbits, axis=0)  # [outputs, positions, features, units]
        result = ops.einsum("...jf,ijfu->...iu", inputs, kernel)
        if self.bias is not None:
            result = result + ops.take(self.bias, self.position_orbits, axis=0)
        return self.activation(result)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        there = self.generators if self.output_generators is None else self.output_generators
        outputs = len(there[0]) if there else input_shape[-2]
        return (*input_shape[:-2], outputs, self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "generators": self.generators,
            "output_generators": self.output_generators,
        }
