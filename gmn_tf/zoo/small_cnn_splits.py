"""Splits of the Small CNN Zoo over its runs: those that NFN published, or drawn in the same shares.

Neural Functional Networks (Zhou et al. 2023) list the rows of `metrics.csv.gz` in a shuffled order, one a
line; of the final checkpoints in that order the second half is for test, and of the first half, shuffled by
`random.Random(0)`, 80 % are for training and the others for validation. Their files start with one line "0"
too many, which is left out here.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import splits

TEST_SHARE, TRAIN_SHARE = 0.5, 0.8  # TRAIN_SHARE: of what is not for test


def find_file(folder: Path) -> Path | None:
    """The file of shuffled rows in a folder (`split.csv` or one `*_split.csv`), None where there is none."""
    found = [*folder.glob("split.csv"), *sorted(folder.glob("*_split.csv"))]
    if len(found) > 1:
        raise ZooError(
            f"{folder} holds several split files ({', '.join(path.name for path in found)}): "
            "name one as split_file, or leave one there."
        )
    return found[0] if found else None


def by_file(path: Path, runs: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Split of every run, as NFN draws it from its file.

    Args:
        path: the file: the numbers of all rows, one a line, in a shuffled order.
        runs: number of the run of each row, int [rows].
        final: which rows are final checkpoints, bool [rows].

    Returns:
        Names in `splits.SPLITS`, [runs]; "none" for runs without a final checkpoint.

    Raises:
        ZooError: the file is damaged, or of another number of rows, or would part a run.
    """
    order = _order(path, len(runs))
    finals = order[final[order]]  # rows
    names = np.full(int(runs.max()) + 1, splits.NO_SPLIT, "<U10")
    for row, name in zip(finals, _names(len(finals)), strict=True):
        if names[runs[row]] not in (splits.NO_SPLIT, name):
            raise ZooError(f"{path} has final checkpoints of one run (row {row}) in two splits.")
        names[runs[row]] = name
    return names


def by_run(runs: np.ndarray, final: np.ndarray, *, seed: int) -> np.ndarray:
    """Split of every run that has a final checkpoint, drawn over runs; arguments and answer as `by_file`."""
    names = np.full(int(runs.max()) + 1, splits.NO_SPLIT, "<U10")
    finished = np.unique(runs[final])
    order = np.random.default_rng([seed, 1]).permutation(finished)
    names[order] = _names(len(order))
    return names


def write(path: Path, order: np.ndarray) -> None:
    """Writes a file of shuffled rows as NFN's are, its first line included."""
    from gmn_tf.zoo import files

    text = "".join(f"{row}\n" for row in (0, *order))
    files.write_bytes(path, lambda stream: stream.write(text.encode()))


def _names(count: int) -> np.ndarray:
    """Split of each of `count` final checkpoints in their shuffled order."""
    learnt = list(range(int(TEST_SHARE * count)))
    random.Random(0).shuffle(learnt)
    parted = int(TRAIN_SHARE * len(learnt))
    names = np.full(count, splits.TEST, "<U10")
    names[learnt[:parted]] = splits.TRAIN
    names[learnt[parted:]] = splits.VALIDATION
    return names


def _order(path: Path, count: int) -> np.ndarray:
    try:
        order = np.array([int(line) for line in path.read_text().split()], np.int64)
    except OSError as error:
        raise ZooError(f"Cannot read the split file {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise ZooError(f"{path} is damaged ({error}): expected a row number on each line.") from error
    if len(order) == count + 1 and order[0] == 0:
        order = order[1:]
    if not np.array_equal(np.sort(order), np.arange(count)):
        raise ZooError(
            f"{path} has {len(order)} lines that do not name each of the {count} checkpoints once: expected "
            "the split file of this data set."
        )
    return order
