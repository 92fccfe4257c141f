"""Label vectors of the edge groups: what a layer and type are, encoded once per group."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.layers.features import NUM_EDGE_TYPES, depth_features, log_count
from gmn_tf.layers.groups import EdgeGroups
from gmn_tf.layers.names import PACKAGE


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class GroupEncoder(tf.keras.layers.Layer):
    """`SiLU(Linear(SiLU(type + Linear(depth, place from the start and the end, size))))`.

    Call arguments:
        groups: `EdgeGroups` with C components of S slots.
    Call returns:
        float32 [C * S, units]; what stands in unused slots means nothing.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        start = tf.keras.initializers.RandomNormal(stddev=0.5)
        self._type = self.add_weight("type", (NUM_EDGE_TYPES, units), initializer=start)
        self._continuous = tf.keras.layers.Dense(units, name="continuous")
        self._output = tf.keras.layers.Dense(units, "silu", name="output")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}

    def call(self, groups: EdgeGroups) -> tf.Tensor:
        features = [depth_features(groups.depth), log_count(groups.count)]
        for place in (groups.from_start, groups.from_end):
            place = tf.cast(place, tf.float32)[:, tf.newaxis]
            features += [tf.math.reciprocal(1.0 + place), tf.math.log1p(place)]
        state = tf.gather(self._type, groups.type) + self._continuous(tf.concat(features, axis=-1))
        return self._output(tf.nn.silu(state))
