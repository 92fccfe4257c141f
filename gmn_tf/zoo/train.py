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

from gmn_tf.zoo import recipe, stacked
from gmn_tf.zoo.data import Data
from gmn_tf.zoo.recipe import Architecture, HyperParameters

_PHASES = 8
_MAX_GROUP = 64


def initial_weights(architecture: Architecture, index: int, *, seed: int, scale: float) -> np.ndarray:
    """Flat start [P] of network `index`: `scale` x Glorot-uniform kernels, scales 1, variances 1, else 0."""
    rng = recipe.network_rng(index, seed=seed, use=1)
    pieces = []
    for variable in architecture.variables():
        if variable.role == "kernel":
            *window, fan_in, fan_out = variable.shape
            limit = scale * np.sqrt(6.0 / ((fan_in + fan_out) * np.prod(window)))
            pieces.append(rng.uniform(-limit, limit, variable.size))
        else:
            pieces.append(np.full(variable.size, float(variable.role in ("scale", "variance"))))
    return np.concatenate(pieces).astype(np.float32)


def batch_order(index: int, *, seed: int, steps: int, fraction: float, num_images: int) -> np.ndarray:
    """Image numbers [steps, batch] of network `index`: its own subset, shuffled anew every epoch."""
    rng = recipe.network_rng(index, seed=seed, use=2)
    subset = rng.permutation(num_images)[: max(1, round(fraction * num_images))]
    epochs = -(-steps * recipe.BATCH_SIZE // len(subset))
    order = np.concatenate([rng.permutation(subset) for _ in range(epochs)])
    return order[: steps * recipe.BATCH_SIZE].reshape(steps, recipe.BATCH_SIZE).astype(np.int32)


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
        self._kernels = _column_mask(architecture, [variable.role == "kernel" for variable in variables])
        self._num_dropouts = sum(block.dropout for block in architecture.blocks) + architecture.dropout
        self._images = tf.constant(data.x_train)
        self._labels = tf.constant(data.y_train)
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
                initial_weights(self._architecture, index, seed=self._seed, scale=p.initial_scale)
                for index, p in zip(indices, parameters, strict=True)
            ]
        )
        batches = np.zeros((steps[0], len(indices), recipe.BATCH_SIZE), np.int32)
        turns = np.zeros((steps[0], len(indices), max(1, self._num_dropouts)), np.float32)
        for row, (index, p) in enumerate(zip(indices, parameters, strict=True)):
            batches[: p.steps, row] = batch_order(
                index,
                seed=self._seed,
                steps=p.steps,
                fraction=p.train_fraction,
                num_images=len(self._data.x_train),
            )
            rng = recipe.network_rng(index, seed=self._seed, use=3)
            turns[: p.steps, row] = rng.random((p.steps, turns.shape[2]), np.float32)
        settings = np.array(
            [
                [p.learning_rate, p.weight_decay, p.dropout_rate, p.optimizer == "sgd", p.steps]
                for p in parameters
            ],
            np.float32,
        )
        momentum, square = np.zeros_like(flat), np.zeros_like(flat)
        start = 0
        for stop in _phase_ends(steps):
            active = int(np.sum(steps > start))
            state = self._phase(
                flat[:active],
                momentum[:active],
                square[:active],
                settings[:active],
                batches[start:stop, :active].transpose(0, 2, 1),
                turns[start:stop, :active],
                np.int32(start),
            )
            flat[:active], momentum[:active], square[:active] = (tensor.numpy() for tensor in state)
            start = stop
        return flat

    def _phase_graph(
        self, flat: Any, momentum: Any, square: Any, settings: Any, batches: Any, turns: Any, start: Any
    ) -> Any:
        """All steps of one phase; batches [steps, B, N], turns [steps, N, dropouts], settings [N, 5]."""

        def body(step: Any, *state: Any) -> Any:
            moved = self._step(state, settings, batches[step], turns[step], start + step)
            return (step + 1, *moved)

        state = (tf.constant(0), flat, momentum, square)
        steps = tf.shape(batches)[0]
        return tf.while_loop(lambda step, *_: step < steps, body, state, parallel_iterations=1)[1:]

    def _step(
        self, state: tuple[Any, ...], settings: Any, batch: Any, turns: Any, step: Any
    ) -> tuple[Any, Any, Any]:
        """One step of every network: (weights, momentum, mean square) before it and after it."""
        flat, momentum, square = state
        rate, decay, dropout_rate, is_sgd, steps = (settings[:, i : i + 1] for i in range(5))  # each [N, 1]
        images = stacked.stack_images(tf.gather(self._images, batch))
        labels = tf.transpose(tf.gather(self._labels, batch))  # [N, B]
        with tf.GradientTape() as tape:
            tape.watch(flat)
            scores, moments = stacked.logits(
                self._architecture,
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
        square_next = 0.999 * square + 0.001 * tf.square(gradient)
        correction = tf.sqrt(1.0 - 0.999**count) / (1.0 - recipe.MOMENTUM**count)
        adam = correction * momentum_next / (tf.sqrt(square_next) + 1e-7)  # as Keras' Adam
        update = tf.where(is_sgd > 0.5, momentum_next, adam)
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
        variables = self._architecture.variables()
        pieces = tf.split(flat, [variable.size for variable in variables], axis=1)
        batch = iter(moments)
        for i, variable in enumerate(variables):
            if not variable.trainable:
                pieces[i] += (1.0 - recipe.NORM_MOMENTUM) * (next(batch) - pieces[i])
        return tf.concat(pieces, axis=1)

    def _dropout(self, rate: Any, turns: Any, step: Any) -> stacked.Dropout:
        """Inverted dropout; one uniform draw a step, turned (modulo 1) by each network's own offset."""

        def drop(x: Any, number: int) -> Any:
            shape = tf.shape(x)
            seed = tf.stack([self._dropout_seed, step * 16 + number])
            draw = tf.random.stateless_uniform([shape[0], x.shape[1], x.shape[2], 1, x.shape[4]], seed)
            draw = tf.math.floormod(draw + turns[:, number, tf.newaxis], 1.0)  # [B, H, W, N, C]
            keep = tf.cast(draw >= rate[:, tf.newaxis], tf.float32) / (1.0 - rate[:, tf.newaxis])
            return x * keep

        return drop


def _column_mask(architecture: Architecture, chosen: list[bool]) -> np.ndarray:
    sizes = [variable.size for variable in architecture.variables()]
    return np.repeat(np.array(chosen, np.float32), sizes)


def _phase_ends(steps: np.ndarray) -> list[int]:
    """Where the group is cut down to the networks still in training; `steps` is falling."""
    stride = max(1, len(steps) // _PHASES)
    return sorted({int(steps[0]), *(int(value) for value in steps[::stride])})


def _phase_signature(architecture: Architecture) -> list[tf.TensorSpec]:
    weights = tf.TensorSpec([None, architecture.num_parameters], tf.float32)
    return [
        weights,
        weights,
        weights,
        tf.TensorSpec([None, 5], tf.float32),
        tf.TensorSpec([None, recipe.BATCH_SIZE, None], tf.int32),
        tf.TensorSpec([None, None, None], tf.float32),
        tf.TensorSpec([], tf.int32),
    ]


def weight_list(architecture: Architecture, flat: np.ndarray) -> list[np.ndarray]:
    """A flat vector [P] as the list that Keras' `set_weights` takes."""
    ends = np.cumsum([variable.size for variable in architecture.variables()])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(v.shape) for part, v in zip(parts, architecture.variables(), strict=True)]
