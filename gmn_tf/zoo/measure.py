"""Test accuracy of a Keras model, measured by Keras' own inference code."""

from __future__ import annotations

import keras
import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo.data import Data

_BATCH = 1000


def accuracy(model: keras.Model, data: Data) -> float:
    """Share of the test images whose largest output is the right class, as a fraction in [0, 1].

    Raises:
        ZooError: the model does not take the images of `data` or does not answer one score per class.
    """
    expected = data.image_shape
    shape = tuple(model.input_shape) if isinstance(model.input_shape, tuple) else ()
    if len(shape) != 4 or any(
        have not in (None, want) for have, want in zip(shape[1:], expected, strict=True)
    ):
        raise ZooError(f"The model takes inputs of shape {model.input_shape}, the images are {expected}.")
    answers = [
        np.asarray(model.predict_on_batch(data.x_test[start : start + _BATCH]))
        for start in range(0, len(data.x_test), _BATCH)
    ]
    scores = np.concatenate(answers)
    if scores.ndim != 2 or scores.shape[1] < data.num_classes:
        raise ZooError(
            f"The model answers with shape {scores.shape[1:]}: expected {data.num_classes} class scores."
        )
    return float(np.mean(np.argmax(scores, axis=1) == data.y_test))
