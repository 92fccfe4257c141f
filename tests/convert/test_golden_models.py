"""Small models, each with the order of its graph's automorphism group worked out by hand.

Both laws at once: sound, or `check_symmetry` fails; complete, or the order is too small. A hidden
operation of n exchangeable nodes gives n!; inputs and outputs are pinned. n! is written f(n).
"""

from __future__ import annotations

from math import factorial as f

import keras
import numpy as np
import pytest
from golden import Cases, dense_head, image, pooled_head, vector
from keras import layers, ops
from soundness import assert_sound

case = Cases()


# ---- identity law: entries of one node are told apart ---------------------------------------------


# One layer on two halves of the input: its 3 neurons are shared by both calls, so they move once.
@case(f(3))
def concatenation_of_a_shared_layers_outputs():
    a = vector()
    d = layers.Dense(3)
    return dense_head(a, layers.Concatenate()([d(a[:, :2]), d(a[:, 2:])]))


# Every neuron is read twice, with other weights: it moves with both.
@case(f(3))
def a_tensor_beside_itself():
    a = vector()
    x = layers.Dense(3)(a)
    return dense_head(a, layers.Concatenate()([x, x]))


# The same along a new axis of 3 places.
@case(f(3))
def a_tensor_stacked_on_itself():
    a = vector()
    x = layers.Dense(3)(a)
    return dense_head(a, layers.Flatten()(ops.stack([x, x, x], axis=1)))


# x has 3 channels, s one; the product of s and channel c goes with c.
@case(f(3))
def broadcast_multiply_then_flatten():
    a = image()
    x, s = layers.Conv2D(3, 1)(a), layers.Conv2D(1, 1)(a)
    return dense_head(a, layers.Flatten()(layers.Multiply()([s, x])))


# 12 channels become 3 of twice the size: pixel (2i+p, 2j+q) of channel c is channel (p, q, c) of before.
# The place (p, q) matters to the 3x3 kernel; c does not, and moves alike in all four. The second
# convolution's channels are outputs.
@case(f(3))
def pixel_shuffle():
    a = image()
    x = ops.nn.depth_to_space(layers.Conv2D(12, 1)(a), 2)
    return keras.Model(a, layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3)(x)))


# The 3 channels each become 4 features: one permutation moves all four. Then 3 free channels more.
@case(f(3) * f(3))
def space_to_depth_then_convolution():
    a = image()
    x = ops.nn.space_to_depth(layers.Conv2D(3, 1)(a), 2)
    return pooled_head(a, layers.Conv2D(3, 1)(x))


# ---- position law: entries of one node that are treated differently -------------------------------


# 16 flat features, 4 of each channel: channels move whole.
@case(f(4))
def flatten_then_dense():
    a = image()
    return dense_head(a, layers.Flatten()(layers.Conv2D(4, 3)(a)))


# 16 gammas, betas, means and variances, 4 of each channel.
@case(f(4))
def flatten_then_batch_normalization():
    a = image()
    return dense_head(a, layers.BatchNormalization()(layers.Flatten()(layers.Conv2D(4, 3)(a))))


# The flat order is (y, x, channel), so each of the 4 groups holds one pixel of every channel.
@case(f(4))
def flatten_then_group_normalization():
    a = image()
    return dense_head(a, layers.GroupNormalization(4)(layers.Flatten()(layers.Conv2D(4, 3)(a))))


# The 2 rows can be exchanged (the last Dense reads them apart, but its weights move along); the 3
# features move alike in both rows, because the kernel is shared; so do the 4 results.
@case(f(2) * f(3) * f(4))
def dense_reshape_dense():
    a = vector(5)
    x = layers.Dense(4)(layers.Reshape((2, 3))(layers.Dense(6)(a)))
    return dense_head(a, layers.Flatten()(x))


# 3 features, the same at the 4 positions; each position b has its own kernel, so its own 5 free results.
@case(f(3) * f(5) ** 4)
def einsum_dense_with_a_kernel_per_position():
    a = keras.Input((4, 2))
    x = layers.EinsumDense("abc,bcd->abd", output_shape=(4, 5))(layers.Dense(3)(a))
    return dense_head(a, layers.Flatten()(x))


# ---- sharing -------------------------------------------------------------------------------------


@case(f(3))
def difference_of_two_calls():
    a, b = vector(), vector()
    d = layers.Dense(3)
    return dense_head([a, b], layers.Subtract()([d(a), d(b)]))


# The layer's inputs are h in one call and its own outputs in the other: one permutation for all three.
@case(f(4))
def a_layer_of_itself():
    a = vector()
    h, d = layers.Dense(4)(a), layers.Dense(4)
    return dense_head(a, d(d(h)))


# What d reads, h1 and h2, moves as one; what it writes moves on its own.
@case(f(3) * f(3))
def a_layer_called_again_on_what_comes_later():
    a, d = vector(), layers.Dense(3)
    y1 = d(layers.Dense(3, activation="tanh")(a))
    return dense_head(a, layers.Concatenate()([y1, d(layers.Dense(3)(y1))]))


# The class token's 5 features and the patches' 5 meet in one kernel: they move together. Then 4.
@case(f(5) * f(4))
def class_token_among_patches():
    a = keras.Input((4, 3))
    x = layers.Dense(5)(a)
    token = layers.Reshape((1, 5))(layers.Dense(5)(layers.GlobalAveragePooling1D()(a)))
    x = layers.Dense(4)(layers.Concatenate(axis=1)([token, x]))
    return dense_head(a, x[:, 0])


# 3 heads of 2: heads as wholes, and 2, 4 and 2 features that move alike in all heads.
@case(f(3) * f(2) * f(4) * f(2))
def dense_over_heads():
    a = vector(5)
    x = layers.LayerNormalization()(layers.Reshape((3, 2))(layers.Dense(6)(a)))
    x = layers.Dense(2)(layers.Dense(4, activation="relu")(x))
    return dense_head(a, layers.Flatten()(x))


@case(f(3))
def nested_model_called_twice():
    inner = keras.Sequential([vector(), layers.Dense(3, activation="relu"), layers.BatchNormalization()])
    a, b = vector(), vector()
    return dense_head([a, b], layers.Subtract()([inner(a), inner(b)]))


# Gamma i acts on neuron i of both x and y: the two move together.
@case(f(3))
def batch_normalization_called_twice():
    a, norm = vector(), layers.BatchNormalization()
    return dense_head(a, layers.Concatenate()([norm(layers.Dense(3)(a)), norm(layers.Dense(3)(a))]))


# ---- elementwise parameters ------------------------------------------------------------------------


@case(f(3))
def prelu_per_channel():
    a = image()
    return dense_head(a, layers.Flatten()(layers.PReLU("ones", shared_axes=[1, 2])(layers.Conv2D(3, 1)(a))))


@case(f(3))
def prelu_per_entry():
    a = image()
    return dense_head(a, layers.Flatten()(layers.PReLU()(layers.Conv2D(3, 1)(a))))


# One slope per pixel, for all channels: it hinders no channel.
@case(f(3))
def prelu_per_pixel():
    a = image()
    return dense_head(a, layers.Flatten()(layers.PReLU(shared_axes=[3])(layers.Conv2D(3, 1)(a))))


@case(f(3))
def layer_normalization_over_height_width_and_channels():
    a = image()
    return pooled_head(a, layers.LayerNormalization(axis=[1, 2, 3])(layers.Conv2D(3, 1)(a)))


# ---- tensors combined entry by entry ----------------------------------------------------------------


# Neuron i is gated by neuron i + 3: the two move together.
@case(f(3))
def gated_linear_unit():
    a = vector()
    x = layers.Dense(6)(a)
    return dense_head(a, x[:, :3] * ops.sigmoid(x[:, 3:]))


# 4 channels, with their 4 gates; between them 2 squeezed ones.
@case(f(4) * f(2))
def squeeze_and_excite():
    a = image()
    x = layers.Conv2D(4, 1)(a)
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = layers.Conv2D(4, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="relu")(s))
    return pooled_head(a, layers.Multiply()([x, s]))


# y = (x0+x3, x1+x2, x2+x1, x3+x0). Exchange x0 with x3, x1 with x2, or the two pairs: 2 * 2 * 2. And
# y0 = y3 always, as y1 = y2: exchanging the weights that read them is free too: 2 * 2.
@case(2 * 2 * 2 * 2 * 2)
def sum_with_its_mirror_image():
    a = vector()
    x = layers.Dense(4)(a)
    return dense_head(a, x + ops.flip(x, axis=1))


# As above, but y[t, c] = x[t, c] + x[4-t, 3-c]: y3 is y0 in reverse, no twin of it.
@case(2 * 2 * 2)
def sum_with_its_mirror_image_in_time_and_channels():
    a = keras.Input((5, 3))
    x = layers.Dense(4)(a)
    return dense_head(a, layers.Flatten()(x + ops.flip(x, axis=(1, 2))))


# Both branches end in the 3 channels that are summed.
@case(f(3) * f(5))
def residual_block():
    a = image()
    x = layers.Conv2D(3, 1)(a)
    y = layers.Conv2D(3, 3, padding="same")(layers.Conv2D(5, 3, padding="same", activation="relu")(x))
    return pooled_head(a, layers.ReLU()(layers.Add()([x, y])))


# Every layer reads all before it: concatenation moves nothing.
@case(f(3) * f(4) * f(2))
def dense_block():
    a = image()
    x = layers.Conv2D(3, 1)(a)
    x = layers.Concatenate()([x, layers.Conv2D(4, 3, padding="same")(x)])
    return pooled_head(a, layers.Concatenate()([x, layers.Conv2D(2, 3, padding="same")(x)]))


# ---- constants ----------------------------------------------------------------------------------------


@case(f(2) * f(2))
def half_of_the_neurons_doubled():
    a = vector()
    x = layers.Dense(4)(a)
    return dense_head(a, layers.Concatenate()([x[:, :2] * 2, x[:, 2:]]))


# Channels 0 and 2 are scaled alike.
@case(f(2))
def rescaling_per_channel():
    a = image()
    return pooled_head(a, layers.Rescaling([1.0, 2.0, 1.0])(layers.Conv2D(3, 1)(a)))


@case(1)
def different_constants_pin_every_feature():
    a = keras.Input((5, 4))
    constant = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    return dense_head(a, layers.Flatten()(layers.Dense(4)(a) + constant))


# Sinusoids of 2 frequencies, laid out twice: features 0, 2 and features 1, 3 have equal columns.
@case(f(2) * f(2))
def equal_columns_of_constants_stay_exchangeable():
    a = keras.Input((5, 3))
    angles = np.arange(5)[:, None] * np.array([1.0, 0.1, 1.0, 0.1])
    return dense_head(a, layers.Flatten()(layers.Dense(4)(a) + np.sin(angles).astype("float32")))


# Rotary angles: 2 heads of 4 dimensions, in which (0, 2) turns by t and (1, 3) by t / 10. A rotation
# keeps the order in its pair, so what is free is to exchange equal pairs between heads: 2! for each angle.
@case(f(2) * f(2))
def rotary_angles_do_not_pin_the_heads():
    a = keras.Input((5, 3))
    x = layers.Reshape((5, 2, 4))(layers.Dense(8)(a))
    angles = (np.arange(5)[:, None, None] * np.array([1.0, 0.1, 1.0, 0.1])).astype("float32")
    turned = layers.Concatenate()([-x[..., 2:], x[..., :2]])
    x = x * np.cos(angles) + turned * np.sin(angles)
    return dense_head(a, layers.Flatten()(x))


@case(f(2) * f(2))
def two_slopes_on_two_halves():
    a = vector()
    x = layers.Dense(4)(a)
    return dense_head(
        a, layers.Concatenate()([layers.LeakyReLU(0.1)(x[:, :2]), layers.LeakyReLU(0.3)(x[:, 2:])])
    )


# ---- shapes ------------------------------------------------------------------------------------------


# Dense gives 3 x 3 pixels of 2 channels: pixels stay in place, channels move alike in all of them.
@case(f(2) * f(4))
def decoder():
    a = vector(3)
    x = layers.Conv2DTranspose(4, 3, strides=2)(layers.Reshape((3, 3, 2))(layers.Dense(18)(a)))
    return keras.Model(a, layers.Conv2D(2, 1)(x))


# What the network calls channels was the width of the input.
@case(f(4))
def axes_exchanged_before_a_convolution():
    a = keras.Input((3, 6, 6))
    return pooled_head(a, layers.Conv2D(4, 3)(layers.Permute((2, 3, 1))(a)))


@case(f(4) * f(3))
def padding_then_batch_normalization_then_convolution():
    a = image()
    x = layers.BatchNormalization()(layers.ZeroPadding2D()(layers.Conv2D(4, 1)(a)))
    return pooled_head(a, layers.Conv2D(3, 3)(x))


# 3 channels of a volume; the causal convolution's channels are outputs.
@case(f(3))
def volume_then_causal_convolution():
    a = keras.Input((4, 4, 4, 2))
    x = layers.Reshape((27, 3))(layers.Conv3D(3, 2)(a))
    return keras.Model(
        a, layers.GlobalMaxPooling1D()(layers.Conv1D(3, 3, padding="causal", dilation_rate=2)(x))
    )


# The 6 token vectors are pinned, the 3 features are free, and so are the 4 of Dense.
@case(f(3) * f(4))
def embedding():
    a = keras.Input((5,), dtype="int32")
    x = layers.Dense(4)(layers.Embedding(6, 3)(a))
    return dense_head(a, layers.GlobalAveragePooling1D()(x))


# An output pins the neurons that it shows, also those that other layers read.
@case(1)
def hidden_neurons_and_inputs_that_are_outputs():
    a = vector()
    x = layers.Dense(3)(a)
    return keras.Model(a, [x, layers.Dense(2)(x), a])


# Padding of an output carries no weight; the 3 hidden neurons stay free.
@case(f(3))
def an_output_that_is_partly_a_constant():
    a = vector()
    hidden = layers.Dense(3, activation="relu")(a)
    return keras.Model(a, ops.pad(layers.Dense(2)(hidden), ((0, 0), (0, 2))))


@pytest.mark.parametrize("build, order", case)
def test_golden(build, order):
    keras.utils.set_random_seed(0)
    assert_sound(build(), order=order)
