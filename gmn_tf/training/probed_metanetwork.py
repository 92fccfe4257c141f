"""The metanetwork beside learnt probes: what a network is, and what it says, read together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.errors import ZooError
from gmn_tf.graph.tensor import graph_tensor_spec
from gmn_tf.models.registry import method
from gmn_tf.tasks import accuracy
from gmn_tf.tasks.probes import Probes
from gmn_tf.training import judge, pipeline
from gmn_tf.training.joint_readout import JointReadout, answers_head
from gmn_tf.training.plan import Planner
from gmn_tf.training.population import Population
from gmn_tf.training.settings import CHANNELS, METHOD, Settings, optimizer

_HEAD_BATCH, _HEAD_LEARNING_RATE = 64, 1e-3
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_SHARE = "share"
_PROBES, _WEIGHT, _CONFIG = "probes/", "weight_", "config"


class ProbedMetanetwork:
    """Predicts from a network's parameter graph and from its answers to learnt inputs.

    Three parts, each fixed before the next: probes are learnt (`gmn_tf.tasks.probes.Probes`); a new MLP is
    trained on the answers to them, with large batches and for longer than running the networks each time
    would allow, and its logit is mixed with that of the MLP the probes were learnt with, in the share that is
    best on the validation networks; a `GraphMetanetwork` is trained to correct the result
    (`JointReadout`), and where no epoch of that helps there, it stays as it is. Probe features of networks
    are in Kofinas et al. 2024, section 4 ("probe features"), there of every neuron; here of the outputs, so
    that networks of any kind of layer have them. Answers depend on a network's function alone, so the
    whole keeps the metanetwork's symmetry.

    For networks of a zoo, all of which take and give the same shapes.

    Args:
        epochs: passes over the training networks of the metanetwork.
        batch_size: networks in a step of it.
        learning_rate: of it, see `gmn_tf.training.settings.Settings`.
        seed: of the initial weights and of the order of the networks.
        probes, probe_epochs: how many inputs are learnt, and the passes that takes.
        head_epochs: passes of the MLP on the answers.
        hidden_dim, dropout_rate: of that MLP.
        metanetwork: arguments of `GraphMetanetwork` beside those of the method "gmn".
    """

    def __init__(
        self,
        *,
        epochs: int = 8,
        batch_size: int = 8,
        learning_rate: float = 3e-3,
        seed: int = 0,
        probes: int = 64,
        probe_epochs: int = 12,
        head_epochs: int = 50,
        hidden_dim: int = 256,
        dropout_rate: float = 0.2,
        metanetwork: dict[str, Any] | None = None,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed,
            "probes": probes,
            "probe_epochs": probe_epochs,
            "head_epochs": head_epochs,
            "hidden_dim": hidden_dim,
            "dropout_rate": dropout_rate,
            "metanetwork": dict(metanetwork or {}),
        }
        self._training = Settings.of(
            METHOD, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed
        )
        self._probes = Probes(probes=probes, epochs=probe_epochs, seed=seed)
        self.history: list[dict[str, Any]] = []
        """Part, epoch, training and validation loss, after `fit`."""
        self.settings: dict[str, Any] = {}
        """Epochs, steps and networks that training took, and its best epoch, after `fit`."""
        self._model: JointReadout | None = None
        self._head: Any = None
        self._share = 1.0  # of the new MLP in the mixture

    @property
    def num_parameters(self) -> int:
        """Learnt numbers of both parts; 0 before `fit`."""
        if self._model is None:
            return 0
        weights = [*self._model.trainable_weights, *self._head.trainable_weights]
        return sum(int(np.prod(w.shape)) for w in weights) + self._probes.num_probe_parameters

    def fit(
        self,
        zoo: Any,
        indices: np.ndarray,
        *,
        validation: np.ndarray | None = None,
        progress: Callable[[dict[str, float]], None] | None = None,
    ) -> ProbedMetanetwork:
        """Fits on the networks `indices`, keeps the epoch that is best on `validation`.

        Args:
            zoo, indices: the training networks.
            validation: default: the zoo's validation split.
            progress: called with {"epoch", "loss", "validation_loss"} after each epoch of either part.

        Raises:
            ZooError: as of `Probes.fit`.
        """
        import tf_keras

        indices = np.asarray(indices)
        chosen = np.asarray(zoo.indices("validation") if validation is None else validation)
        self._probes.fit(zoo, indices, validation=chosen, progress=progress)
        self.history = [{"part": "probes", **row} for row in self._probes.history]
        answers, judged_answers = (self._probes.answers(zoo, part) for part in (indices, chosen))
        targets, judged_targets = (accuracy.targets(zoo.table, part) for part in (indices, chosen))
        population = Population.from_zoo(zoo, indices, channels=CHANNELS, augment=True)
        judged = Population.from_zoo(zoo, chosen, channels=CHANNELS)

        tf_keras.utils.set_random_seed(int(self._arguments["seed"]))
        model = self._build()
        model.metanetwork.adapt(pipeline.batches(population, batch_size=32))
        self._fit_head(self._head, (answers, targets), (judged_answers, judged_targets), progress)
        self._share = min(
            _SHARES,
            key=lambda share: accuracy.cross_entropy(judged_targets, self._given(judged_answers, share)),
        )
        given, judged_given = (self._given(part, self._share) for part in (answers, judged_answers))
        planner = Planner(
            population.num_edges, self._training.batch_size, replicas=1, seed=self._training.seed
        )
        budget = planner.budget(population.num_nodes, epochs=self._training.epochs)
        both = np.stack([targets, given], axis=1)
        dataset = pipeline.training_dataset(population, both, planner, budget).map(
            lambda graph, row, weight: ((graph, row[:, 1:]), row[:, :1], weight)
        )
        total = self._training.epochs * planner.steps
        model.compile(
            optimizer(self._training, total, jit_compile=True), loss=accuracy.loss(), jit_compile=True
        )
        model.optimizer.build(model.trainable_variables)
        predict = joint_predictor(model)
        best, kept = (
            accuracy.cross_entropy(judged_targets, predict(judged, judged_given)),
            model.get_weights(),
        )
        self.history.append({"part": "metanetwork", "epoch": 0, "loss": np.nan, "validation_loss": best})

        def close(epoch: int, logs: dict[str, float]) -> None:
            nonlocal best, kept
            trained = model.get_weights()
            model.optimizer.finalize_variable_values(model.trainable_variables)
            loss = accuracy.cross_entropy(judged_targets, predict(judged, judged_given))
            row = {"epoch": epoch + 1, "loss": float(logs["loss"]), "validation_loss": loss}
            self.history.append({"part": "metanetwork", **row})
            if loss < best:
                best, kept = loss, model.get_weights()
            model.set_weights(trained)
            if progress is not None:
                progress(row)

        model.fit(
            dataset,
            epochs=self._training.epochs,
            steps_per_epoch=planner.steps,
            callbacks=[tf_keras.callbacks.LambdaCallback(on_epoch_end=close)],
            verbose=0,
        )
        model.set_weights(kept)
        rows = [row for row in self.history if row["part"] == "metanetwork"]
        self.settings = {
            "epochs": self._training.epochs,
            "best_epoch": min(rows, key=lambda row: row["validation_loss"])["epoch"],
            "steps": total,
            "networks_seen": self._training.epochs * len(indices),
            "head_share": self._share,
            "probes": self._probes.settings,
        }
        self._model = model
        return self

    def _given(self, answers: np.ndarray, share: float) -> np.ndarray:
        """Logits [n] from answers alone: `share` of the new MLP's, the rest of the probes' own."""
        new = self._head.predict_on_batch(answers)[:, 0]
        return share * new + (1.0 - share) * self._probes.logits_of(answers)

    def _fit_head(
        self,
        head: tf.keras.Sequential,
        training: tuple[np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray],
        progress: Callable[[dict[str, float]], None] | None,
    ) -> None:
        import tf_keras

        answers, targets = training
        head.layers[0].adapt(answers)
        epochs = int(self._arguments["head_epochs"])
        steps = epochs * -(-len(targets) // _HEAD_BATCH)
        schedule = tf_keras.optimizers.schedules.CosineDecay(
            0.0, steps, warmup_target=_HEAD_LEARNING_RATE, warmup_steps=-(-steps // 20)
        )
        optimizer = tf_keras.optimizers.AdamW(schedule, weight_decay=1e-3, global_clipnorm=1.0)
        optimizer.build(head.trainable_weights)
        rng = np.random.default_rng(self._training.seed)
        rows, labels = tf.constant(answers), tf.constant(targets[:, np.newaxis])

        @tf.function(reduce_retracing=True)
        def step(batch: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                logits = head(tf.gather(rows, batch), training=True)
                wanted = tf.gather(labels, batch)
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits))
            optimizer.apply_gradients(
                zip(tape.gradient(loss, head.trainable_weights), head.trainable_weights, strict=True)
            )
            return loss

        best, kept = np.inf, head.get_weights()
        for epoch in range(epochs):
            order = np.array_split(rng.permutation(len(targets)), steps // epochs)
            loss = float(np.mean([step(tf.constant(batch)) for batch in order]))
            judged = accuracy.cross_entropy(validation[1], head(validation[0])[:, 0].numpy())
            row = {"epoch": epoch + 1, "loss": loss, "validation_loss": judged}
            self.history.append({"part": "head", **row})
            if judged < best:
                best, kept = judged, head.get_weights()
            if progress is not None:
                progress(row)
        if not np.isfinite(best):
            raise ZooError("training failed: no epoch had a finite loss")
        head.set_weights(kept)

    def predict(self, zoo: Any, indices: np.ndarray) -> np.ndarray:
        """Predicted accuracies float64 [n]; errors as of `Probes.predict`."""
        indices = np.asarray(indices)
        answers = self._probes.answers(zoo, indices)
        population = Population.from_zoo(zoo, indices, channels=CHANNELS)
        return accuracy.probability(
            joint_predictor(self._model)(population, self._given(answers, self._share))
        )

    def get_state(self) -> dict[str, np.ndarray]:
        """All that `from_state` needs, as plain arrays by name."""
        probes = {_PROBES + name: array for name, array in self._probes.get_state().items()}
        assert self._model is not None  # the probes would have refused
        arrays = [*self._head.get_weights(), *self._model.get_weights()]
        weights = {f"{_WEIGHT}{n:04d}": array for n, array in enumerate(arrays)}
        config = np.array(json.dumps(self._arguments))
        return {_CONFIG: config, _SHARE: np.array(self._share), **probes, **weights}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> ProbedMetanetwork:
        """A method ready to predict, from `get_state`'s arrays.

        Raises:
            ZooError: an array is missing or has another shape.
        """
        try:
            made = cls(**json.loads(str(state[_CONFIG])))
            made._share = float(state[_SHARE])
        except KeyError as error:
            raise ZooError(
                f"received a state without {error}, expected one of ProbedMetanetwork.get_state()"
            ) from error
        parts = {name.removeprefix(_PROBES): a for name, a in state.items() if name.startswith(_PROBES)}
        made._probes = Probes.from_state(parts)
        made._model = made._build()
        weights = [state[name] for name in sorted(state) if name.startswith(_WEIGHT)]
        own = [*made._head.weights, *made._model.weights]
        if [w.shape for w in weights] != [tuple(w.shape) for w in own]:
            raise ZooError("received a state whose arrays do not fit its settings: it is damaged")
        made._head.set_weights(weights[: len(made._head.weights)])
        made._model.set_weights(weights[len(made._head.weights) :])
        return made

    def _build(self) -> JointReadout:
        """The untrained correction; makes the untrained head as well."""
        entry = method(METHOD)
        arguments = {**entry.model, **self._arguments["metanetwork"]}
        metanetwork = entry.load()(1, num_channels=CHANNELS, name="metanetwork", **arguments)
        self._head = answers_head(
            self._probes.num_features,
            hidden_dim=int(self._arguments["hidden_dim"]),
            dropout_rate=float(self._arguments["dropout_rate"]),
        )
        return JointReadout(metanetwork)


def joint_predictor(model: Any) -> Callable[[Population, np.ndarray], np.ndarray]:
    """A function from a population and the logits that its networks' answers give [n] to the whole's [n]."""
    forward = tf.function(
        lambda graph, given: model((graph, given), training=False),
        input_signature=[graph_tensor_spec(CHANNELS), tf.TensorSpec([None, 1], tf.float32)],
    )

    def predict(population: Population, given: np.ndarray) -> np.ndarray:
        logits = np.empty(len(population), np.float32)
        for members in judge.parts(population.num_edges):
            graph = pipeline.to_graph_tensor(pipeline.collate(population, members))
            logits[members] = forward(graph, tf.constant(given[members, np.newaxis], tf.float32))[:, 0]
        return logits

    return predict
