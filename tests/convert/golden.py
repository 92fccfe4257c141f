"""What the golden tests share: models, each with the order of its graph's group, and ways to end one."""

from __future__ import annotations

import keras
import pytest
from keras import layers


class Cases(list):
    """Parameters for `pytest.mark.parametrize("build, order", ...)`, one for each registered function."""

    def __call__(self, order):
        def register(build):
            self.append(pytest.param(build, order, id=build.__name__))
            return build

        return register


def vector(size=4):
    return keras.Input((size,))


def image():
    return keras.Input((4, 4, 2))


def dense_head(inputs, hidden):
    return keras.Model(inputs, layers.Dense(2)(hidden))


def pooled_head(inputs, hidden):
    return dense_head(inputs, layers.GlobalAveragePooling2D()(hidden))
