"""The shape of an implicit neural representation: coordinates in, values (of a pixel, of a wave) out."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from gmn_tf.errors import InrError
from gmn_tf.inr.recipes import recipe
from gmn_tf.zoo.families.architecture import Variable

if TYPE_CHECKING:
    import keras

SIREN, RELU, FOURIER, TRIPLANE = "siren", "relu", "fourier", "triplane"
KINDS = (SIREN, RELU, FOURIER, TRIPLANE)


@dataclasses.dataclass(frozen=True)
class InrArchitecture:
    """An INR: an encoding of the coordinates, hidden layers, a linear layer.

    | kind | encoding | activation |
    |---|---|---|
    | siren | none | sin(omega (x W + b)), Sitzmann et al. 2020, section 3 |
    | relu | none | ReLU |
    | fourier | sin(x F), cos(x F) with fixed random frequencies F, Tancik et al. 2020, section 4 | ReLU |
    | triplane | learnt planes over pairs of coordinates, interpolated and summed, Chan et al. 2022 | ReLU |

    Pixels are in [0, 1] and coordinates in [-1, 1]; see `gmn_tf.inr.coordinates`.

    Attributes:
        kind: one of the above.
        hidden: units of each hidden layer.
        num_inputs: coordinates; of a picture 2, vertical first.
        num_outputs: values at a point; 1 for grey, 3 for colour.
        frequency: of "siren" omega; of "fourier" the standard deviation of the entries of F, in radians.
        output_scale, output_shift: the value is output_scale * (last layer) + output_shift.
        recipe: how a "siren" starts, "dws" or "nfn", see `gmn_tf.inr.recipes`; `of_recipe` also takes its
            output scale and shift. The other kinds have one start each, see `gmn_tf.inr.initialization`.
        num_features: encoded features of "fourier" (half of them sines) and "triplane".
        resolution: grid points along each axis of a plane of "triplane".

    Raises:
        InrError: a value that is not as above.
    """

    kind: str = SIREN
    hidden: tuple[int, ...] = (32, 32)
    num_inputs: int = 2
    num_outputs: int = 1
    frequency: float = 30.0
    output_scale: float = 1.0
    output_shift: float = 0.5
    recipe: str = "dws"
    num_features: int = 32
    resolution: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(int(units) for units in self.hidden))
        recipe(self.recipe)
        if self.kind not in KINDS:
            raise InrError(f'Unknown kind "{self.kind}": expected one of {", ".join(KINDS)}.')
        if not self.hidden or min(self.hidden) < 1:
            raise InrError(f"Received hidden {self.hidden}: expected one or more layers of 1 or more units.")
        if self.num_inputs < 1 or self.num_outputs < 1:
            raise InrError(
                f"Received num_inputs {self.num_inputs}, num_outputs {self.num_outputs}: expected 1 or more."
            )
        if not self.frequency > 0.0 or self.output_scale == 0.0:
            raise InrError(
                f"Received frequency {self.frequency}, output_scale {self.output_scale}: expected a "
                "frequency above 0 and a scale other than 0."
            )
        if self.kind == FOURIER and (self.num_features < 2 or self.num_features % 2):
            raise InrError(
                f"Received num_features {self.num_features}: expected an even number, half of them sines."
            )
        if self.kind == TRIPLANE and (self.num_features < 1 or self.resolution < 2):
            raise InrError(
                f"Received num_features {self.num_features}, resolution {self.resolution}: expected 1 or "
                "more features and 2 or more grid points."
            )

    @classmethod
    def of_recipe(cls, name: str, **values: Any) -> InrArchitecture:
        """The architecture of a recipe, "dws" or "nfn", with what is given in `values` otherwise.

        Without `frequency`, that of "fourier" is 10: higher ones than a picture's pixels can tell apart only
        show between the pixels.
        """
        found = recipe(name)
        defaults = {"output_scale": found.output_scale, "output_shift": found.output_shift}
        if values.get("kind") == FOURIER:
            defaults["frequency"] = 10.0
        return cls(**(defaults | values), recipe=name)

    @classmethod
    def of_dict(cls, values: Any) -> InrArchitecture:
        """The architecture that `to_dict` gave.

        Raises:
            InrError: `values` is none.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise InrError(f"Received {values!r}, expected the values of an INR architecture.") from error

    def to_dict(self) -> dict[str, Any]:
        """Its values as JSON takes them."""
        return dataclasses.asdict(self) | {"hidden": list(self.hidden)}

    @property
    def planes(self) -> list[list[int]]:
        """The coordinates of each plane of "triplane": every pair, or the only one."""
        pairs = itertools.combinations(range(self.num_inputs), 2)
        return [list(pair) for pair in pairs] if self.num_inputs > 1 else [[0]]

    def variables(self) -> list[Variable]:
        """All weights, in the order of the Keras model's `get_weights()`.

        Roles: "kernel", "bias", "grid" (of a plane), "frequencies" (F of "fourier", not trained).
        """
        found, features = [], self.num_inputs
        if self.kind == FOURIER:
            found.append(Variable("frequencies", (self.num_inputs, self.num_features // 2)))
        if self.kind == TRIPLANE:
            sizes = [(self.resolution,) * len(axes) for axes in self.planes]
            found += [Variable("grid", (*size, self.num_features)) for size in sizes]
        if self.kind in (FOURIER, TRIPLANE):
            features = self.num_features
        for units in (*self.hidden, self.num_outputs):
            found += [Variable("kernel", (features, units)), Variable("bias", (units,))]
            features = units
        return found

    @property
    def num_parameters(self) -> int:
        """Entries of all variables, P."""
        return sum(variable.size for variable in self.variables())

    def keras_model(self, *, name: str = "inr") -> keras.Model:
        """A Keras 3 model of this architecture: coordinates [batch, num_inputs] -> [batch, num_outputs].

        All kinds but "triplane" are made of Keras' own layers and operations, so that their files open with
        Keras alone; `import gmn_tf.keras_layers` opens those of "triplane". The weights mean nothing yet.
        """
        from gmn_tf.inr.keras_models import build

        return build(self, name=name)

    def render(self, flat: Any, coordinates: Any) -> Any:
        """What N INRs say at some points, in TensorFlow; differentiable in both arguments.

        Args:
            flat: float32 [N, P], the weights of each in the order of `variables()`.
            coordinates: float32 [M, num_inputs], the same for all, or [N, M, num_inputs].

        Returns:
            [N, M, num_outputs], not clipped to [0, 1].
        """
        from gmn_tf.inr.stacked import evaluate

        return evaluate(self, flat, coordinates)

    def initial(self, number: int, *, seed: int, first: int = 0, stride: int = 1) -> np.ndarray:
        """Weights that INRs start from, float32 [number, P].

        INR i of a seed always starts from the same weights: a call gives those of i = first, first + stride,
        and so on.
        """
        from gmn_tf.inr.initialization import start

        return start(self, number, seed=seed, first=first, stride=stride)

    def weight_list(self, flat: np.ndarray) -> list[np.ndarray]:
        """The weights [P] of one INR as the list that Keras' `set_weights` takes.

        Raises:
            InrError: `flat` has another shape.
        """
        flat = np.asarray(flat, np.float32)
        if flat.shape != (self.num_parameters,):
            raise InrError(f"Received weights of shape {flat.shape}, expected ({self.num_parameters},).")
        variables = self.variables()
        parts = np.split(flat, np.cumsum([variable.size for variable in variables])[:-1])
        return [part.reshape(variable.shape) for part, variable in zip(parts, variables, strict=True)]
