"""The edge update of a block: the hidden activation of every edge, which messages read too."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.layers.edge_stream import Columns, Keep, gather
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.normalization import moments, standardize
from gmn_tf.layers.precision import sum_type
from gmn_tf.layers.topology import COMPONENT, SOURCE, TARGET

_MOMENTS = ("mean", "inverse_deviation")


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class EdgeUpdate(tf.keras.layers.Layer):
    """`h_ij = SiLU(A LN(v_i) + B LN(v_j) + C LN(e_ij) (+ D u))`, of which `e_ij <- e_ij + Linear(h_ij)`.

    A, B and D run over nodes and components before anything is gathered (Lim et al. 2024, the edge update
    of section 2.3, as a sum of products instead of one product of concatenated inputs). The gain and the
    shift of the edges' LN are likewise multiplied into C, and into what the sources send. The layer is used
    in two steps: called, it gives the tables that all edges share; `sum` is a pure function of these.

    Args:
        units: width of the edge states and of h.
        use_layer_normalization: as usual.

    Call arguments:
        inputs: (node states [N, .], global states [C, .] or None).
    Call returns:
        Tables by name: projected states "source", "target" [N, units] (and "context" [C, units]), "kernel"
        [units, units], "output" [units, units], "bias" [units].
    """

    def __init__(self, units: int, *, use_layer_normalization: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.use_layer_normalization = units, use_layer_normalization
        dense = tf.keras.layers.Dense
        norm = tf.keras.layers.LayerNormalization
        self._node_norm = norm(name="node_norm") if use_layer_normalization else tf.identity
        self._source = dense(units, name="source")
        self._target = dense(units, use_bias=False, name="target")
        self._context = dense(units, use_bias=False, name="context")
        square = {"shape": (units, units), "initializer": "glorot_uniform"}
        self._kernel = self._weight("kernel", **square)
        self._output = self._weight("output", **square)
        self._bias = self._weight("bias", shape=(units,), initializer="zeros")
        if use_layer_normalization:
            self._gain = self._weight("gain", shape=(units,), initializer="ones")
            self._shift = self._weight("shift", shape=(units,), initializer="zeros")

    def _weight(self, name: str, **kwargs: Any) -> tf.Variable:
        # Made before the layer is called, so outside of the scope that would put its name before.
        return self.add_weight(f"{self.name}/{name}", **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_layer_normalization": self.use_layer_normalization,
        }

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor | None]) -> Columns:
        nodes, context = inputs
        nodes = self._node_norm(nodes)
        kernel, source = tf.convert_to_tensor(self._kernel), self._source(nodes)
        if self.use_layer_normalization:
            source += tf.linalg.matvec(kernel, tf.convert_to_tensor(self._shift), transpose_a=True)
            kernel *= tf.convert_to_tensor(self._gain)[:, tf.newaxis]
        tables = {
            "source": source,  # [N, units]
            "target": self._target(nodes),
            "kernel": kernel,
            "output": tf.convert_to_tensor(self._output),
            "bias": tf.convert_to_tensor(self._bias),
        }
        if context is not None:
            tables["context"] = self._context(context)  # [C, units]
        return tables

    def kept(self) -> dict[str, tf.TensorSpec]:
        """What `sum` passes through `keep` whatever else is: two numbers per edge."""
        number = tf.TensorSpec([None, 1], sum_type(self.compute_dtype))
        return dict.fromkeys(_MOMENTS, number) if self.use_layer_normalization else {}

    def sum(self, columns: Columns, state: tf.Tensor, tables: Columns, keep: Keep) -> tf.Tensor:
        """h of a chunk of edges before SiLU: [K, units] from their states [K, units]."""
        if self.use_layer_normalization:
            state = standardize(state, *map(keep, _MOMENTS, moments(state)))
        update = tf.matmul(state, tables["kernel"])
        update += gather(tables["source"], columns[SOURCE]) + gather(tables["target"], columns[TARGET])
        if "context" in tables:
            update += gather(tables["context"], columns[COMPONENT])
        return update
