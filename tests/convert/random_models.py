"""Random Keras 3 models, tiny and varied: one from each integer.

A model is an input, a handful of steps drawn at random among those that fit the tensor at hand, and a
head of two outputs. Steps take and give a symbolic tensor; None says that the step does not fit.
"""

from __future__ import annotations

import math
from typing import ClassVar

import keras
import numpy as np
from keras import layers, ops

from gmn_tf.keras_layers import FeatureGrid, FeaturePlanes, GroupEquivariantDense, SetEquivariantDense

LARGEST = 220  # entries of a tensor, batch aside
WIDEST = 8


class Builder:
    """Draws the steps of one model."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.made: list[str] = []
        self.stream: list = []

    def one_of(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def width(self) -> int:
        return int(self.rng.integers(2, 6))

    def activation(self) -> str:
        return self.one_of(
            "relu", "tanh", "gelu", "sigmoid", "elu", "silu", "softplus", "leaky_relu", "linear"
        )

    # ---- steps for a tensor of any rank --------------------------------------------------------------

    def dense(self, x):
        return layers.Dense(self.width(), activation=self.activation(), use_bias=self.rng.random() < 0.8)(x)

    def activate(self, x):
        return self.one_of(
            layers.ReLU(),
            layers.LeakyReLU(0.2),
            layers.Activation(self.activation()),
            layers.Softmax(),
            layers.PReLU("ones"),
            layers.PReLU("ones", shared_axes=list(range(1, len(x.shape) - 1)) or None),
            ops.sin,
            ops.square,
        )(x)

    def normalize(self, x):
        rank, width = len(x.shape), x.shape[-1]
        if width < 2:
            return None
        return self.one_of(
            layers.BatchNormalization(),
            layers.BatchNormalization(scale=False),
            layers.BatchNormalization(axis=1),
            layers.LayerNormalization(),
            layers.LayerNormalization(center=False, scale=False),
            layers.LayerNormalization(axis=list(range(1, rank))),
            layers.LayerNormalization(axis=1),
            layers.GroupNormalization(self.one_of(*[g for g in range(1, width + 1) if width % g == 0])),
            layers.RMSNormalization(),
            layers.UnitNormalization(),
        )(x)

    def regularize(self, x):
        return self.one_of(layers.Dropout(0.3), layers.GaussianNoise(0.1), layers.Identity())(x)

    def residual(self, x):
        y = layers.Dense(self.width(), activation=self.activation())(x)
        y = layers.Dense(x.shape[-1])(self.normalize(y) if self.rng.random() < 0.5 else y)
        y = self.one_of(layers.Add(), layers.Average())([x, y])
        return self.activate(y) if self.rng.random() < 0.5 else y

    def gate(self, x):
        gate = layers.Dense(self.one_of(x.shape[-1], 1), activation="sigmoid")(x)
        return self.one_of(layers.Multiply(), layers.Maximum())([x, gate])

    def halves(self, x):
        if x.shape[-1] % 2:
            return None
        left, right = ops.split(x, 2, axis=-1)
        if self.rng.random() < 0.3:
            return layers.Concatenate()([self.activate(left), right])
        if self.rng.random() < 0.5:
            left = self.activate(left)
        return self.one_of(ops.multiply, ops.subtract, ops.add, ops.minimum)(left, ops.tanh(right))

    def dense_block(self, x):
        if x.shape[-1] > WIDEST // 2:
            return None
        return layers.Concatenate()([x, layers.Dense(self.width(), activation="relu")(x)])

    def shared(self, x):
        layer = self.one_of(layers.Dense(x.shape[-1]), layers.Dense(x.shape[-1], activation="tanh"))
        if self.rng.random() < 0.4:
            return layer(layer(x))
        other = layers.Dense(x.shape[-1])(x)
        return self.one_of(layers.Subtract(), layers.Concatenate(), layers.Add())([layer(x), layer(other)])

    def shared_normalization(self, x):
        layer = self.one_of(layers.BatchNormalization(), layers.LayerNormalization(), layers.PReLU("ones"))
        return layers.Subtract()([layer(x), layer(layers.Dense(x.shape[-1])(x))])

    def nested(self, x):
        inner = keras.Sequential([keras.Input(x.shape[1:]), layers.Dense(self.width(), activation="relu")])
        inner.add(layers.LayerNormalization())
        return inner(x)

    def constant(self, x):
        shapes = [(), x.shape[-1:]]
        if x.shape[1] != x.shape[-1]:  # else Keras 3.15 on TensorFlow adds along the wrong axis
            shapes.append((x.shape[1], *[1] * (len(x.shape) - 2)))
        shape = self.one_of(*shapes)
        number = self.rng.integers(1, 3, shape).astype("float32")
        return self.one_of(ops.add, ops.multiply, ops.subtract)(x, number)

    def move(self, x):
        axis = int(self.rng.integers(1, len(x.shape)))
        return self.one_of(
            lambda t: ops.flip(t, axis=axis),
            lambda t: ops.roll(t, 1, axis=axis),
            lambda t: t + ops.flip(t, axis=axis),
            lambda t: t * t,
            lambda t: ops.repeat(t, 2, axis=axis),
            lambda t: layers.Concatenate(axis=axis)([t, ops.tanh(t)]),
        )(x)

    def reduce(self, x):
        if len(x.shape) < 3:
            return None
        axis = int(self.rng.integers(1, len(x.shape)))
        return self.one_of(ops.mean, ops.max, ops.sum)(x, axis=axis)

    def skip(self, x):
        """A long skip connection, where an earlier tensor fits."""
        fitting = [s for s in self.stream[:-1] if tuple(s.shape) == tuple(x.shape) and s is not x]
        return layers.Add()([self.one_of(*fitting), x]) if fitting else None

    # ---- vectors ---------------------------------------------------------------------------------------

    def fold_up(self, x):
        if len(x.shape) != 2:
            return None
        divisors = [d for d in range(2, x.shape[1]) if x.shape[1] % d == 0]
        if not divisors:
            return None
        rows = self.one_of(*divisors)
        return layers.Reshape(self.one_of((rows, x.shape[1] // rows), (x.shape[1] // rows, rows, 1)))(x)

    def spread(self, x):
        return layers.RepeatVector(3)(x) if len(x.shape) == 2 else None

    # ---- sequences and images ----------------------------------------------------------------------------

    def convolve(self, x):
        rank = len(x.shape) - 2
        if rank not in (1, 2):
            return None
        size = int(self.rng.integers(1, 1 + min(3, *x.shape[1:-1])))
        settings = {"padding": self.one_of("same", "valid"), "activation": self.activation()}
        if rank == 1 and self.rng.random() < 0.3:
            settings["padding"] = "causal"
        if self.rng.random() < 0.3:
            settings["strides"] = 2
        elif settings["padding"] != "valid":
            settings["dilation_rate"] = self.one_of(1, 2)
        divisors = [g for g in (2, 3) if x.shape[-1] % g == 0]
        if divisors and self.rng.random() < 0.5:
            groups = self.one_of(*divisors)
            return (layers.Conv1D if rank == 1 else layers.Conv2D)(
                2 * groups, size, groups=groups, **settings
            )(x)
        return (layers.Conv1D if rank == 1 else layers.Conv2D)(self.width(), size, **settings)(x)

    def depthwise(self, x):
        rank = len(x.shape) - 2
        if rank not in (1, 2) or x.shape[-1] > 4:
            return None
        one = layers.DepthwiseConv1D if rank == 1 else layers.DepthwiseConv2D
        two = layers.SeparableConv1D if rank == 1 else layers.SeparableConv2D
        if self.rng.random() < 0.5:
            return one(2, padding="same", depth_multiplier=self.one_of(1, 2))(x)
        return two(self.width(), 2, padding="same")(x)

    def transposed(self, x):
        rank = len(x.shape) - 2
        if rank not in (1, 2) or math.prod(x.shape[1:-1]) > 9:
            return None
        return (layers.Conv1DTranspose if rank == 1 else layers.Conv2DTranspose)(self.width(), 2, strides=2)(
            x
        )

    def pool(self, x):
        rank = len(x.shape) - 2
        if rank not in (1, 2) or min(x.shape[1:-1]) < 2:
            return None
        kind = self.one_of("MaxPooling", "AveragePooling")
        return getattr(layers, f"{kind}{rank}D")(
            2, strides=self.one_of(1, 2), padding=self.one_of("same", "valid")
        )(x)

    def pad(self, x):
        rank = len(x.shape) - 2
        if rank not in (1, 2):
            return None
        kind, smallest = self.one_of("ZeroPadding", "UpSampling", "Cropping"), min(x.shape[1:-1])
        if (kind == "Cropping" and smallest < 3) or (kind == "UpSampling" and smallest > 3):
            return None
        return getattr(layers, f"{kind}{rank}D")(2 if kind == "UpSampling" else 1)(x)

    def flatten(self, x):
        return layers.Flatten()(x) if len(x.shape) > 2 and math.prod(x.shape[1:]) <= 60 else None

    def pool_globally(self, x):
        rank = len(x.shape) - 2
        if rank not in (1, 2):
            return None
        kind = self.one_of("GlobalAveragePooling", "GlobalMaxPooling")
        return getattr(layers, f"{kind}{rank}D")()(x)

    def reshape(self, x):
        if len(x.shape) == 4:
            return layers.Reshape((x.shape[1] * x.shape[2], x.shape[3]))(x)
        if len(x.shape) == 3 and x.shape[-1] % 2 == 0:
            return layers.Reshape((x.shape[1], 2, x.shape[2] // 2))(x)
        return None

    def permute(self, x):
        return (
            layers.Permute(tuple(self.rng.permutation(len(x.shape) - 1) + 1))(x) if len(x.shape) > 2 else None
        )

    def blocks_of_pixels(self, x):
        if len(x.shape) == 4 and x.shape[-1] % 4 == 0:
            return ops.nn.depth_to_space(x, 2)
        if len(x.shape) == 4 and x.shape[1] % 2 == 0 and x.shape[2] % 2 == 0 and x.shape[3] < 4:
            return ops.nn.space_to_depth(x, 2)
        return None

    # ---- sequences ---------------------------------------------------------------------------------------

    def attend(self, x):
        if len(x.shape) != 3:
            return None
        if self.rng.random() < 0.3:
            y = layers.GroupQueryAttention(2, 4, 2)(x, x)
        else:
            layer = layers.MultiHeadAttention(int(self.rng.integers(1, 4)), 2, value_dim=self.one_of(None, 3))
            other = self.stream[int(self.rng.integers(len(self.stream)))]
            y = layer(x, other if len(other.shape) == 3 else x, use_causal_mask=bool(self.rng.random() < 0.2))
        return layers.Add()([x, y]) if self.rng.random() < 0.6 else y

    def recur(self, x):
        if len(x.shape) != 3:
            return None
        cell = self.one_of(layers.SimpleRNN, layers.GRU, layers.LSTM)
        layer = cell(int(self.rng.integers(2, 4)), return_sequences=bool(self.rng.random() < 0.6))
        return layers.Bidirectional(layer)(x) if self.rng.random() < 0.3 else layer(x)

    def scores(self, x):
        """Attention written out in products."""
        if len(x.shape) != 3:
            return None
        width = self.width()
        q, k, v = (layers.Dense(width)(x) for _ in range(3))
        if self.rng.random() < 0.5:
            weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) * width**-0.5, axis=-1)
            return ops.matmul(weights, v)
        return layers.Dot(axes=(2, 1))([ops.softmax(layers.Dot(axes=(2, 2))([q, k])), v])

    def token_in_front(self, x):
        if len(x.shape) != 3:
            return None
        token = layers.Dense(x.shape[-1])(layers.GlobalAveragePooling1D()(x))
        return layers.Concatenate(axis=1)([layers.Reshape((1, x.shape[-1]))(token), x])

    def one_position(self, x):
        return x[:, int(self.rng.integers(x.shape[1]))] if len(x.shape) > 2 else None

    def einsum(self, x):
        if len(x.shape) != 3:
            return None
        _, steps, _ = x.shape
        equation, shape, axes = self.one_of(
            ("abc,cd->abd", (steps, 3), "d"),
            ("abc,bcd->abd", (steps, 2), None),
            ("abc,bcd->ad", (3,), "d"),
            ("abc,cde->abde", (steps, 2, 2), "de"),
            ("abc,bd->adc", (2, x.shape[2]), None),
        )
        return layers.EinsumDense(equation, output_shape=shape, bias_axes=axes)(x)

    # ---- layers of this package ------------------------------------------------------------------------

    def equivariant(self, x):
        """Over the last axis but one, as a set, or under the turns or the reflection of a line."""
        if len(x.shape) < 3 or x.shape[-2] > 9:
            return None
        size = x.shape[-2]
        settings = {"activation": self.activation(), "use_bias": self.rng.random() < 0.7}
        if self.rng.random() < 0.5:
            pooling = self.one_of("mean", "sum", "max")
            return SetEquivariantDense(self.width(), pooling=pooling, **settings)(x)
        turns, reflection = [*range(1, size), 0], list(range(size))[::-1]
        generators = self.one_of([turns], [reflection], [turns, reflection])
        outputs = self.one_of(None, None, [[0]] * len(generators))
        return GroupEquivariantDense(self.width(), generators, output_generators=outputs, **settings)(x)

    def read_features(self, x):
        """The features of x as coordinates of grids."""
        if x.shape[-1] > 3:
            return None
        combination = self.one_of("sum", "multiply", "concatenate")
        if x.shape[-1] == 1 or self.rng.random() < 0.4:
            return FeatureGrid(self.width(), 2, grid_initializer="glorot_uniform")(x)
        return FeaturePlanes(self.width(), 3, combination=combination, grid_initializer="glorot_uniform")(x)

    # ---- the whole -----------------------------------------------------------------------------------------

    # How often each is drawn.
    STEPS: ClassVar = {
        "dense": 2, "activate": 1, "normalize": 2, "regularize": 1, "residual": 1, "gate": 1, "halves": 1,
        "dense_block": 1, "shared": 1, "shared_normalization": 1, "nested": 1, "constant": 1, "move": 1,
        "reduce": 1, "skip": 2, "fold_up": 1, "spread": 1, "convolve": 3, "depthwise": 1, "transposed": 1,
        "pool": 1, "pad": 1, "flatten": 1, "pool_globally": 1, "reshape": 1, "permute": 1,
        "blocks_of_pixels": 1, "attend": 2, "recur": 1, "scores": 1, "token_in_front": 1,
        "one_position": 1, "einsum": 1, "equivariant": 2, "read_features": 1,
    }  # fmt: skip

    def step(self, x):
        names = [name for name, count in self.STEPS.items() for _ in range(count)]
        while True:
            name = self.one_of(*names)
            y = getattr(self, name)(x)
            if y is not None and self._fits(y.shape[1:]):
                self.made.append(name)
                return y

    def _fits(self, shape) -> bool:
        return len(shape) > 0 and math.prod(shape) <= LARGEST and shape[-1] <= 3 * WIDEST

    def build(self) -> keras.Model:
        inputs = self.one_of(
            keras.Input((self.width(),)),
            keras.Input((int(self.rng.integers(3, 6)), self.width())),
            keras.Input((4, 4, int(self.rng.integers(1, 4)))),
            keras.Input((4,), dtype="int32"),
        )
        x = inputs
        if x.dtype == "int32":
            x = layers.Embedding(5, self.width())(x)
        elif len(x.shape) == 4:
            x = layers.Conv2D(self.width(), self.one_of(1, 2, 3), padding="same")(x)
        else:
            x = layers.Dense(self.width(), activation=self.activation())(x)
        for _ in range(int(self.rng.integers(2, 7))):
            self.stream.append(x)
            x = self.step(x)
        while len(x.shape) > 2:
            x = (
                self.flatten(x)
                if self.rng.random() < 0.6 and self.flatten(x) is not None
                else ops.mean(x, axis=1)
            )
        if self.rng.random() < 0.2:
            return keras.Model(inputs, [layers.Dense(2)(x), x])
        return keras.Model(inputs, layers.Dense(2)(x))


def random_model(seed: int) -> tuple[keras.Model, list[str]]:
    """A model and the names of its steps."""
    keras.utils.set_random_seed(seed % 2**31)
    builder = Builder(seed)
    return builder.build(), builder.made
