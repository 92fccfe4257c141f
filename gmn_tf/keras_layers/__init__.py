"""Keras 3 layers for input networks that Keras itself lacks: equivariant linear layers, feature grids.

They run under any Keras backend and know nothing of graphs; `gmn_tf.convert` draws them. Importing this
registers them under the package name `gmn_tf`, which is what a `.keras` file that holds them needs.
"""

from gmn_tf.keras_layers.feature_grid import FeatureGrid
from gmn_tf.keras_layers.feature_planes import FeaturePlanes
from gmn_tf.keras_layers.group_equivariant_dense import GroupEquivariantDense
from gmn_tf.keras_layers.set_equivariant_dense import SetEquivariantDense

__all__ = ["FeatureGrid", "FeaturePlanes", "GroupEquivariantDense", "SetEquivariantDense"]
