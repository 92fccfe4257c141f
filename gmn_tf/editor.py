"""An editor ready to use: Keras models in, edited Keras models out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf import serving
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.predictor import Networks, raw_columns
from gmn_tf.training.structure import Structure


class Editor:
    """Edits Keras models by changing their weights. Made by `gmn_tf.load` from a run or an export.

    ```python
    editor = gmn_tf.load("savedmodels/...")
    edited = editor(model)                     # a new Keras model; `model` stays as it is
    edited.save("edited.keras")                # opens with plain Keras
    ```

    Networks of other widths and depths than it was trained on are taken; so is any other network that has a
    parameter graph, but what comes of it means nothing.

    Args:
        raw: the raw signature, `gmn_tf.serving.EditServer`.
        metadata: of the export.
        path: where it came from.
        owner: what holds the variables that `raw` reads, kept alive with it.

    Attributes:
        metadata: schema version, task and its options, training configuration and figures.
        path: the folder it was loaded from.
    """

    def __init__(
        self,
        raw: Callable[..., Mapping[str, Any]],
        *,
        metadata: Mapping[str, Any],
        path: Path | None = None,
        owner: Any = None,
    ) -> None:
        self._raw, self._owner = raw, owner
        self._structures: dict[ParameterGraph, Structure] = {}
        self.metadata, self.path = metadata, path

    def __call__(self, model: Any, *, architecture: Any = None) -> Any:
        """A new Keras model: `model` with edited weights, compiled no more.

        Args:
            model: a built Keras model, or the path of a `.keras` or `.h5` file.
            architecture: a built Keras model, or the path of one: files that do not end in `.keras` then
                hold weights of this architecture, see `gmn_tf.WeightsReader`.

        Raises:
            ModelFileError: a file cannot be loaded safely, or holds another architecture's weights.
            UnsupportedLayerError, ConversionError: the model cannot be drawn as a parameter graph.
        """
        from gmn_tf.graph.layout import set_weights

        template, graph, flat = Networks(architecture).open(model)
        owned = isinstance(model, (str, os.PathLike)) and architecture is None
        edited = template if owned else _copy(template)
        set_weights(edited, graph.layout.unflatten(self.edit(graph, flat), template.get_weights()))
        return edited

    def edit(self, graph: ParameterGraph, flat: np.ndarray) -> np.ndarray:
        """Edited flat weights from flat weights [size of the graph's layout]; plan once, edit many.

        A weight that stands on several edges becomes the mean of what they say.
        """
        import tensorflow as tf

        if graph not in self._structures:
            self._structures[graph] = Structure.of(graph)
        columns = raw_columns(self._structures[graph], np.asarray(flat))
        answer = self._raw(**{name: tf.constant(column) for name, column in columns.items()})
        return graph.flat(answer[serving.EDITED].numpy()[:, 0], base=flat, average_roles=True)

    @property
    def operation(self) -> str:
        """What it was taught to do, such as "dilate"."""
        return str(self.metadata["training"]["task_options"]["operation"])


def _copy(model: Any) -> Any:
    """A new model of the same architecture, of whichever Keras `model` is."""
    import keras

    library = keras
    if not isinstance(model, keras.Model):
        import tf_keras

        library = tf_keras
    return library.models.clone_model(model)
