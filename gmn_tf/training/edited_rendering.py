"""From changes of edges to what the edited networks show: `EditedRendering`, differentiable throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.graph import schema
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.layers.features import edge_components, num_components
from gmn_tf.training.pipeline import ARCHITECTURE


class Renderer:
    """What networks of some architectures show at fixed points.

    Args:
        architectures: by their number in the zoo.
        coordinates: float32 [M, num_inputs].
    """

    def __init__(self, architectures: Sequence[InrArchitecture], coordinates: np.ndarray) -> None:
        self.architectures = list(architectures)
        self.coordinates = coordinates
        self.size = max(architecture.num_parameters for architecture in architectures)

    def __call__(self, flat: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """From flat weights [C, size], zeros behind those of smaller networks, and the numbers of their
        architectures [C] to what they show, [C, M * num_outputs]."""
        shown: tf.Tensor | None = None
        for index, architecture in enumerate(self.architectures):
            found = architecture.render(flat[:, : architecture.num_parameters], self.coordinates)
            pixels = len(self.coordinates) * architecture.num_outputs
            found = tf.reshape(found, [-1, pixels])
            own = (number == index)[:, tf.newaxis]
            shown = found if shown is None else tf.where(own, found, shown)
        return shown


def flat_weights(
    values: tf.Tensor, slots: tf.Tensor, component: tf.Tensor, *, components: int | tf.Tensor, size: int
) -> tf.Tensor:
    """The flat weights of each component from the values of its edges: the inverse of `Structure.values`.

    A weight that stands on several edges becomes the mean of them; a place without an edge is 0.

    Args:
        values: [E, channels].
        slots: int32 [E, channels], places in the component's flat weights; negative for none.
        component: int32 [E].
        components: C.
        size: P, of the longest flat weights.

    Returns:
        [C, P].
    """
    place = tf.where(slots >= 0, component[:, tf.newaxis] * size + slots, components * size)
    place = tf.reshape(place, [-1])
    flat = tf.reshape(values, [-1])
    total = tf.math.unsorted_segment_sum(flat, place, components * size + 1)
    count = tf.math.unsorted_segment_sum(tf.ones_like(flat), place, components * size + 1)
    return tf.reshape((total / tf.maximum(count, 1.0))[:-1], [components, size])


class EditedRendering(tf.keras.Model):
    """An editor together with the rendering: from (GraphTensor, places) to what the edited networks show.

    Its variables are the editor's, in the same order.

    Args:
        editor: a model with one answer per edge, the change of the edge's value.
        render: see `Renderer`.

    Call arguments:
        inputs: (scalar GraphTensor, {"slot": int32 [E, channels], "architecture": int32 [C]}), see
            `gmn_tf.training.pipeline.collate`.
    Call returns:
        float32 [C, pixels].
    """

    def __init__(self, editor: Any, render: Renderer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.editor = editor
        self._render = render

    def call(self, inputs: tuple[Any, Mapping[str, tf.Tensor]], training: bool | None = None) -> tf.Tensor:
        graph, places = inputs
        edges = graph.edge_sets[schema.EDGE_SET]
        values = edges[schema.VALUE] + self.editor(graph, training=training)
        flat = flat_weights(
            values,
            places[schema.SLOT],
            edge_components(graph),
            components=num_components(graph),
            size=self._render.size,
        )
        return self._render(flat, places[ARCHITECTURE])


def edited_predictor(model: EditedRendering, *, channels: int) -> Callable[[Any], np.ndarray]:
    """A function from a population to what its networks show once `model` has edited them, [n, pixels]."""
    from gmn_tf.graph.tensor import graph_tensor_spec
    from gmn_tf.training import pipeline
    from gmn_tf.training.judge import parts

    places = {
        schema.SLOT: tf.TensorSpec([None, channels], tf.int32),
        ARCHITECTURE: tf.TensorSpec([None], tf.int32),
    }

    @tf.function(input_signature=[(graph_tensor_spec(channels), places)])
    def forward(inputs: Any) -> Any:
        return model(inputs, training=False)

    def predict(population: Any) -> np.ndarray:
        shown = []
        for members in parts(population.num_edges):
            columns = pipeline.collate(population, members, with_slots=True)
            given = {name: tf.constant(column) for name, column in columns[pipeline.PLACES].items()}
            shown.append(forward((pipeline.to_graph_tensor(columns), given)).numpy())
        return np.concatenate(shown)

    return predict
