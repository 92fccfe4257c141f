"""Many networks of one architecture, trained together in one compiled step.

Each network has its own initial weights, training images, batch order, dropout and hyper-parameters, drawn
from its own random stream: what it becomes does not depend on the networks it is trained beside (up to the
rounding of float32 sums). Networks that have finished keep their weights and soon leave the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.zoo import draws, recipe
from gmn_tf.zoo.data import Data
from gmn_tf.zoo.families.architecture import NORM_MOMENTUM, Architecture, Dropout
from gmn_tf.zoo.hyper_parameters import HyperParameters
from gmn_tf.zoo.images import ShiftedImages

_PHASES = 8
_MAX_GROUP = 64
_MAX_DROPOUTS = 15  # seeds of the draws of one step: 16 numbers, the last for noise


class GroupTrainer:
    """Trains networks of one architecture on one data set.

    Args:
        architecture: what they all look like.
        data: what they are trained on.
        seed: the population's.
        stream: a number of the architecture; keeps the dropout of different architectures apart.
    """

    def __init__(self, architecture: Architecture, data: Data, *, seed: int, stream: int = 0) -> None:
        self._architecture = architecture
        self._data = data
        self._seed = seed
        self._dropout_seed = np.random.default_rng([seed, 3, stream]).integers(2**31, dtype=np.int32)
        variables = architecture.variables()
        self._sizes = [variable.size for variable in variables]
        self._kernels = np.repeat(
            np.array([variable.role == "kernel" for variable in variables], np.float32), self._sizes
        )
        self._num_dropouts = _count_dropouts(architecture)
        self._images = ShiftedImages(data)
        self._phase = tf.function(self._phase_graph, input_signature=_phase_signature(architecture))

    def train(self, indices: Sequence[int], parameters: Sequence[HyperParameters]) -> np.ndarray:
        """Weights after training, float32 [n, P], all finite, of the networks with these numbers."""
        answer = np.empty((len(indices), self._architecture.num_parameters), np.float32)
        order = sorted(range(len(indices)), key=lambda row: -parameters[row].steps)
        for start in range(0, len(order), _MAX_GROUP):
            rows = order[start : start + _MAX_GROUP]
            answer[rows] = self._train_group([indices[r] for r in rows], [parameters[r] for r in rows])
        return answer

    def _train_group(self, indices: list[int], parameters: list[HyperParameters]) -> np.ndarray:
        """The same for one group, longest training first."""
        steps = np.array([p.steps for p in parameters])
        flat = np.stack(
            [
                draws.initial_weights(self._architecture, index, seed=self._seed, scale=p.initial_scale)
                for index, p in zip(indices, parameters, strict=True)
            ]
        )
        corners = np.zeros((steps[0], len(indices), recipe.BATCH_SIZE), np.int32)
        labels = np.zeros_like(corners)
        # One turn for each dropout layer, and one for noise.
        turns = np.zeros((steps[0], len(indices), max(1, self._num_dropouts) + 1), np.float32)
        for row, (index, p) in enumerate(zip(indices, parameters, strict=True)):
            corners[: p.steps, row], labels[: p.steps, row] = self._batches(index, p)
            rng = recipe.network_rng(index, seed=self._seed, use=3)
            turns[: p.steps, row, :-1] = rng.random((p.steps, turns.shape[2] - 1), np.float32)
            turns[: p.steps, row, -1] = rng.random(p.steps, np.float32)
        settings = np.array([_settings(p) for p in parameters], np.float32)
        momentum, square = np.zeros_like(flat), np.zeros_like(flat)
        start = 0
        for stop in _phase_ends(steps):
            active = int(np.sum(steps > start))
            state = self._phase(
                flat[:active],
                momentum[:active],
                square[:active],
                settings[:active],
                corners[start:stop, :active],
                labels[start:stop, :active],
                turns[start:stop, :active],
                np.int32(start),
            )
            flat[:active], momentum[:active], square[:active] = (tensor.numpy() for tensor in state)
            start = stop
        return flat

    def _batches(self, index: int, p: HyperParameters) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the images and labels of one network's batches, each [steps, B]."""
        order = draws.batch_order(
            index,
            seed=self._seed,
            steps=p.steps,
            fraction=p.train_fraction,
            num_images=len(self._data.x_train),
        )
        moves = None
        if p.augmentation == "shift":
            moves = draws.shifts(index, seed=self._seed, steps=p.steps, limit=self._images.limit)
        told = draws.noisy_labels(
            self._data.y_train,
            index,
            seed=self._seed,
            share=p.label_noise,
            num_classes=self._data.num_classes,
        )
        return self._images.corners(order, moves), told[order]

    def _phase_graph(
        self,
        flat: Any,
        momentum: Any,
        square: Any,
        settings: Any,
        corners: Any,
        labels: Any,
        turns: Any,
        start: Any,
    ) -> Any:
        """All steps of one phase; corners, labels [steps, N, B], turns [steps, N, ...], settings [N, S]."""

        def body(step: Any, *state: Any) -> Any:
            batch = (self._images.windows(corners[step]), labels[step])
            return (step + 1, *self._step(state, settings, batch, turns[step], start + step))

        state = (tf.constant(0), flat, momentum, square)
        steps = tf.shape(corners)[0]
        return tf.while_loop(lambda step, *_: step < steps, body, state, parallel_iterations=1)[1:]

    def _step(
        self, state: tuple[Any, ...], settings: Any, batch: tuple[Any, Any], turns: Any, step: Any
    ) -> tuple[Any, Any, Any]:
        """One step of every network: (weights, momentum, mean square) before it and after it."""
        flat, momentum, square = state
        rate, decay, dropout_rate, steps, noise, is_sgd, is_rmsprop = (
            settings[:, i : i + 1] for i in range(_NUM_SETTINGS)
        )  # each [N, 1]
        images, labels = batch  # [N, B, H, W, C], [N, B]
        images = self._with_noise(images, noise[:, 0], turns[:, -1], step)
        with tf.GradientTape() as tape:
            tape.watch(flat)
            scores, moments = self._architecture.logits(
                flat,
                images,
                dropout=self._dropout(dropout_rate[:, 0], turns, step) if self._num_dropouts else None,
                training=True,
            )
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
            loss = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
        gradient = tape.gradient(loss, flat)
        norm = tf.norm(gradient, axis=1, keepdims=True)
        gradient *= tf.minimum(1.0, recipe.CLIP_NORM / tf.maximum(norm, 1e-12))

        count = tf.cast(step + 1, tf.float32)
        momentum_next = recipe.MOMENTUM * momentum + (1.0 - recipe.MOMENTUM * (1.0 - is_sgd)) * gradient
        keep = tf.where(is_rmsprop > 0.5, recipe.RMSPROP_DECAY, 0.999)
        take = tf.where(is_rmsprop > 0.5, 1.0 - recipe.RMSPROP_DECAY, 0.001)
        square_next = keep * square + take * tf.square(gradient)
        correction = tf.sqrt(1.0 - 0.999**count) / (1.0 - recipe.MOMENTUM**count)
        adam = correction * momentum_next / (tf.sqrt(square_next) + 1e-7)  # as Keras' Adam
        rmsprop = gradient * tf.math.rsqrt(square_next + 1e-7)  # as Keras' RMSprop
        update = tf.where(is_sgd > 0.5, momentum_next, tf.where(is_rmsprop > 0.5, rmsprop, adam))
        flat_next = self._with_moments(flat - rate * (update + decay * self._kernels * flat), moments)
        # A network that is finished, or that this step would blow up, stays as it is.
        healthy = tf.reduce_all(tf.math.is_finite(flat_next), axis=1, keepdims=True) & tf.math.is_finite(norm)
        moves = healthy & (tf.cast(step, tf.float32) < steps)
        return (
            tf.where(moves, flat_next, flat),
            tf.where(moves, momentum_next, momentum),
            tf.where(moves, square_next, square),
        )

    def _with_moments(self, flat: Any, moments: list[Any]) -> Any:
        """Moves the running statistics towards those of the batch, as Keras' BatchNormalization does."""
        if not moments:
            return flat
        pieces = tf.split(flat, self._sizes, axis=1)
        batch = iter(moments)
        for i, variable in enumerate(self._architecture.variables()):
            if not variable.trainable:
                pieces[i] += (1.0 - NORM_MOMENTUM) * (next(batch) - pieces[i])
        return tf.concat(pieces, axis=1)

    def _with_noise(self, images: Any, noise: Any, turns: Any, step: Any) -> Any:
        """Adds uniform noise of this standard deviation [N]; the draw is shared as in `_dropout`."""

        def noisy() -> Any:
            seed = tf.stack([self._dropout_seed, step * 16 + _MAX_DROPOUTS])
            draw = tf.random.stateless_uniform([1, *images.shape[1:]], seed)
            draw = tf.math.floormod(draw + turns[:, *[tf.newaxis] * 4], 1.0)
            return images + noise[:, *[tf.newaxis] * 4] * (12.0**0.5 * (draw - 0.5))

        return tf.cond(tf.reduce_any(noise > 0.0), noisy, lambda: images)

    def _dropout(self, rate: Any, turns: Any, step: Any) -> Dropout:
        """Inverted dropout; one uniform draw a step, turned (modulo 1) by each network's own offset."""

        def drop(x: Any, number: int, /, *, axis: int = 0) -> Any:
            shape = tf.unstack(tf.shape(x))
            each = [-1 if i == axis else 1 for i in range(len(shape))]
            shape[axis] = 1
            seed = tf.stack([self._dropout_seed, step * 16 + number])
            draw = tf.random.stateless_uniform(tf.stack(shape), seed)
            draw = tf.math.floormod(draw + tf.reshape(turns[:, number], each), 1.0)
            kept = tf.reshape(rate, each)
            return x * (tf.cast(draw >= kept, tf.float32) / (1.0 - kept))

        return drop


def _settings(p: HyperParameters) -> list[float]:
    """The row of `settings` of one network, as `_step` takes it apart."""
    return [
        p.learning_rate,
        p.weight_decay,
        p.dropout_rate,
        p.steps,
        recipe.NOISE if p.augmentation == "noise" else 0.0,
        p.optimizer == "sgd",
        p.optimizer == "rmsprop",
    ]


_NUM_SETTINGS = 7


def _count_dropouts(architecture: Architecture) -> int:
    """How many dropout layers the function of an architecture calls."""
    if not architecture.has_dropout:
        return 0
    numbers = set()

    def note(x: Any, number: int, /, *, axis: int = 0) -> Any:
        numbers.add(number)
        return x

    with tf.Graph().as_default():
        flat = tf.zeros([1, architecture.num_parameters])
        architecture.logits(flat, tf.zeros([1, 1, *architecture.image_shape]), dropout=note, training=True)
    return len(numbers)


def _phase_ends(steps: np.ndarray) -> list[int]:
    """Where the group is cut down to the networks still in training; `steps` is falling."""
    stride = max(1, len(steps) // _PHASES)
    return sorted({int(steps[0]), *(int(value) for value in steps[::stride])})


def _phase_signature(architecture: Architecture) -> list[tf.TensorSpec]:
    weights = tf.TensorSpec([None, architecture.num_parameters], tf.float32)
    batches = tf.TensorSpec([None, None, recipe.BATCH_SIZE], tf.int32)
    return [
        weights,
        weights,
        weights,
        tf.TensorSpec([None, _NUM_SETTINGS], tf.float32),
        batches,
        batches,
        tf.TensorSpec([None, None, None], tf.float32),
        tf.TensorSpec([], tf.int32),
    ]
