"""StatNN with a neural network on top: per-layer statistics into an MLP."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.tasks import accuracy
from gmn_tf.tasks.metrics import r2
from gmn_tf.tasks.quantiles import QuantileFeatures
from gmn_tf.tasks.statistics import Networks, feature_matrix, feature_table
from gmn_tf.tasks.statnn import NAMES, SplitNetworks

LEARNING_RATES = (1e-3, 4e-3)
DROPOUT_RATES = (0.1, 0.4)
WEIGHT_DECAY = 0.01
_WEIGHT = "weight-{}"


class StatNNMLP:
    """An MLP on per-layer statistics (Unterthiner et al. 2020, section 4.2, there "DNN").

    Features: those of `StatNN`, each brought to a normal distribution by its quantiles over the training
    networks; 0 for what a network does not have, and a column that says so. Two hidden layers with dropout,
    cross-entropy as for the metanetworks, AdamW under half a cosine. Learning rate, dropout rate and
    epoch are those with the lowest loss on the validation split.

    Args:
        seed: of initial weights, order and dropout.
        epochs: passes over the training networks for each of the settings tried.
        batch_size: networks in a step.
        hidden_dim: width of both hidden layers.
    """

    def __init__(
        self, seed: int = 0, *, epochs: int = 60, batch_size: int = 32, hidden_dim: int = 128
    ) -> None:
        self.seed, self.epochs, self.batch_size, self.hidden_dim = seed, epochs, batch_size, hidden_dim
        self.settings: dict[str, Any] = {}
        """What was chosen, its loss and R2 on the validation split and what it took, after `fit`."""
        self.history: list[dict[str, Any]] = []
        """The settings tried, after `fit`."""
        self._names: list[str] = []
        self._features: QuantileFeatures | None = None
        self._model: Any = None

    @property
    def num_parameters(self) -> int:
        """Trainable weights of the MLP."""
        return 0 if self._model is None else int(self._model.count_params())

    def fit(
        self, zoo: SplitNetworks, indices: np.ndarray, *, validation: np.ndarray | None = None
    ) -> StatNNMLP:
        """Fits on the networks `indices`, chooses on `validation` (default: the zoo's validation split).

        Raises:
            ZooError: either set is empty, or a weight is not finite.
        """
        chosen = zoo.indices("validation") if validation is None else validation
        for name, part in (("training", indices), ("validation", chosen)):
            if not len(part):
                raise ZooError(f"received an empty {name} split, expected networks in it")
        columns = feature_table(zoo, indices)
        self._names = sorted(columns)
        self._features = QuantileFeatures.of(feature_matrix(columns, self._names))
        train = self._read(zoo, indices), accuracy.targets(zoo.table, indices)
        judged = self._read(zoo, chosen), accuracy.targets(zoo.table, chosen)
        best, self.history = np.inf, []
        for rate, dropout in itertools.product(LEARNING_RATES, DROPOUT_RATES):
            row, weights = self._try(train, judged, rate=rate, dropout=dropout)
            self.history.append(row)
            if row["validation_loss"] < best:
                best, self.settings = row["validation_loss"], row
                self._model = self._build(self._features.width, dropout)
                self._model.set_weights(weights)
        if self._model is None:
            raise ZooError(
                "received networks on which no setting gives a finite loss, expected finite statistics"
            )
        self.settings = {
            **self.settings,
            "epochs": self.epochs,
            "steps": sum(row["steps"] for row in self.history),
            "networks_seen": len(self.history) * self.epochs * len(indices),
        }
        return self

    def predict(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        """Predicted accuracies [n]."""
        if self._model is None:
            raise ZooError("received a StatNNMLP that was not fitted, expected fit() before predict()")
        return accuracy.probability(self._logits(self._model, self._read(zoo, indices)))

    def get_state(self) -> dict[str, np.ndarray]:
        """All that `from_state` needs, as plain arrays by name."""
        if self._model is None or self._features is None:
            raise ZooError("received a StatNNMLP that was not fitted, expected fit() before get_state()")
        weights = {_WEIGHT.format(i): array for i, array in enumerate(self._model.get_weights())}
        return {NAMES: np.array(self._names), **self._features.arrays(), **weights}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> StatNNMLP:
        """A StatNNMLP ready to predict, from `get_state`'s arrays.

        Raises:
            KeyError: an array is missing.
            ValueError: arrays do not fit together.
        """
        mlp = cls(hidden_dim=state[_WEIGHT.format(0)].shape[-1])
        mlp._names = [str(name) for name in state[NAMES]]
        mlp._features = QuantileFeatures.from_arrays(state)
        mlp._model = mlp._build(mlp._features.width, 0.0)
        mlp._model.set_weights([state[_WEIGHT.format(i)] for i in range(len(mlp._model.weights))])
        return mlp

    def _read(self, zoo: Networks, indices: np.ndarray) -> np.ndarray:
        if self._features is None:
            raise ZooError("received a StatNNMLP that was not fitted, expected fit() first")
        return self._features(feature_matrix(feature_table(zoo, indices), self._names))

    def _build(self, width: int, dropout: float) -> Any:
        import tf_keras

        layers = tf_keras.layers
        # Answers start near zero, as those of the metanetworks do.
        start = tf_keras.initializers.RandomNormal(stddev=0.01)
        return tf_keras.Sequential(
            [
                tf_keras.Input((width,)),
                layers.Dense(self.hidden_dim, "silu"),
                layers.Dropout(dropout),
                layers.Dense(self.hidden_dim, "silu"),
                layers.Dropout(dropout),
                layers.Dense(1, kernel_initializer=start),
            ]
        )

    def _try(
        self,
        train: tuple[np.ndarray, np.ndarray],
        judged: tuple[np.ndarray, np.ndarray],
        *,
        rate: float,
        dropout: float,
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """One training; its row of the history and the weights of its best epoch."""
        import tf_keras

        tf_keras.utils.set_random_seed(self.seed)
        model = self._build(train[0].shape[1], dropout)
        steps = self.epochs * -(-len(train[1]) // self.batch_size)
        schedule = tf_keras.optimizers.schedules.CosineDecay(rate, steps)
        model.compile(
            tf_keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY),
            tf_keras.losses.BinaryCrossentropy(from_logits=True),
        )
        row: dict[str, Any] = {"learning_rate": rate, "dropout_rate": dropout, "best_epoch": 0}
        row |= {"validation_loss": np.inf, "validation_r2": np.nan, "steps": steps}
        best = model.get_weights()

        def judge(epoch: int, logs: Any) -> None:
            nonlocal best
            logits = self._logits(model, judged[0])
            loss = accuracy.cross_entropy(judged[1], logits)
            if loss < row["validation_loss"]:
                score = r2(judged[1], accuracy.probability(logits))
                row.update(best_epoch=epoch + 1, validation_loss=loss, validation_r2=score)
                best = model.get_weights()

        model.fit(
            *train,
            batch_size=self.batch_size,
            epochs=self.epochs,
            verbose=0,
            callbacks=[tf_keras.callbacks.LambdaCallback(on_epoch_end=judge)],
        )
        return row, best

    @staticmethod
    def _logits(model: Any, features: np.ndarray) -> np.ndarray:
        return np.asarray(model(features, training=False))[:, 0].astype(np.float64)
