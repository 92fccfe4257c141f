"""The pair state of a graph transformer: what an edge makes of the nodes at its ends."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.layers.edge_stream import Columns, Keep, gather
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.normalization import layer_normalize
from gmn_tf.layers.topology import COMPONENT, SOURCE, TARGET

PAIR = "pair"
"""Name under which `PairState.hidden` passes its products to `keep`: [K, 2 * units]."""

_NEAR_ZERO = 1e-2
"""Below it the square root turns into a line: its slope at 0 would be infinite."""


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class PairState(tf.keras.layers.Layer):
    """`e'_ij = SiLU(root((Q LN(v_j) + K LN(v_i)) * E_w LN(e_ij)) + E_b LN(e_ij) (+ U u))`, [E, units].

    The conditional update of GRIT (Ma et al. 2023, equation 2): edge states gate and shift the sum of
    query and key. root(x) = x / sqrt(|x| + 0.01) is GRIT's signed square root, with a finite slope at 0.
    Q, K and U run over nodes and components before anything is gathered. The layer is used in two steps:
    called, it gives the tables that all edges share; `hidden` is a pure function of these.

    Args:
        units: width of the edge states and of e'.
        use_layer_normalization: as usual.

    Call arguments:
        inputs: (node states [N, .], global states [C, .] or None).
    Call returns:
        Tables by name: "query", "key" [N, units] (and "context" [C, units]), "kernel" [units, 2 * units],
        "bias" [units], and the norm's "gain", "shift" [units].
    """

    def __init__(self, units: int, *, use_layer_normalization: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.use_layer_normalization = units, use_layer_normalization
        dense = tf.keras.layers.Dense
        norm = tf.keras.layers.LayerNormalization
        self._node_norm = norm(name="node_norm") if use_layer_normalization else tf.identity
        self._query = dense(units, name="query")
        self._key = dense(units, use_bias=False, name="key")
        self._context = dense(units, use_bias=False, name="context")
        shape = {"weight": (units, units), "bias_weight": (units, units), "bias": (units,)}
        if use_layer_normalization:
            shape |= {"gain": (units,), "shift": (units,)}
        starts = {"bias": "zeros", "gain": "ones", "shift": "zeros"}
        self._shared = {
            # Made before the layer is called, so outside of the scope that would put its name before.
            name: self.add_weight(f"{self.name}/{name}", size, initializer=starts.get(name, "glorot_uniform"))
            for name, size in shape.items()
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_layer_normalization": self.use_layer_normalization,
        }

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor | None]) -> Columns:
        nodes, context = inputs
        nodes = self._node_norm(nodes)
        tables = {name: tf.convert_to_tensor(weight) for name, weight in self._shared.items()}
        # One product with the edge states for both.
        tables["kernel"] = tf.concat([tables.pop("weight"), tables.pop("bias_weight")], axis=1)
        tables |= {"query": self._query(nodes), "key": self._key(nodes)}
        if context is not None:
            tables["context"] = self._context(context)
        return tables

    @staticmethod
    def hidden(columns: Columns, state: tf.Tensor, tables: Columns, keep: Keep) -> tf.Tensor:
        """e' of a chunk of edges: [K, units] from their states [K, units]."""
        if "gain" in tables:
            state = layer_normalize(state, tables["gain"], tables["shift"])
        weight, bias = tf.split(keep(PAIR, tf.matmul(state, tables["kernel"])), 2, axis=1)
        ends = gather(tables["query"], columns[TARGET]) + gather(tables["key"], columns[SOURCE])
        gated = ends * weight
        hidden = gated * tf.math.rsqrt(tf.abs(gated) + _NEAR_ZERO) + bias + tables["bias"]
        if "context" in tables:
            hidden += gather(tables["context"], columns[COMPONENT])
        return tf.nn.silu(hidden)
