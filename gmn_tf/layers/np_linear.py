"""Linear layers on the weights of plain chains that commute with permutations of their neurons (NFN-NP)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gmn_tf.errors import SchemaError
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.plain_chain import PlainChain


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class PlaceDense(tf.keras.layers.Layer):
    """`y = W[place] x (+ b[place])`: a linear map with weights of its own for each place in a chain.

    Args:
        units: width of the output.
        num_places: M.
        use_bias: whether there is a b.
        terms: how many such maps are added up, by which the initial weights are scaled.

    Call arguments:
        inputs: (x [n, d], places [n, M], one-hot; a row of zeros gives a row of zeros).
    Call returns:
        [n, units].
    """

    def __init__(
        self, units: int, *, num_places: int, use_bias: bool = False, terms: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.num_places, self.use_bias, self.terms = units, num_places, use_bias, terms

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_places": self.num_places,
            "use_bias": self.use_bias,
            "terms": self.terms,
        }

    def build(self, input_shape: Any) -> None:
        width = input_shape[0][-1]
        # Of one place's map, whose fan-in is `width` in each of the terms; He et al. 2015, for ReLU.
        start = tf.keras.initializers.RandomNormal(stddev=(2.0 / (width * self.terms)) ** 0.5)
        self.kernel = self.add_weight("kernel", (self.num_places * width, self.units), initializer=start)
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.num_places, self.units), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        x, places = inputs
        # One matrix product: x stands in the columns of its place, zeros in the others.
        spread = places[:, :, tf.newaxis] * x[:, tf.newaxis, :]
        y = tf.reshape(spread, [-1, self.num_places * x.shape[-1]]) @ self.kernel
        return y + places @ self.bias if self.use_bias else y


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class NPLinear(tf.keras.layers.Layer):
    """NF-layer for NP, neurons of every layer permuted (Zhou et al. 2023, section 3.1 and appendix).

    With kernels W^l (rows are the neurons the layer ends), vectors v^l and `r` a mean or sum:

        W'^l_ij = a W^l_ij + b r(W^l_i*) + c r(W^l_*j) + d r(W^l+1_*i) + e r(W^l-1_j*)
                  + f v^l_i + g v^l-1_j + sum_s (h_s r(W^s_**) + k_s r(v^s)) + m
        v'^l_i  = a' v^l_i + b' r(W^l_i*) + c' r(W^l+1_*i) + sum_s (h'_s r(W^s_**) + k'_s r(v^s)) + m'

    Each letter is a matrix [features, units] of its own for every place l, and for each pair (l, s). The
    paper's equations sum; its released code takes means, which do not grow with width.

    Args:
        units: width of the output features.
        num_places: M, see `PlainChain`.
        reduce_type: r, "mean" or "sum".

    Call arguments:
        inputs: (pairs [P, features], vectors [N, features], `PlainChain`).
    Call returns:
        (pairs [P, units], vectors [N, units]); 0 in rows that the chain does not use.
    """

    def __init__(self, units: int, *, num_places: int, reduce_type: str = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if reduce_type not in ("mean", "sum"):
            raise SchemaError(f"received reduce_type={reduce_type!r}, expected 'mean' or 'sum'")
        self.units, self.num_places, self.reduce_type = units, num_places, reduce_type
        # Widths add up to 1 + 3 + 3 of pairs, and one share for all the sums over layers together.
        shared: dict[str, Any] = {"num_places": num_places, "dtype": self.dtype_policy}
        self._own = PlaceDense(units, terms=8, use_bias=True, name="own", **shared)
        self._target = PlaceDense(units, terms=3, name="target", **shared)
        self._source = PlaceDense(units, terms=3, name="source", **shared)
        self._vector = PlaceDense(units, terms=2, use_bias=True, name="vector", **shared)
        self._sums = {
            name: tf.keras.layers.Dense(
                num_places * units, use_bias=False, dtype=self.dtype_policy, name=f"sums_{name}"
            )
            for name in ("pairs", "vectors")
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_places": self.num_places,
            "reduce_type": self.reduce_type,
        }

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor, PlainChain]) -> tuple[tf.Tensor, tf.Tensor]:
        pairs, vectors, chain = inputs
        num_nodes = tf.shape(vectors)[0] if vectors.shape[0] is None else vectors.shape[0]
        used = tf.reduce_sum(chain.pair_place, axis=1, keepdims=True)  # [P, 1]
        ended = tf.reduce_sum(chain.into_place, axis=1, keepdims=True)  # [N, 1]

        def reduce(ends: tf.Tensor) -> tf.Tensor:
            total = tf.math.unsorted_segment_sum(pairs * used, ends, num_nodes)
            if self.reduce_type == "sum":
                return total
            return total / tf.maximum(tf.math.unsorted_segment_sum(used, ends, num_nodes), 1.0)

        into, out = reduce(chain.target), reduce(chain.source)
        around = tf.concat([into, out, vectors], axis=-1)  # [N, 3 * features]
        target, source = self._target((around, chain.into_place)), self._source((around, chain.out_place))
        everything = layer_sums(pairs, vectors, chain, reduce_type=self.reduce_type)
        shape = [-1, self.num_places, self.units]
        of_pairs = tf.reshape(self._sums["pairs"](everything), shape)  # [C, M, units]
        of_vectors = tf.reshape(self._sums["vectors"](everything), shape)
        new_pairs = (
            self._own((pairs, chain.pair_place))
            + tf.gather(target, chain.target)
            + tf.gather(source, chain.source)
            + _at(of_pairs, chain.pair_component, chain.pair_place)
        )
        new_vectors = self._vector((around, chain.into_place))
        new_vectors += _at(of_vectors, chain.node_component, chain.into_place)
        return new_pairs * used, new_vectors * ended


def layer_sums(
    pairs: tf.Tensor, vectors: tf.Tensor, chain: PlainChain, *, reduce_type: str = "mean"
) -> tf.Tensor:
    """Mean or sum of each layer's pairs, and of its vectors: [C, 2 * M * features], kernels first."""
    found = []
    for state, places, component in (
        (pairs, chain.pair_place, chain.pair_component),
        (vectors, chain.into_place, chain.node_component),
    ):
        spread = places[:, :, tf.newaxis] * state[:, tf.newaxis, :]
        total = tf.math.unsorted_segment_sum(spread, component, chain.num_components)  # [C, M, features]
        if reduce_type == "mean":
            count = tf.math.unsorted_segment_sum(places, component, chain.num_components)
            total /= tf.maximum(count, 1.0)[:, :, tf.newaxis]
        found.append(tf.reshape(total, [-1, places.shape[-1] * state.shape[-1]]))
    return tf.concat(found, axis=-1)


def _at(tables: tf.Tensor, component: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """[C, M, units] at each row's component and place, [n, units]."""
    return tf.reduce_sum(tf.gather(tables, component) * places[:, :, tf.newaxis], axis=1)
