"""What the models that GraphMetanetwork is compared with share: normalised values, `adapt`, configuration."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.label_normalizer import LabelNormalizer, stepped
from gmn_tf.layers.label_statistics import LabelStatistics
from gmn_tf.models.smallest import smallest_graph


class Baseline(tf.keras.Model):
    """A model from parameter graphs to one answer per network, with the interface of `GraphMetanetwork`.

    A subclass makes its layers after `super().__init__`, ends its constructor with `create_weights()`, and
    answers in `call(graph, training)`. One that has answers per edge as well says so by `answers_per_edge`,
    has the argument initial_step of `GraphMetanetwork`, and lets `stepped` apply it.
    Values are normalised by (type, layer) over the training networks as `GraphMetanetwork` does it: without
    that no baseline would be a fair one.

    Args:
        settings: the arguments of the subclass's constructor by name; they are its configuration.
        kwargs: of `tf.keras.Model`.
    """

    limit_name = ""
    """Name of the argument that limits what is read of a network, where there is one."""

    answers_per_edge = False
    """Whether there is an output "edge"."""

    def __init__(self, *, settings: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        known = ("graph", "edge") if self.answers_per_edge else ("graph",)
        if settings["output"] not in known:
            raise SchemaError(
                f"received output={settings['output']!r}, expected {' or '.join(map(repr, known))}: "
                f"{type(self).__name__} has one answer per network"
                + ("" if self.answers_per_edge else ", not per edge as GraphMetanetwork has them")
            )
        self._settings = settings
        self.num_channels: int = settings["num_channels"]
        self.per_edge = settings["output"] == "edge"
        if self.per_edge and settings["units"] != self.num_channels:
            raise SchemaError(
                f"received units={settings['units']} with output='edge', expected num_channels="
                f"{self.num_channels}: an answer for each value of an edge"
            )
        self._step = None
        if self.per_edge and settings.get("initial_step") is not None:
            start = tf.keras.initializers.Constant(settings["initial_step"])
            self._step = self.add_weight("step", (), initializer=start)
        self._normalizer = LabelNormalizer(
            self.num_channels, max_layers=settings["max_layers"], dtype="float32", name="values"
        )

    def create_weights(self) -> None:
        """Creates all weights, by answering for the smallest graph."""
        self(smallest_graph(self.num_channels))

    def get_config(self) -> dict[str, Any]:
        # Runs and rows that were made before there were answers per edge do not name their step.
        step = self._settings.get("initial_step")
        own = {
            key: value for key, value in self._settings.items() if key != "initial_step" or step is not None
        }
        return {"name": self.name, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Baseline:
        return cls(**config)

    def normalised(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """The values of the edges, float32 [E, channels], less their mean and over their deviation."""
        edges = graph.edge_sets[schema.EDGE_SET]
        return self._normalizer((edges[schema.TYPE], edges[schema.LAYER], edges[schema.VALUE]))

    def stepped(self, answer: tf.Tensor, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """Answers per edge [E, channels] with the step that initial_step asks for."""
        return stepped(answer, graph, self._step, self._normalizer)

    def size(self, graph: tfgnn.GraphTensor) -> tf.Tensor | None:
        """What `limit_name` limits, of each component: int [C]; None where nothing is limited."""
        return None

    def check(self, graph: tfgnn.GraphTensor, real: np.ndarray) -> None:
        """Refuses training graphs that the model cannot read; `real` [C] marks components that count."""

    def adapt(self, graphs: Iterable[Any]) -> None:
        """Sets the normalisation of values from training graphs; one pass.

        Warns where a training network is larger than what the model reads of it.

        Args:
            graphs: GraphTensors, of which every component counts, or tuples (graph, ..., weight) as
                `fit` takes them, of which the components count whose weight [components] is not 0:
                so padding is left out by its weight.

        Raises:
            SchemaError: there are no edges, or graphs that the model cannot read.
        """
        statistics = LabelStatistics(self.num_channels, max_layers=self._settings["max_layers"])
        largest = 0
        for element in graphs:
            graph, weight = (element[0], element[-1]) if isinstance(element, tuple) else (element, None)
            edges = graph.edge_sets[schema.EDGE_SET]
            sizes = edges.sizes.numpy()
            real = np.ones(len(sizes), bool) if weight is None else np.asarray(weight).reshape(-1) != 0
            keep = np.repeat(real, sizes)
            names = (schema.TYPE, schema.LAYER, schema.VALUE)
            statistics.update(*(edges[name].numpy()[keep] for name in names))
            self.check(graph, real)
            found = self.size(graph)
            if found is not None:
                largest = max(largest, int(found.numpy()[real].max(initial=0)))
        if statistics.count.sum() == 0:
            raise SchemaError("received no edges to adapt to, expected at least one graph of positive weight")
        self.adapt_statistics(statistics.count, statistics.mean, statistics.variance)
        limit = self._settings.get(self.limit_name, largest)
        if largest > limit:
            warnings.warn(
                f"a training network needs {self.limit_name}={largest}, this {type(self).__name__} has "
                f"{self.limit_name}={limit} and does not see the rest: pass {self.limit_name}={largest}",
                stacklevel=2,
            )

    def adapt_statistics(self, count: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
        """Sets the normalisation of values from moments per (type, layer).

        Args:
            count: [types, max_layers], mean, variance: [types, max_layers, channels], as
                `gmn_tf.layers.label_statistics.LabelStatistics` collects them.
        """
        self._normalizer.set_statistics(count, mean, variance)


class PooledBaseline(Baseline):
    """A baseline that reads its answer per network from one vector, so that it can represent networks.

    A subclass has `pooled`, and makes its `_head` by `head`.
    """

    _head: Any  # no value here: Keras does not track what the class has already

    def pooled(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """What the `head` of a model with one answer per network reads, float [C, .]."""
        raise NotImplementedError(f"{type(self).__name__} does not tell what it pools")

    def represent(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Answers per network [C, units], and the last hidden layer they are read from, [C, hidden_dim];
        without dropout."""
        *hidden, last = self._head.layers
        state = self.pooled(graph)
        for layer in hidden:
            state = state if isinstance(layer, tf.keras.layers.Dropout) else layer(state)
        return last(state), state


def head(units: int, *, hidden_dim: int, dropout_rate: float) -> tf.keras.Sequential:
    """The last layers of a baseline: twice Dropout, Linear and SiLU, then Linear, which starts near zero."""
    layers = tf.keras.layers
    start = tf.keras.initializers.RandomNormal(stddev=0.01)  # the first steps fit the mean, not noise
    return tf.keras.Sequential(
        [
            layers.Dropout(dropout_rate),
            layers.Dense(hidden_dim, "silu"),
            layers.Dropout(dropout_rate),
            layers.Dense(hidden_dim, "silu"),
            layers.Dense(units, kernel_initializer=start),
        ],
        name="head",
    )
