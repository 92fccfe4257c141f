"""A Keras callback that shows a metanetwork's estimate of a model while it trains: `AccuracyProbe`."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gmn_tf.errors import GmnError, RunError
from gmn_tf.export import load_predictor
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.predictor import Predictor

ACCURACY = "predicted_accuracy"
DISTANCE = "training_distance"
EVENTS = "probe"
"""Folder of the events inside `log_dir`, a run of its own for TensorBoard."""


class AccuracyProbe(keras.callbacks.Callback):
    """Writes what a metanetwork makes of the model in training, from its weights alone: no data is read.

    At the end of each epoch `logs` (and so `History`, `CSVLogger`, `ModelCheckpoint(monitor=...)`) gets
    "predicted_accuracy" and, where the metanetwork tells it, "training_distance": up to 1 the model is in
    range of the networks that the metanetwork was trained on, beyond 2 its estimate means little. With
    `log_dir` both go to TensorBoard as `epoch_predicted_accuracy`, `epoch_training_distance`.

    ```python
    probe = gmn_tf.AccuracyProbe(log_dir="logs")
    model.fit(x, y, epochs=20, callbacks=[probe, keras.callbacks.TensorBoard("logs")])
    ```

    The parameter graph is planned once, when training starts (after the first batch, where that is what
    builds the model); every estimate after that is one gather of weights and one call. A model that cannot
    be drawn as a parameter graph is said so then, in one warning; it trains on as if the callback were not
    there. Weights that are NaN or infinite get the estimate NaN.

    Args:
        model: the metanetwork, as `gmn_tf.load` takes or gives it; by default the one that comes with
            gmn_tf.
        log_dir: folder for TensorBoard; events are written to its subfolder "probe". `None` writes none.
        update_freq: "epoch", or a number n of batches: after every n-th batch too the estimate is
            taken, and written as `batch_predicted_accuracy`, `batch_training_distance` by batches seen.

    Raises:
        RunError: there is no such metanetwork, or `update_freq` is out of range.
    """

    def __init__(
        self,
        model: Predictor | str | os.PathLike[str] | None = None,
        *,
        log_dir: str | os.PathLike[str] | None = None,
        update_freq: str | int = "epoch",
    ) -> None:
        super().__init__()
        if update_freq != "epoch" and not (isinstance(update_freq, int) and update_freq >= 1):
            raise RunError(f"received update_freq={update_freq!r}, expected 'epoch' or a number of batches")
        self.judge = model if isinstance(model, Predictor) else load_predictor(model)
        self.log_dir = None if log_dir is None else Path(log_dir) / EVENTS
        self.every = None if update_freq == "epoch" else int(update_freq)
        self.graph: ParameterGraph | None = None
        self.batches = 0
        self._planned = False
        self._writer: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.graph, self._planned = None, False
        if self.model.built:
            self._plan()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._planned:  # a model without an Input is built by its first batch
            self._plan()
        self.batches += 1
        if self.graph is not None and self.every is not None and self.batches % self.every == 0:
            self._write("batch", self.batches, self._estimate(self.graph))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.graph is None:
            return
        estimate = self._estimate(self.graph)
        if logs is not None:
            logs.update(estimate)  # what callbacks are given logs for: those after this one see it
        self._write("epoch", epoch, estimate)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _plan(self) -> None:
        """Draws the model and judges it once, so that what cannot be done is said before training goes on."""
        self._planned = True
        try:
            graph = ParameterGraph.from_keras(self.model)
            self._estimate(graph)
        except GmnError as error:
            sentence = " ".join(str(error).split()).rstrip(".")
            warnings.warn(f"AccuracyProbe writes nothing: {sentence}.", RuntimeWarning, stacklevel=3)
            return
        self.graph = graph

    def _estimate(self, graph: ParameterGraph) -> dict[str, float]:
        flat = graph.flatten(self.model)
        told = [ACCURACY, DISTANCE] if self.judge.tells_distance else [ACCURACY]
        if not np.isfinite(flat).all():
            return dict.fromkeys(told, float("nan"))
        prediction = self.judge.predict_graphs([(graph, flat)])
        values = (prediction.accuracy, prediction.distance)
        return {name: float(value[0]) for name, value in zip(told, values, strict=False) if value is not None}

    def _write(self, prefix: str, step: int, estimate: dict[str, float]) -> None:
        if self.log_dir is None:
            return
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.log_dir))
        with self._writer.as_default(step=step):
            for name, value in estimate.items():
                tf.summary.scalar(f"{prefix}_{name}", value)
        self._writer.flush()
