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
from gmn_tf.tasks.responses import response_of
from gmn_tf.tasks.statistics import Networks

_LARGEST = 1e6
"""Answers of networks are cut to this size, so that one that overflows does not spoil a batch."""

_CHANCE_SCALE = 3.0
"""Factor of probabilities among the features, which brings them to the spread of the other ones."""

_CHUNK = 64
"""Networks of one architecture that are run at once when nothing is learnt."""

_SHARES = 2
"""Runs of networks of one architecture in a batch: a run is one call."""

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
    into hundreds, and beside them probabilities, from which accuracy is nearly linear; fewer and narrower
    layers, for a budget of minutes on a processor and as many parameters as the metanetwork has that is
    trained by default; dropout and a moving average of the weights; batches of few architectures, whose
    networks are run at once; the epoch with the best validation loss is kept; binary cross-entropy on
    accuracies, as for all methods here.

    Args:
        probes: how many inputs are learnt.
        epochs: passes over the training networks.
        seed: of the initial weights and of the order of the networks; equal seeds give equal results.
        latent_dim: width of the generator's codes.
        hidden_dim, hidden_layers: of the MLP.
        batch_size: networks in a step.
        learning_rate: after a rise over a twentieth of all steps; half a cosine takes it to 0.
        dropout_rate: of the MLP's hidden units.

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
        learning_rate: float = 3e-3,
        dropout_rate: float = 0.2,
    ) -> None:
        self.probes, self.epochs, self.seed = probes, epochs, seed
        self.latent_dim, self.hidden_dim, self.hidden_layers = latent_dim, hidden_dim, hidden_layers
        self.batch_size, self.learning_rate = batch_size, learning_rate
        self.dropout_rate = dropout_rate
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

    @property
    def num_probe_parameters(self) -> int:
        """Learnt numbers of the probes alone: codes and generator."""
        return sum(int(np.prod(w.shape)) for w in self._generator.trainable_weights)

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
        tf_keras.utils.set_random_seed(self.seed)  # of dropout
        self._build(*data.shapes)
        self._responses = {}
        rng = np.random.default_rng(self.seed)
        steps = self.epochs * len(data.batches(rng, self.batch_size))
        optimizer = self._optimizer(steps)
        best, kept = np.inf, [w.numpy() for w in self._weights]
        self.history = []
        for epoch in range(self.epochs):
            losses = []
            for batch in data.batches(rng, self.batch_size):
                losses.append(self._step(data, batch, targets[batch], optimizer) * len(batch))
            trained = [w.numpy() for w in self._weights]
            optimizer.finalize_variable_values(self._weights)
            loss = accuracy.cross_entropy(judged_targets, self._logits(judged))
            row = {"epoch": epoch + 1, "loss": float(np.sum(losses)) / len(indices), "validation_loss": loss}
            self.history.append(row)
            if loss < best:
                best, kept = loss, [w.numpy() for w in self._weights]
            self._restore(trained)
            if progress is not None:
                progress(row)
        self._restore(kept)
        self.settings = {
            "epochs": self.epochs,
            "best_epoch": min(self.history, key=lambda row: row["validation_loss"])["epoch"],
            "steps": steps,
            "networks_seen": self.epochs * len(indices),
        }
        return self

    def predict(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        """Predicted accuracies float64 [n].

        Raises:
            ZooError: not fitted, or the networks take or give other shapes than those of the training.
        """
        return accuracy.probability(self._logits(self._members(zoo, indices)))

    def answers(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        """What the MLP reads of the networks, float32 [n, num_features]; errors as of `predict`."""
        return self._read(self._members(zoo, indices), lambda features: features, self.num_features)

    def logits_of(self, answers: np.ndarray) -> np.ndarray:
        """Logits float32 [n] from what `answers` gave."""
        return np.asarray(self._mlp(answers)[:, 0])

    @property
    def num_features(self) -> int:
        """Numbers per network that the MLP reads."""
        outputs = self._shapes[1]
        return 2 * outputs * (self.probes + 1)

    def _members(self, zoo: Networks, indices: np.ndarray) -> _Members:
        if self._generator is None:
            raise ZooError("received Probes that were not fitted, expected fit() before predict()")
        members = _Members(zoo, np.asarray(indices))
        if len(members.numbers) and members.shapes != self._shapes:
            raise ZooError(
                f"received networks from inputs {members.shapes[0]} to {members.shapes[1]} outputs, expected "
                f"{self._shapes[0]} and {self._shapes[1]} as in training: probes fit one kind of input"
            )
        self._responses = {}
        return members

    def get_state(self) -> dict[str, np.ndarray]:
        """All that `from_state` needs, as plain arrays by name."""
        if self._generator is None:
            raise ZooError("received Probes that were not fitted, expected fit() before get_state()")
        state = {name: np.array(getattr(self, name), np.int64) for name in _SETTINGS}
        for name in ("learning_rate", "dropout_rate"):
            state[name] = np.array(getattr(self, name), np.float64)
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
            settings |= {name: float(state[name]) for name in ("learning_rate", "dropout_rate")}
            probes = cls(**settings)
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
                *(
                    layer
                    for s in start
                    for layer in (
                        layers.Dense(self.hidden_dim, "relu", kernel_initializer=s),
                        layers.Dropout(self.dropout_rate),
                    )
                ),
                layers.Dense(1, kernel_initializer=last),
            ]
        )
        self._mlp.build((None, self.num_features))

    def _optimizer(self, steps: int) -> Any:
        rise = -(-steps // 20)
        schedule = tf_keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - rise), warmup_target=self.learning_rate, warmup_steps=rise
        )
        # An average over a fiftieth of all steps, at most a hundred.
        momentum = 1.0 - 1.0 / min(100.0, max(2.0, steps / 50))
        optimizer = tf_keras.optimizers.Adam(
            schedule, global_clipnorm=1.0, use_ema=True, ema_momentum=momentum
        )
        optimizer.build(self._weights)
        return optimizer

    def _step(self, data: _Members, batch: np.ndarray, targets: np.ndarray, optimizer: Any) -> float:
        groups = data.groups(batch)
        order = np.argsort(np.concatenate([positions for _, positions in groups]))
        with tf.GradientTape() as tape:
            inputs = self._generator(None)
            found = [self._respond(data, a, inputs)(data.flat(a, batch[p]), inputs) for a, p in groups]
            answers = tf.gather(tf.concat(found, axis=0), order)
            logits = self._mlp(_features(answers, self._shapes[1]), training=True)[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))
        gradients = tape.gradient(loss, self._weights)
        optimizer.apply_gradients(zip(gradients, self._weights, strict=True))
        return float(loss)

    def _logits(self, data: _Members) -> np.ndarray:
        return self._read(data, lambda features: self._mlp(features), 1)[:, 0]

    def _read(self, data: _Members, function: Callable[[tf.Tensor], tf.Tensor], size: int) -> np.ndarray:
        """A function of the networks' features, [n, size]."""
        results = np.zeros((len(data.numbers), size), np.float32)
        inputs = self._generator(None)
        for architecture, positions in data.groups(np.arange(len(data.numbers))):
            respond = self._respond(data, architecture, inputs)
            for start in range(0, len(positions), _CHUNK):
                part = positions[start : start + _CHUNK]
                found = _features(respond(data.flat(architecture, part), inputs), self._shapes[1])
                results[part] = function(found).numpy()
        return results

    def _respond(self, data: _Members, architecture: int, inputs: tf.Tensor) -> Callable[..., Any]:
        template = data.template(architecture)
        if architecture not in self._responses or self._responses[architecture][0] is not template:
            self._responses[architecture] = template, response_of(data.zoo, architecture, inputs.shape)
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

    def batches(self, rng: np.random.Generator, size: int) -> list[np.ndarray]:
        """All positions once, at random, in batches of about `size` that hold few architectures."""
        most = max(1, size // _SHARES)
        runs = [
            run
            for _, positions in self.groups(np.arange(len(self.numbers)))
            for run in np.array_split(rng.permutation(positions), -(-len(positions) // most))
        ]
        order = rng.permutation(len(runs))
        number = np.cumsum([len(runs[place]) for place in order]) - 1
        batches: dict[int, list[np.ndarray]] = {}
        for place, last in zip(order, number, strict=True):
            batches.setdefault(int(last) // size, []).append(runs[place])
        return [np.concatenate(parts) for parts in batches.values()]

    def flat(self, architecture: int, positions: np.ndarray) -> np.ndarray:
        """Flat weights float32 [n, P] of networks of one architecture."""
        return self._flat[architecture][self._row[positions]]


def _features(outputs: tf.Tensor, num_outputs: int) -> tf.Tensor:
    """asinh of answers, probabilities, and what both lead to on average, from answers [n, K * outputs]."""
    bounded = tf.clip_by_value(outputs, -_LARGEST, _LARGEST)
    chances = tf.nn.softmax(tf.reshape(bounded, [-1, outputs.shape[1] // num_outputs, num_outputs]))
    ordered = tf.reduce_mean(tf.sort(chances, axis=-1, direction="DESCENDING"), axis=1)
    parts = [tf.reshape(chances, tf.shape(outputs)), tf.reduce_mean(chances, axis=1), ordered]
    return tf.concat([tf.asinh(bounded), *(_CHANCE_SCALE * part for part in parts)], axis=1)
