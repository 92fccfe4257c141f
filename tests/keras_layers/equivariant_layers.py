"""What the tests of this room share: every layer once, with an input shape that fits."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.keras_layers import FeatureGrid, FeaturePlanes, GroupEquivariantDense, SetEquivariantDense

CIRCLE = [[1, 2, 3, 0]]

LAYERS = [
    pytest.param(build, shape, id=name)
    for name, build, shape in (
        ("set", lambda: SetEquivariantDense(3, activation="tanh", kernel_regularizer="l2"), (4, 2)),
        ("set_max", lambda: SetEquivariantDense(3, pooling="max", use_bias=False), (4, 2)),
        ("sets_of_sets", lambda: SetEquivariantDense(3, pooling="sum"), (2, 4, 2)),
        ("group", lambda: GroupEquivariantDense(3, CIRCLE, bias_initializer="ones"), (4, 2)),
        ("invariant", lambda: GroupEquivariantDense(3, CIRCLE, output_generators=[[0]]), (4, 2)),
        ("trivial_group", lambda: GroupEquivariantDense(3, []), (4, 2)),
        ("line", lambda: FeatureGrid(3, 4), (1,)),
        ("grid", lambda: FeatureGrid(3, [4, 2], grid_initializer="ones"), (5, 2)),
        ("triplane", lambda: FeaturePlanes(3, 4), (3,)),
        ("product", lambda: FeaturePlanes(3, 4, planes=[[0], [2, 1]], combination="multiply"), (3,)),
        ("joined", lambda: FeaturePlanes(3, (2, 3, 4), combination="concatenate"), (5, 3)),
    )
]


def randomize(layer, seed=0):
    """Weights of generic position for a built layer; returns them."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in layer.get_weights()])
    return layer.get_weights()


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
