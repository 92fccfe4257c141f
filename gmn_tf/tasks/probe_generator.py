"""The learnt inputs of the baseline "probes": codes, and a deep linear generator that they share."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

_START = 4
_KERNEL = 4


class ProbeGenerator(tf_keras.layers.Layer):
    """Learnt inputs for networks: `generator(code_k)`, k = 1 ... number (Kahana et al. 2025, section 4).

    The generator is deep and linear: layers without activations between them, which prefer structured
    probes to noise. For images a linear map to 4 x 4 pixels, transposed convolutions that double the
    size until it suffices (what is too much is cut off), and one of size 3; for other inputs two linear
    maps. At the end of the former stands a sigmoid, since the images of a zoo lie in [0, 1]: the
    paper's tanh, moved to that range.

    Args:
        number: of probes.
        shape: of one input, without the batch.
        latent_dim: width of a code.
        width: channels before the last layer; twice as many after each layer before it.
        seed: of the initial weights.

    Call returns:
        float32 [number, *shape]; there is nothing to pass.
    """

    def __init__(
        self,
        number: int,
        *,
        shape: tuple[int, ...],
        latent_dim: int = 32,
        width: int = 16,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.number, self.shape = number, tuple(shape)
        self.latent_dim, self.width, self.seed = latent_dim, width, seed
        seeds = iter(range(1000 * seed, 1000 * (seed + 1)))
        layers = tf_keras.layers
        start = tf_keras.initializers.RandomNormal(stddev=1.0, seed=next(seeds))
        self._codes = self.add_weight("codes", (number, latent_dim), initializer=start)

        def glorot() -> Any:
            return tf_keras.initializers.GlorotUniform(seed=next(seeds))

        self._image = len(self.shape) == 3
        if not self._image:
            size = int(np.prod(self.shape))
            self._layers = [layers.Dense(n, kernel_initializer=glorot()) for n in (latent_dim, size)]
            return
        doublings = 0
        while _START * 2**doublings < max(self.shape[:2]):
            doublings += 1
        widths = [width * 2**n for n in reversed(range(doublings + 1))]
        self._layers = [
            layers.Dense(_START * _START * widths[0], kernel_initializer=glorot()),
            layers.Reshape((_START, _START, widths[0])),
        ]
        for channels in widths[1:]:
            doubling = layers.Conv2DTranspose(
                channels, _KERNEL, strides=2, padding="same", kernel_initializer=glorot()
            )
            self._layers.append(doubling)
        self._layers.append(layers.Conv2D(self.shape[2], 3, padding="same", kernel_initializer=glorot()))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "number": self.number,
            "shape": self.shape,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "seed": self.seed,
        }

    def call(self, _: Any = None) -> Any:
        import tensorflow as tf

        state = tf.convert_to_tensor(self._codes)
        for layer in self._layers:
            state = layer(state)
        if not self._image:
            return tf.reshape(state, [self.number, *self.shape])
        height, width = self.shape[:2]
        top, left = (state.shape[1] - height) // 2, (state.shape[2] - width) // 2
        return tf.sigmoid(state[:, top : top + height, left : left + width])
