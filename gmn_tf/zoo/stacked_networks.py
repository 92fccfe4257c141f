"""The stacked form of a zoo's architectures: many networks of one architecture run at once."""

from __future__ import annotations

from typing import Any

from gmn_tf.errors import ZooError
from gmn_tf.zoo import recipe
from gmn_tf.zoo.families.architecture import Architecture


def stacked_architecture(zoo: Any, number: int) -> Architecture | None:
    """The architecture `number` of a zoo in the form that runs many networks at once (`Architecture.logits`).

    It is drawn again from the zoo's recipe and seed, and compared with the Keras model that is stored.

    Args:
        zoo: with `template`; of a zoo with a manifest its plan is read.
        number: of the architecture.

    Returns:
        None where the zoo was not made by a recipe of ours, or by another version of it.
    """
    plan = getattr(zoo, "manifest", {}).get("plan", {})
    template = zoo.template(number)
    try:
        found = recipe.sample_architecture(
            plan["family"],
            number,
            seed=int(plan["seed"]),
            image_shape=tuple(template.input_shape[1:]),
            num_classes=int(template.output_shape[-1]),
        )
    except (KeyError, TypeError, ValueError, ZooError):
        return None
    shapes = [tuple(variable.shape) for variable in found.variables()]
    return found if shapes == [tuple(weight.shape) for weight in template.weights] else None
