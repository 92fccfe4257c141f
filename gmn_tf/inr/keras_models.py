"""INRs as Keras 3 models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import layers
from keras.src.ops.numpy import Cos, Sin  # keras.ops.sin makes the same nodes, but names them by a counter

from gmn_tf.keras_layers import FeaturePlanes

if TYPE_CHECKING:
    from gmn_tf.inr.architecture import InrArchitecture


def build(architecture: InrArchitecture, *, name: str) -> keras.Model:
    """See `InrArchitecture.keras_model`.

    The factor omega of a sine stands in a Rescaling layer before it, so that the kernels are those the recipe
    trains, not omega times as large.
    """
    siren = architecture.kind == "siren"
    inputs = keras.Input((architecture.num_inputs,), name="coordinates")
    x = _encoded(architecture, inputs)
    for number, units in enumerate(architecture.hidden):
        x = layers.Dense(units, activation=None if siren else "relu", name=f"hidden_{number}")(x)
        if siren:
            x = layers.Rescaling(architecture.frequency, name=f"frequency_{number}")(x)
            x = Sin(name=f"sine_{number}")(x)
    x = layers.Dense(architecture.num_outputs, name="output")(x)
    if (architecture.output_scale, architecture.output_shift) != (1.0, 0.0):
        x = layers.Rescaling(architecture.output_scale, offset=architecture.output_shift, name="value")(x)
    return keras.Model(inputs, x, name=name)


def _encoded(architecture: InrArchitecture, x: Any) -> Any:
    """The coordinates as the first hidden layer reads them."""
    if architecture.kind == "fourier":
        half = architecture.num_features // 2
        x = layers.Dense(half, use_bias=False, trainable=False, name="frequencies")(x)
        return layers.Concatenate(name="features")([Sin(name="sines")(x), Cos(name="cosines")(x)])
    if architecture.kind == "triplane":
        planes = FeaturePlanes(
            architecture.num_features, architecture.resolution, planes=architecture.planes, name="planes"
        )
        return planes(x)
    return x
