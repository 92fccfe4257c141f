"""What a watcher sees of a run: a progress bar in a terminal, a line per epoch elsewhere, TensorBoard."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tf_keras

from gmn_tf.training import files
from gmn_tf.training.settings import Settings
from gmn_tf.training.task import Task

if TYPE_CHECKING:
    from gmn_tf.zoo.store import Zoo


class Bar(tf_keras.callbacks.Callback):
    """One bar over all steps of the run, with the last epoch's figures beside it (`Task.shown`)."""

    def __init__(
        self,
        settings: Settings,
        shown: Mapping[str, str],
        *,
        steps: int,
        first_epoch: int,
        rows: list[dict[str, Any]],
    ) -> None:
        super().__init__()
        self.shown = shown
        self.settings, self.steps, self.epoch, self.rows = settings, steps, first_epoch, rows
        self.bar: Any = None
        self.task: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        self.bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn())
        self.bar.start()
        self.task = self.bar.add_task(
            self._title(),
            total=self.settings.epochs * self.steps,
            completed=self.epoch * self.steps,
            figures=self._figures(self.rows[-1]) if self.rows else "compiling",
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.update(self.task, completed=self.epoch * self.steps + batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch + 1
        row = self.rows[-1]
        self.bar.update(self.task, description=self._title(), figures=self._figures(row))
        if not self.bar.console.is_terminal:
            self.bar.console.print(
                f"epoch {row['epoch']}/{self.settings.epochs}  {self._figures(row)}", highlight=False
            )

    def on_train_end(self, logs: Any = None) -> None:
        self.close()

    def close(self) -> None:
        """Gives the terminal back; also needed when training ends in an error."""
        if self.bar is not None:
            self.bar.stop()

    def _title(self) -> str:
        return f"epoch {min(self.epoch + 1, self.settings.epochs)}/{self.settings.epochs}"

    def _figures(self, row: dict[str, Any]) -> str:
        words = [f"loss {row['loss']:.4f}", f"val loss {row['val_loss']:.4f}"]
        words += [f"{title} {row[f'val_{name}']:.3f}" for name, title in self.shown.items()]
        return "  ".join(words) + (" *" if row["best"] else "")


class Board:
    """TensorBoard: losses, the task's figures, learning rate, and now and then the task's picture."""

    def __init__(
        self, folder: Path, task: Task, zoo: Zoo, indices: np.ndarray, *, epochs: int, every: int = 5
    ) -> None:
        import tensorflow as tf

        self.folder, self.task, self.zoo, self.indices = folder, task, zoo, indices
        self.writer = tf.summary.create_file_writer(str(folder))
        self.epochs, self.every = epochs, every

    def __call__(self, row: dict[str, Any], answers: np.ndarray) -> None:
        """A listener of `Keeper`."""
        import tensorflow as tf

        epoch = row["epoch"]
        with self.writer.as_default(step=epoch):
            for name, value in row.items():
                if name.startswith("val_"):
                    tf.summary.scalar(f"validation/{name.removeprefix('val_')}", value)
            tf.summary.scalar("train/loss", row["loss"])
            tf.summary.scalar("train/learning_rate", row["learning_rate"])
            if epoch % self.every == 0 or epoch == self.epochs or epoch == 1:
                png = self.task.picture(self.zoo, self.indices, answers, f"epoch {epoch}")
                if png is not None:
                    image = tf.io.decode_png(png, channels=3)
                    tf.summary.image(self.task.judged_as, image[tf.newaxis])
                    if self.task.picture_file:
                        files.write_bytes(self.folder.parent / self.task.picture_file, png)
        self.writer.flush()


def scatter(targets: np.ndarray, predictions: dict[str, np.ndarray], title: str) -> bytes:
    """A PNG with one square panel per predictor: measured accuracy across, predicted accuracy up."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(predictions), 4.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(predictions), squeeze=False)[0]
    for axes, (name, values) in zip(panels, predictions.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
        axes.scatter(targets, values, s=10, alpha=0.6, edgecolors="none")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=name)
        axes.set(xlabel="measured accuracy", ylabel="predicted accuracy")
    figure.suptitle(title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
