"""The Keras 3 model of an architecture of the family "cnn"."""

from __future__ import annotations

import keras

from gmn_tf.zoo import recipe
from gmn_tf.zoo.recipe import Architecture


def keras_model(architecture: Architecture, *, name: str = "cnn") -> keras.Model:
    """An untrained functional Keras model: images in, one logit per class out.

    `get_weights()` has the order and the shapes of `architecture.variables()`. Dropout rates are 0 here; each
    network has its own (they do not matter for inference).
    """
    layers = keras.layers
    inputs = x = keras.Input(architecture.image_shape, name="image")
    for number, block in enumerate(architecture.blocks):
        fused = block.norm == "none"
        x = layers.Conv2D(
            block.filters,
            3,
            strides=block.stride,
            padding="same",
            activation=block.activation if fused else None,
            name=f"conv_{number}",
        )(x)
        if block.norm == "batch":
            x = layers.BatchNormalization(
                momentum=recipe.NORM_MOMENTUM, epsilon=recipe.BATCH_NORM_EPSILON, name=f"norm_{number}"
            )(x)
        elif block.norm == "group":
            x = layers.GroupNormalization(
                block.groups, epsilon=recipe.GROUP_NORM_EPSILON, name=f"norm_{number}"
            )(x)
        if not fused:
            x = layers.Activation(block.activation, name=f"activation_{number}")(x)
        if block.pool != "none":
            pooling = layers.MaxPooling2D if block.pool == "max" else layers.AveragePooling2D
            x = pooling(2, name=f"pool_{number}")(x)
        if block.dropout:
            x = layers.Dropout(0.0, name=f"dropout_{number}")(x)
    head = layers.GlobalAveragePooling2D if architecture.head == "average" else layers.Flatten
    x = head(name="head")(x)
    if architecture.dropout:
        x = layers.Dropout(0.0, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(architecture.num_classes, name="classifier")(x), name=name)
