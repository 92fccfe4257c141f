"""Trains runs of the Small CNN Zoo together: those of one activation and one share of the training images.

They then take as many steps an epoch, and all their convolutions are one grouped convolution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.zoo import small_cnn_recipe as recipe
from gmn_tf.zoo.data import Data
from gmn_tf.zoo.families.small_cnn import SmallCnnArchitecture
from gmn_tf.zoo.small_cnn_recipe import Run

MAX_TRAIN_MEASURED = 2000
_MEASURED_AT_ONCE = 500
_EPSILON = 1e-7
_DECAYS = {"adam": (0.9, 0.999), "rmsprop": (0.0, 0.9), "sgd": (0.0, 0.9)}  # of momentum and of mean square


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """What a group of N runs became: C checkpoints of each.

    Attributes:
        weights: float32 [N, C, 4970].
        metrics: "test_accuracy", "test_loss", "train_accuracy", "train_loss", each float32 [N, C]; on the
            test images, and on up to 2,000 of the images that the run was trained on.
    """

    weights: np.ndarray
    metrics: dict[str, np.ndarray]


class RunTrainer:
    """Trains runs on one data set.

    Args:
        data: grey images in [0, 1], see `gmn_tf.zoo.data.load_data`; trained on as 2 x - 1.
        seed: the population's.
        epochs: of every run.
        steps: epochs after which runs are kept besides the last.
    """

    def __init__(self, data: Data, *, seed: int, epochs: int, steps: Sequence[int]) -> None:
        self._data = data
        self._seed = seed
        self._kept = recipe.kept_epochs(epochs, steps)
        self._images = tf.constant(2.0 * data.x_train - 1.0)
        self._labels = tf.constant(data.y_train)
        self._test_images = 2.0 * data.x_test - 1.0
        self._functions: dict[str, tuple[Any, Any]] = {}

    @property
    def kept(self) -> tuple[int, ...]:
        """Epochs after which runs are kept."""
        return self._kept

    def train(self, numbers: Sequence[int], runs: Sequence[Run]) -> Checkpoints:
        """Trains the runs with these numbers, all of one activation and one share of the images."""
        [(activation, _)] = {(run.activation, run.train_fraction) for run in runs}
        epoch_of, scores_of = self._compiled(activation)
        size = recipe.batch_size(len(self._data.x_train))
        images = [
            recipe.images_of(number, run, seed=self._seed, num_images=len(self._data.x_train))
            for number, run in zip(numbers, runs, strict=True)
        ]
        flat = np.stack(
            [
                recipe.initial_weights(number, run, seed=self._seed)
                for number, run in zip(numbers, runs, strict=True)
            ]
        )
        state = (tf.constant(flat), tf.zeros_like(flat), tf.zeros_like(flat), tf.zeros([len(flat), 1]))
        settings = np.array([_settings(run) for run in runs], np.float32)
        seeds = np.array([[self._seed, number] for number in numbers], np.int32)
        kept, measured = [], []
        for epoch in range(self._kept[-1] + 1):
            if epoch in self._kept:
                kept.append(state[0].numpy())
                measured.append(self._measure(scores_of, state[0], images))
            if epoch < self._kept[-1]:
                order = np.stack(
                    [
                        recipe.batches(number, seen, seed=self._seed, epoch=epoch, size=size)
                        for number, seen in zip(numbers, images, strict=True)
                    ],
                    axis=1,
                )  # [steps, N, B]
                state = epoch_of(*state, settings, order, seeds)
        return Checkpoints(
            np.stack(kept, axis=1),
            {name: np.stack([one[name] for one in measured], axis=1) for name in measured[0]},
        )

    def _compiled(self, activation: str) -> tuple[Any, Any]:
        if activation not in self._functions:
            architecture = SmallCnnArchitecture(self._data.image_shape, 10, activation)

            def epoch_of(
                flat: Any, momentum: Any, square: Any, count: Any, settings: Any, order: Any, seeds: Any
            ) -> Any:
                def body(step: Any, *state: Any) -> Any:
                    return (step + 1, *self._step(architecture, state, settings, order[step], seeds))

                loop = (tf.constant(0), flat, momentum, square, count)
                steps = tf.shape(order)[0]
                return tf.while_loop(lambda step, *_: step < steps, body, loop, parallel_iterations=1)[1:]

            def scores_of(flat: Any, images: Any) -> Any:
                return architecture.logits(flat, images)[0]

            self._functions[activation] = (
                tf.function(epoch_of, reduce_retracing=True),
                tf.function(scores_of, reduce_retracing=True),
            )
        return self._functions[activation]

    def _step(
        self,
        architecture: SmallCnnArchitecture,
        state: tuple[Any, ...],
        settings: Any,
        order: Any,
        seeds: Any,
    ) -> tuple[Any, ...]:
        """One step of every run; order [N, B], settings [N, 6] as `_settings` gives them."""
        flat, momentum, square, count = state
        rate, penalty, dropout, is_sgd, first, second = (
            settings[:, i : i + 1] for i in range(6)
        )  # each [N, 1]
        labels = tf.gather(self._labels, order)  # [N, B]
        images = tf.gather(self._images, order)  # [N, B, H, W, 1]

        def drop(x: Any, number: int, *, axis: int = 0) -> Any:
            """Inverted dropout on [B, H, W, N, C]; one draw a step, turned modulo 1 by a run's own draw."""
            assert axis == 3
            shape = tf.shape(x)
            common = tf.random.stateless_uniform(
                [shape[0], shape[1], shape[2], 1, shape[4]],
                [seeds[0, 0], tf.cast(count[0, 0], tf.int32) * 8 + number],
            )
            own = tf.random.stateless_uniform(
                tf.shape(seeds)[:1], [seeds[0, 1], tf.cast(count[0, 0], tf.int32) * 8 + 4 + number]
            )
            chance = tf.math.floormod(common + own[:, tf.newaxis], 1.0)  # [B, H, W, N, C]
            return x * tf.cast(chance >= dropout, tf.float32) / (1.0 - dropout)

        with tf.GradientTape() as tape:
            tape.watch(flat)
            scores, _ = architecture.logits(flat, images, dropout=drop, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
            loss = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
        gradient = tape.gradient(loss, flat) + 2.0 * penalty * _KERNELS * flat
        count_next = count + 1.0
        momentum_next = first * momentum + (1.0 - first) * gradient
        square_next = second * square + (1.0 - second) * tf.square(gradient)
        # Adam corrects both averages for their start at 0; RMSprop (first = 0) does not correct the second.
        correction = tf.where(
            first > 0.0, tf.sqrt(1.0 - second**count_next) / (1.0 - first**count_next), tf.ones_like(first)
        )
        scaled = correction * momentum_next / (tf.sqrt(square_next) + _EPSILON)
        flat_next = flat - rate * tf.where(is_sgd > 0.5, gradient, scaled)
        # A run that this step would blow up stays as it is.
        healthy = tf.reduce_all(tf.math.is_finite(flat_next), axis=1, keepdims=True)
        return (
            tf.where(healthy, flat_next, flat),
            tf.where(healthy, momentum_next, momentum),
            tf.where(healthy, square_next, square),
            count_next,
        )

    def _measure(self, scores_of: Any, flat: Any, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Accuracy and loss of every run, without dropout: {name: float32 [N]}."""
        count = len(images)
        seen = np.stack([one[:MAX_TRAIN_MEASURED] for one in images])  # [N, n]
        answer = {}
        for part in ("test", "train"):
            length = len(self._test_images) if part == "test" else seen.shape[1]
            right, loss = np.zeros(count), np.zeros(count)
            for start in range(0, length, _MEASURED_AT_ONCE):
                if part == "test":
                    block = self._test_images[start : start + _MEASURED_AT_ONCE]
                    labels = np.broadcast_to(
                        self._data.y_test[start : start + _MEASURED_AT_ONCE], (count, len(block))
                    )
                    shown = tf.repeat(block[np.newaxis], count, axis=0)
                else:
                    order = seen[:, start : start + _MEASURED_AT_ONCE]
                    labels, shown = self._data.y_train[order], tf.gather(self._images, order)
                scores = scores_of(flat, shown)
                right += np.sum(np.argmax(scores, axis=2) == labels, axis=1)
                loss += np.sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores), axis=1)
            answer[f"{part}_accuracy"] = (right / length).astype(np.float32)
            answer[f"{part}_loss"] = (loss / length).astype(np.float32)
        return answer


def _kernel_mask() -> np.ndarray:
    from gmn_tf.zoo.small_cnn_format import SHAPES

    return np.concatenate(
        [np.full(int(np.prod(shape)), float(len(shape) > 1), np.float32) for shape in SHAPES]
    )


_KERNELS = _kernel_mask()


def _settings(run: Run) -> list[float]:
    first, second = _DECAYS[run.optimizer]
    return [run.learning_rate, run.l2reg, run.dropout, float(run.optimizer == "sgd"), first, second]
