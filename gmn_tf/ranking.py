"""Ranks the checkpoints of a folder by predicted accuracy, and says what picking the first costs: `rank`."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.convert.load import load_keras_model
from gmn_tf.convert.weights_files import WeightsReader
from gmn_tf.errors import GmnError, RunError
from gmn_tf.export import load_predictor
from gmn_tf.predictor import Networks, Predictor
from gmn_tf.tasks.metrics import kendall_tau

SUFFIXES = (".keras", ".h5", ".hdf5")


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Networks by predicted accuracy, the best first (of equal ones in the order they were given).

    Attributes:
        paths: the files.
        predicted: float32 [n].
        distance: distance to the metanetwork's training networks, float32 [n], or `None`.
        verdicts: the distances in words, or `None`.
        measured: measured accuracy, float64 [n], or `None`.
        skipped: files that cannot be judged, with the reason.
    """

    paths: list[Path]
    predicted: np.ndarray
    distance: np.ndarray | None = None
    verdicts: list[str] | None = None
    measured: np.ndarray | None = None
    skipped: dict[Path, str] = dataclasses.field(default_factory=dict)

    @property
    def picked(self) -> Path:
        """The network that is predicted to be the best."""
        return self.paths[0]

    @property
    def regret(self) -> float | None:
        """Measured accuracy of the best network minus that of the picked one; 0 is a perfect pick."""
        return None if self.measured is None else float(self.regrets[0])

    @property
    def regrets(self) -> np.ndarray:
        """Entry k - 1: the same when the first k are kept and the best of them is found by measuring."""
        measured = self._known()
        return measured.max() - np.maximum.accumulate(measured)

    @property
    def random_regrets(self) -> np.ndarray:
        """What to expect of k networks drawn at random, float64 [n]: exact, not simulated."""
        rising = np.sort(self._known())
        number = np.arange(len(rising))
        share = np.full(len(rising), 1.0 / len(rising))  # chance that number i is the best of k: C(i, k - 1)
        found = [share @ rising]
        for k in range(2, len(rising) + 1):
            share = share * (number - (k - 2)).clip(0)
            share /= share.sum()
            found.append(share @ rising)
        return rising[-1] - np.array(found)

    @property
    def tau(self) -> float | None:
        """Kendall's tau of predicted and measured accuracies; `None` where there is no order."""
        if self.measured is None or len(self.measured) < 2:
            return None
        tau = kendall_tau(self.measured, self.predicted.astype(np.float64))
        return tau if np.isfinite(tau) else None

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draws predicted against measured accuracy with the pick and its regret, as a PNG.

        Raises:
            RunError: no accuracies were measured, or the file cannot be written.
        """
        from gmn_tf.ranking_figure import draw

        tau = "undefined" if self.tau is None else f"{self.tau:.2f}"
        draw(
            Path(path),
            measured=self._known(),
            predicted=self.predicted,
            regrets=self.regrets,
            random_regrets=self.random_regrets,
            title=f"{len(self.paths)} networks, Kendall's tau {tau}, regret {self.regret:.3f}",
        )

    def _known(self) -> np.ndarray:
        if self.measured is None:
            raise RunError(
                "this ranking knows no measured accuracies, so no regret: give measured accuracies or data"
            )
        return self.measured


def rank(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    model: Predictor | str | os.PathLike[str] | None = None,
    *,
    architecture: Any = None,
    measured: Mapping[str, float] | str | os.PathLike[str] | None = None,
    data: str | None = None,
) -> Ranking:
    """Ranks saved networks by the accuracy that a metanetwork predicts; picks the best without data.

    ```python
    ranking = gmn_tf.rank("checkpoints/", architecture="model.keras")
    ranking.picked                      # the file to keep
    gmn_tf.rank("checkpoints/", architecture="model.keras", data="digits").regret
    ```

    Args:
        paths: a folder, whose `.keras`, `.h5` and `.hdf5` files are ranked, or the files.
        model: the metanetwork, as `gmn_tf.load` takes or gives it.
        architecture: of files that hold weights alone, as `Predictor.__call__` takes it.
        measured: measured accuracies to compare with: by file name, or a CSV table with the columns file
            and test_accuracy.
        data: name of a data set to measure them on, see `gmn_tf.zoo.data.load_data`.

    Raises:
        RunError: no files, both or incomplete measurements, or no metanetwork.
        GmnError: no file at all can be judged; the reason of the first.
    """
    files = _files(paths)
    if measured is not None and data is not None:
        raise RunError("received measured accuracies and data to measure on, expected one of them")
    if isinstance(measured, (str, os.PathLike)):
        measured = read_measured(measured)
    judge = model if isinstance(model, Predictor) else load_predictor(model)
    networks = Networks(architecture)
    judged: list[Path] = []
    errors: dict[Path, GmnError] = {}

    def readable() -> Iterator[Any]:
        for file in files:
            try:
                network = networks.read(file)
            except GmnError as error:
                errors[file] = error
                continue
            judged.append(file)
            yield network

    prediction = judge.predict_graphs(readable())
    if not judged:
        raise errors[files[0]]
    known = None
    if measured is not None:
        known = np.array([_measured(file, measured) for file in judged])
    elif data is not None:
        known = _measure(judged, data, architecture)
    order = np.argsort(-prediction.accuracy, kind="stable")
    verdicts = prediction.verdicts
    return Ranking(
        paths=[judged[number] for number in order],
        predicted=prediction.accuracy[order],
        distance=None if prediction.distance is None else prediction.distance[order],
        verdicts=None if verdicts is None else [verdicts[number] for number in order],
        measured=None if known is None else known[order],
        skipped={file: str(error) for file, error in errors.items()},
    )


def read_measured(path: str | os.PathLike[str]) -> dict[str, float]:
    """Measured accuracies by file name, from a CSV table with the columns file and test_accuracy."""
    path = Path(path)
    try:
        with path.open(newline="") as file:
            return {row["file"]: float(row["test_accuracy"]) for row in csv.DictReader(file)}
    except FileNotFoundError as error:
        raise RunError(f"{path}: there is no such file; expected a CSV of measured accuracies.") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{path}: expected a CSV table with the columns file and test_accuracy.") from error


def _files(paths: Any) -> list[Path]:
    if not isinstance(paths, (str, os.PathLike)):
        files = [Path(path) for path in paths]
    elif Path(paths).is_dir():
        files = sorted(path for path in Path(paths).iterdir() if path.suffix.lower() in SUFFIXES)
    else:
        raise RunError(
            f"{paths}: is no folder, expected one with .keras or .h5 files in it, or a list of files."
        )
    if not files:
        raise RunError(f"{paths}: holds no {', '.join(SUFFIXES)} files, so nothing to rank.")
    return files


def _measured(file: Path, measured: Mapping[str, float]) -> float:
    if file.name not in measured or not np.isfinite(measured[file.name]):
        raise RunError(
            f"received no measured accuracy of {file.name}, expected one for each file that is ranked."
        )
    return float(measured[file.name])


def _measure(files: Sequence[Path], data: str, architecture: Any) -> np.ndarray:
    """Accuracies of the files on a data set, float64 [n]."""
    from gmn_tf.zoo.data import load_data
    from gmn_tf.zoo.measure import accuracy

    images = load_data(data)
    reader = WeightsReader(architecture) if architecture is not None else None
    found = []
    for file in files:
        if reader is not None and file.suffix.lower() != ".keras":
            model = reader.model(file)
        else:
            model = load_keras_model(file)
        found.append(accuracy(model, images))
    return np.array(found)
