"""The next state of nodes and of the context."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.layers.names import PACKAGE


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class ResidualState(tf.keras.layers.Layer):
    """`s <- s + Linear(Dropout(SiLU(Linear([LN(s), inputs]))))`, a TF-GNN next-state layer.

    Args:
        units: width of the state.
        use_layer_normalization, dropout_rate: as usual.

    Call arguments:
        inputs: (state [n, units], nest of inputs [n, .], nest of inputs [n, .]).
    """

    def __init__(
        self,
        units: int,
        *,
        use_layer_normalization: bool = True,
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.use_layer_normalization, self.dropout_rate = use_layer_normalization, dropout_rate
        norm = tf.keras.layers.LayerNormalization
        self._norm = norm(name="norm") if use_layer_normalization else tf.identity
        self._hidden = tf.keras.layers.Dense(units, "silu", name="hidden")
        self._dropout = tf.keras.layers.Dropout(dropout_rate)
        self._output = tf.keras.layers.Dense(units, name="output")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_layer_normalization": self.use_layer_normalization,
            "dropout_rate": self.dropout_rate,
        }

    def call(self, inputs: tuple[Any, ...]) -> tf.Tensor:
        state, *others = inputs
        joined = tf.concat([self._norm(state), *tf.nest.flatten(others)], axis=-1)
        return state + self._output(self._dropout(self._hidden(joined)))
