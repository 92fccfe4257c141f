"""The feed-forward sublayer of a transformer, for whole tensors and within functions of chunks."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.layers.edge_stream import Columns, Keep
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.normalization import layer_normalize

EXPAND = 2
"""Hidden width over the state's, as in GRIT."""

HIDDEN = "feed_forward"
"""Name under which `FeedForward.apply` passes its hidden sums to `keep`: [K, EXPAND * units]."""


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class FeedForward(tf.keras.layers.Layer):
    """`s <- s + Linear(Dropout(SiLU(Linear(LN(s)))))`, pre-norm, with a hidden width of 2 * units.

    Args:
        units: width of the state.
        use_layer_normalization, dropout_rate: as usual.

    Call arguments:
        state: [n, units].
    Call returns:
        [n, units]. The same by `apply`, a pure function of `tables()`.
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
        self.units, self.dropout_rate = units, dropout_rate
        self.use_layer_normalization = use_layer_normalization
        wide = EXPAND * units
        shapes = {"expand": (units, wide), "expand_bias": (wide,), "output": (wide, units), "bias": (units,)}
        if use_layer_normalization:
            shapes |= {"gain": (units,), "shift": (units,)}
        starts = {"expand": "glorot_uniform", "output": "glorot_uniform", "gain": "ones"}
        self._weights_of = {
            # Made before the layer is called, so outside of the scope that would put its name before.
            name: self.add_weight(f"{self.name}/{name}", shape, initializer=starts.get(name, "zeros"))
            for name, shape in shapes.items()
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_layer_normalization": self.use_layer_normalization,
            "dropout_rate": self.dropout_rate,
        }

    def tables(self) -> Columns:
        """The weights by name."""
        return {name: tf.cast(weight, self.compute_dtype) for name, weight in self._weights_of.items()}

    def call(self, state: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        seed = None
        if training and self.dropout_rate:
            seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)
        return self.apply(state, self.tables(), lambda name, x: x, seed)

    def apply(self, state: tf.Tensor, tables: Columns, keep: Keep, seed: tf.Tensor | None) -> tf.Tensor:
        """[K, units] to [K, units]; `seed` int32 [2], None for no dropout."""
        x = layer_normalize(state, tables["gain"], tables["shift"]) if "gain" in tables else state
        hidden = tf.nn.silu(keep(HIDDEN, tf.matmul(x, tables["expand"]) + tables["expand_bias"]))
        if seed is not None:
            hidden = tf.nn.experimental.stateless_dropout(hidden, self.dropout_rate, seed)
        return state + tf.matmul(hidden, tables["output"]) + tables["bias"]
