"""Converters for Keras' own layers and operations, in families; importing this registers them."""

from gmn_tf.convert.converters import (  # noqa: F401
    activations,
    attention,
    choosing,
    convolutions,
    dense,
    equivariant,
    fourier,
    grids,
    merging,
    normalization,
    pooling,
    products,
    rearranging,
    recurrent,
    selecting,
)
