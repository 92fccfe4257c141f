"""Statistics, reductions and groups over features, with the order of the graph's group by hand.

As in `test_golden_models`: n exchangeable nodes give n!, written f(n); inputs and outputs are pinned.
"""

from __future__ import annotations

from math import factorial as f

import keras
import pytest
from golden import Cases, dense_head, image, pooled_head, vector
from keras import layers
from soundness import assert_sound

case = Cases()


# Two groups of 3 channels: exchanged as wholes, and channels within each.
@case(f(2) * f(3) ** 2)
def group_normalization():
    a = image()
    return pooled_head(a, layers.GroupNormalization(2)(layers.Conv2D(6, 1)(a)))


# Two groups, 3 channels into 2 filters each: exchanged as wholes, and inside each both sides freely.
@case(f(2) * f(3) ** 2 * f(2) ** 2)
def grouped_convolution():
    a = image()
    return pooled_head(a, layers.Conv2D(4, 1, groups=2)(layers.Conv2D(6, 1)(a)))


# Each of the 3 channels gives 2 of its own.
@case(f(3) * f(2) ** 3)
def depthwise_convolution_with_multiplier():
    a = image()
    return pooled_head(a, layers.DepthwiseConv2D(3, depth_multiplier=2)(layers.Conv2D(3, 1)(a)))


# 3 channels, each with its filtered self; then 5 pointwise results.
@case(f(3) * f(5))
def separable_convolution():
    a = image()
    return pooled_head(a, layers.SeparableConv2D(5, 3)(layers.Conv2D(3, 1)(a)))


@case(f(2) * f(2))
def half_averaged_half_maximum():
    a = image()
    x = layers.Conv2D(4, 1)(a)
    pools = [layers.GlobalAveragePooling2D()(x[..., :2]), layers.GlobalMaxPooling2D()(x[..., 2:])]
    return dense_head(a, layers.Concatenate()(pools))


# The maximum of 3 pairs of neurons: pairs as wholes, and inside each.
@case(f(3) * f(2) ** 3)
def pooling_over_neurons():
    a = vector()
    x = layers.MaxPooling1D(2)(layers.Reshape((6, 1))(layers.Dense(6)(a)))
    return dense_head(a, layers.Flatten()(x))


@case(f(4))
def softmax_over_all_neurons():
    a = vector()
    return dense_head(a, layers.Dense(4, activation="softmax")(a))


# Softmax over 2 neurons at a time: groups as wholes, and inside each.
@case(f(3) * f(2) ** 3)
def softmax_over_groups_of_neurons():
    a = vector()
    x = layers.Softmax()(layers.Reshape((3, 2))(layers.Dense(6)(a)))
    return dense_head(a, layers.Flatten()(x))


@case(f(4))
def layer_normalization_without_parameters():
    a = image()
    return pooled_head(a, layers.LayerNormalization(center=False, scale=False)(layers.Conv2D(4, 1)(a)))


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)
