"""The baseline "probes": what networks answer to learnt inputs, into an MLP; weights are not looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
import tf_keras

from gmn_tf.errors import ZooError
from gmn_tf.tasks import accuracy
from gmn_tf.tasks.probe_generator import ProbeGenerator
from gmn_tf.tasks.statistics import Networks

_LARGEST = 1e6
"""Answers of networks are cut to this size, so that one that overflows does not spoil a batch."""

_CHUNK = 64
"""Networks of one architecture that are run at once when nothing is learnt."""

_SETTINGS = ("probes", "epochs", "seed", "latent_dim", "hidden_dim", "hidden_layers", "batch_size")


class SplitNetworks(Networks, Protocol):
    """A zoo with its fixed splits."""

    def indices(self, split: str, /) -> np.ndarray: ...


class Probes:
    """Predicts from a network's answers to learnt inputs (Kahana et al., "Deep Linear Probe Generators for
    Weight Space Learning", ICLR 2025, section 4; probing as in Herrmann et al. 2024).

    As in the paper: latent codes and a deep linear generator give the probes, every network is run on all
    of them, the answers side by side go into an MLP with ReLU, and all is trained end to end with Adam.
    Only a network's function is seen, so every symmetry that keeps it is one of the predictions.

    Changed, and why: `asinh` of the answers, since logits of networks that were trained at large rates run
    into hundreds; fewer and narrower layers, for a budget of minutes on a processor and as many parameters
    as the metanetwork has that is trained by default; the epoch with the best validation loss is kept;
    binary cross-entropy on accuracies, as for all methods here.

    Args:
        probes: how many inputs are learnt.
        epochs: passes over the training networks.
        seed: of the initial weights and of the order of the networks; equal seeds give equal results.
        latent_dim: width of the generator's codes.
        hidden_dim, hidden_layers: of the MLP.
        batch_size: networks in a step.
        learning_rate: at the start; half a cosine takes it to 0.

    Example:
        predictions = Probes(seed=0).fit(zoo, zoo.indices("train")).predict(zoo, zoo.indices("test"))
    """

    def __init__(
        self,
        *,
        probes: int = 64,
        epochs: int = 30,
        seed: int = 0,
        latent_dim: int = 32,
        hidden_dim: int = 160,
        hidden_layers: int = 3,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
    ) -> None:
        self.probes, self.epochs, self.seed = probes, epochs, seed
        self.latent_dim, self.hidden_dim, self.hidden_layers = latent_dim, hidden_dim, hidden_layers
        self.batch_size, self.learning_rate = batch_size, learning_rate
        for name in _SETTINGS:
            least = 0 if name == "seed" else 1
            if getattr(self, name) < least:
                raise ZooError(f"received {name}={getattr(self, name)}, expected {least} or more")
        self.history: list[dict[str, float]] = []
        """Training and validation loss of each epoch, after `fit`."""
        self.settings: dict[str, Any] = {}
        """Epochs, steps and networks that training took, and its best epoch, after `fit`."""
        self._generator: Any = None
        self._mlp: Any = None
        self._responses: dict[int, tuple[Any, Callable[..., Any]]] = {}

    @property
    def num_parameters(self) -> int:
        """Learnt numbers: codes, generator and MLP; 0 before `fit`."""
        return sum(int(np.prod(w.shape)) for w in self._weights) if self._generator is not None else 0

    def fit(
        self,
        zoo: SplitNetworks,
        indices: np.ndarray,
        *,
        validation: np.ndarray | None = None,
        progress: Callable[[dict[str, float]], None] | None = None,
    ) -> Probes:
        """Fits on the networks `indices`, keeps the epoch that is best on `validation`.

        Args:
            zoo, indices: the training networks.
            validation: default: the zoo's validation split.
            progress: called with {"epoch", "loss", "validation_loss"} after each epoch.

        Raises:
            ZooError: either set is empty, a weight is not finite, or networks differ in the shapes of their
                inputs or outputs.
        """
        indices = np.asarray(indices)
        chosen = np.asarray(zoo.indices("validation") if validation is None else validation)
        for name, part in (("training", indices), ("validation", chosen)):
            if not len(part):
                raise ZooError(f"received an empty {name} split, expected networks in it")
        data, judged = _Members(zoo, indices), _Members(zoo, chosen)
        targets = accuracy.targets(zoo.table, indices)
        judged_targets = accuracy.targets(zoo.table, chosen)
        self._build(*data.shapes)
        self._responses = {}
        steps = -(-len(indices) // self.batch_size)
        schedule = tf_keras.optimizers.schedules.CosineDecay(self.learning_rate, self.epochs * steps)
        optimizer = tf_keras.optimizers.Adam(schedule, global_clipnorm=1.0)
        rng = np.random.default_rng(self.seed)
        best, kept = np.inf, [w.numpy() for w in self._weights]
        self.history = []
        for epoch in range(self.epochs):
            losses = []
            for batch in np.array_split(rng.permutation(len(indices)), steps):
                losses.append(self._step(data, batch, targets[batch], optimizer) * len(batch))
            loss = accuracy.cross_entropy(judged_targets, self._logits(judged))
            row = {"epoch": epoch + 1, "loss": float(np.sum(losses)) / len(indices), "validation_loss": loss}
            self.history.append(row)
            if loss < best:
                best, kept = loss, [w.numpy() for w in self._weights]
            if progress is not None:
                progress(row)
        self._restore(kept)
        self.settings = {
            "epochs": self.epochs,
            "best_epoch": min(self.history, key=lambda row: row["validation_loss"])["epoch"],
            "steps": self.epochs * steps,
            "networks_seen": self.epochs * len(indices),
        }
        return self

    def predict(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        """Predicted accuracies float64 [n].

        Raises:
            ZooError: not fitted, or the networks take or give other shapes than those of the training.
        """
        if self._generator is None:
            raise ZooError("received Probes that were not fitted, expected fit() before predict()")
        members = _Members(zoo, np.asarray(indices))
        if len(members.numbers) and members.shapes != self._shapes:
            raise ZooError(
                f"received networks from inputs {members.shapes[0]} to {members.shapes[1]} outputs, expected "
                f"{self._shapes[0]} and {self._shapes[1]} as in training: probes fit one kind of input"
            )
        self._responses = {}
        return accuracy.probability(self._logits(members))

    def get_state(self) -> dict[str, np.ndarray]:
        """All that `from_state` needs, as plain arrays by name."""
        if self._generator is None:
            raise ZooError("received Probes that were not fitted, expected fit() before get_state()")
        state = {name: np.array(getattr(self, name), np.int64) for name in _SETTINGS}
        state["learning_rate"] = np.array(self.learning_rate, np.float64)
        state["input_shape"] = np.array(self._shapes[0], np.int64)
        state["num_outputs"] = np.array(self._shapes[1], np.int64)
        return state | {f"weight_{n:03d}": w.numpy() for n, w in enumerate(self._weights)}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Probes:
        """Probes ready to predict, from `get_state`'s arrays.

        Raises:
            ZooError: an array is missing or has another shape.
        """
        try:
            settings: dict[str, Any] = {name: int(state[name]) for name in _SETTINGS}
            probes = cls(**settings, learning_rate=float(state["learning_rate"]))
            shape = tuple(int(n) for n in state["input_shape"])
            probes._build(shape, int(state["num_outputs"]))
            weights = [np.asarray(state[f"weight_{n:03d}"]) for n in range(len(probes._weights))]
        except KeyError as error:
            raise ZooError(f"received a state without {error}, expected one of Probes.get_state()") from error
        if [w.shape for w in weights] != [tuple(w.shape) for w in probes._weights]:
            raise ZooError("received a state whose arrays do not fit its settings: it is damaged")
        probes._restore(weights)
        return probes

    @property
    def _weights(self) -> list[Any]:
        return [*self._generator.trainable_weights, *self._mlp.trainable_weights]

    def _restore(self, arrays: list[np.ndarray]) -> None:
        for weight, array in zip(self._weights, arrays, strict=True):
            weight.assign(array)

    def _build(self, shape: tuple[int, ...], num_outputs: int) -> None:
        self._shapes = shape, num_outputs
        self._generator = ProbeGenerator(
            self.probes, shape=shape, latent_dim=self.latent_dim, seed=self.seed, name="generator"
        )
        self._generator(None)
        layers, seeds = tf_keras.layers, iter(range(7000 * (self.seed + 1), 8000 * (self.seed + 1)))
        start = [tf_keras.initializers.HeUniform(seed=next(seeds)) for _ in range(self.hidden_layers)]
        last = tf_keras.initializers.RandomNormal(stddev=0.01, seed=next(seeds))
        self._mlp = tf_keras.Sequential(
            [
                *(layers.Dense(self.hidden_dim, "relu", kernel_initializer=s) for s in start),
                layers.Dense(1, kernel_initializer=last),
            ]
        )
        self._mlp.build((None, self.probes * num_outputs))

    def _step(self, data: _Members, batch: np.ndarray, targets: np.ndarray, optimizer: Any) -> float:
        groups = data.groups(batch)
        order = np.argsort(np.concatenate([positions for _, positions in groups]))
        with tf.GradientTape() as tape:
            inputs = self._generator(None)
            found = [self._respond(data, a, inputs)(data.flat(a, batch[p]), inputs) for a, p in groups]
            logits = self._mlp(_features(tf.gather(tf.concat(found, axis=0), order)))[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))
        gradients = tape.gradient(loss, self._weights)
        optimizer.apply_gradients(zip(gradients, self._weights, strict=True))
        return float(loss)

    def _logits(self, data: _Members) -> np.ndarray:
        logits = np.zeros(len(data.numbers), np.float32)
        inputs = self._generator(None)
        for architecture, positions in data.groups(np.arange(len(data.numbers))):
            respond = self._respond(data, architecture, inputs)
            for start in range(0, len(positions), _CHUNK):
                part = positions[start : start + _CHUNK]
                found = _features(respond(data.flat(architecture, part), inputs))
                logits[part] = self._mlp(found)[:, 0].numpy()
        return logits

    def _respond(self, data: _Members, architecture: int, inputs: tf.Tensor) -> Callable[..., Any]:
        template = data.template(architecture)
        if architecture not in self._responses or self._responses[architecture][0] is not template:
            self._responses[architecture] = template, response_function(template, inputs.shape)
        return self._responses[architecture][1]


class _Members:
    """The networks `numbers` of a zoo, by architecture; a network's position is that in `numbers`."""

    def __init__(self, zoo: Networks, numbers: np.ndarray) -> None:
        self.zoo, self.numbers = zoo, numbers
        self.architecture = np.asarray(zoo.table["architecture"])[numbers].astype(int)
        self._flat: dict[int, np.ndarray] = {}
        self._row = np.zeros(len(numbers), int)
        shapes = {}
        for architecture in np.unique(self.architecture):
            members, stored = zoo.flat_weights(int(architecture))
            row_of = {int(member): row for row, member in enumerate(members)}
            positions = np.flatnonzero(self.architecture == architecture)
            flat = np.asarray(stored[[row_of[int(n)] for n in numbers[positions]]], np.float32)
            wrong = ~np.isfinite(flat).all(axis=1)
            if wrong.any():
                raise ZooError(
                    f"received NaN or infinite weights in network {numbers[positions[wrong][0]]} of the zoo, "
                    "expected finite weights: leave it out or generate it anew"
                )
            self._flat[int(architecture)] = flat
            self._row[positions] = np.arange(len(positions))
            template = self.template(int(architecture))
            outputs = int(np.prod(template.output_shape[1:]))
            shapes[int(architecture)] = tuple(template.input_shape[1:]), outputs
        if len(set(shapes.values())) > 1:
            raise ZooError(
                f"received networks of different inputs and outputs ({sorted(set(shapes.values()))}), "
                "expected one kind: the same probes go to all of them"
            )
        self.shapes = next(iter(shapes.values()), ((), 0))

    def template(self, architecture: int) -> Any:
        return self.zoo.template(architecture)

    def groups(self, positions: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """(architecture, indices into `positions`) for each architecture that is there."""
        kinds = self.architecture[positions]
        return [(int(kind), np.flatnonzero(kinds == kind)) for kind in np.unique(kinds)]

    def flat(self, architecture: int, positions: np.ndarray) -> np.ndarray:
        """Flat weights float32 [n, P] of networks of one architecture."""
        return self._flat[architecture][self._row[positions]]


def response_function(template: Any, shape: tuple[int, ...]) -> Callable[..., Any]:
    """A traced function from flat weights [n, P] and inputs [K, ...] to outputs [n, K * outputs].

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


def _features(outputs: tf.Tensor) -> tf.Tensor:
    return tf.asinh(tf.clip_by_value(outputs, -_LARGEST, _LARGEST))
