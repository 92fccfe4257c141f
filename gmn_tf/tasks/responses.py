"""What networks of a zoo answer to inputs, as a function of their flat weights: differentiable in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.zoo.families.architecture import Architecture
from gmn_tf.zoo.stacked_networks import stacked_architecture

Response = Callable[[Any, Any], Any]
"""From flat weights [n, P] and inputs [K, ...] to outputs [n, K * outputs]."""


def response_of(zoo: Any, architecture: int, shape: tuple[int, ...]) -> Response:
    """The response of a zoo's architecture to inputs of `shape` [K, ...].

    Zoos of our recipes have a form of each architecture that runs many networks at once; of others the
    Keras model is run network by network, which is slower.
    """
    stacked = stacked_architecture(zoo, architecture)
    if stacked is None:
        return keras_response(zoo.template(architecture), shape)
    return stacked_response(stacked)


def stacked_response(architecture: Architecture) -> Response:
    """The response of networks that are run all at once; nothing is traced."""

    def respond(flat: Any, inputs: Any) -> Any:
        flat, inputs = tf.convert_to_tensor(flat), tf.convert_to_tensor(inputs)
        images = tf.broadcast_to(inputs[tf.newaxis], [flat.shape[0], *inputs.shape])
        outputs, _ = architecture.logits(flat, images)
        return tf.reshape(outputs, [flat.shape[0], -1])

    return respond


def keras_response(template: Any, shape: tuple[int, ...]) -> Response:
    """The response of a Keras model, traced once.

    Args:
        template: Keras 3 model of the architecture; P weights in the order of its `get_weights()`.
        shape: [K, ...], of the inputs.
    """
    place, start = {}, 0
    for variable in template.weights:
        size = int(np.prod(tuple(variable.shape)))
        place[id(variable)] = start, start + size
        start += size

    def variables(of: list[Any], flat: tf.Tensor) -> list[tf.Tensor]:
        # What is no weight (the seeds of dropout) keeps its value; nothing is drawn outside of training.
        return [
            tf.reshape(flat[slice(*place[id(v)])], v.shape)
            if id(v) in place
            else tf.convert_to_tensor(v.value)
            for v in of
        ]

    @tf.function(input_signature=[tf.TensorSpec([None, start]), tf.TensorSpec(shape)])
    def respond(flat: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
        def one(vector: tf.Tensor) -> tf.Tensor:
            outputs, _ = template.stateless_call(
                variables(template.trainable_variables, vector),
                variables(template.non_trainable_variables, vector),
                inputs,
                training=False,
            )
            return tf.reshape(outputs, [-1])

        return tf.map_fn(one, flat, fn_output_signature=tf.float32)

    # Traced here: a function per architecture is meant, which TensorFlow would warn of as retracing.
    traced = respond.get_concrete_function()
    return lambda flat, inputs: traced(tf.convert_to_tensor(flat), tf.convert_to_tensor(inputs))
