"""Which networks of a population a metanetwork is trained, chosen and judged on: splits, by setting.

After the settings of Lim et al. 2024, section 5.1:

- "all": networks drawn at random for training, validation and test.
- "low_data": a tenth of the training networks of "all"; the same networks for validation and test.
- "wider": the test networks are wider than every network of their family in training and validation.
- "unseen_family": all vision transformers (family "vit") are for test, all others for training.

In the last two, the networks that "all" holds out for test join the training networks unless they are wide,
or vision transformers, themselves. Networks in no split of "all" are in none of any setting. A network is one
run with an initialisation of its own, so that no two splits share a run, an initialisation or a checkpoint.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files

TRAIN, VALIDATION, TEST, NO_SPLIT = "train", "validation", "test", "none"
SPLITS = (TRAIN, VALIDATION, TEST, NO_SPLIT)

ALL, LOW_DATA, WIDER, UNSEEN_FAMILY = "all", "low_data", "wider", "unseen_family"
SETTINGS = (ALL, LOW_DATA, WIDER, UNSEEN_FAMILY)

LOW_DATA_SHARE = 0.1
WIDE_SHARE = 0.25
"""The share of a family's networks that the widest widths come closest to; see `wide`."""
MAX_WIDE_SHARE = 0.5
HELD_OUT_FAMILY = "vit"

FOLDER = "splits"
_COLUMNS = ["network", "split"]
_STREAM = 5  # of the seed; keeps these draws apart from the population's other ones


def make(table: Mapping[str, np.ndarray], *, seed: int) -> dict[str, np.ndarray]:
    """The split of every network in each setting that makes sense for this population.

    Args:
        table: columns [n]: "split" (that of "all"), and, for the last two settings, "family" and "width".
        seed: of the draw of "low_data".

    Returns:
        For each setting an array [n] of names in `SPLITS`. "wider" is left out where no family has networks
        of different widths to part, "unseen_family" where there are no vision transformers, or nothing else.

    Raises:
        ZooError: the table has no column "split", or one with other names.
    """
    if "split" not in table:
        raise ZooError('Received a table without the column "split", expected one from a population\'s plan.')
    drawn = np.asarray(table["split"]).astype(str)
    settings = {ALL: drawn, LOW_DATA: _low_data(drawn, seed)}
    families = _families(table, len(drawn))
    if "width" in table:
        settings[WIDER] = _held_out(drawn, wide(families, np.asarray(table["width"]), drawn != NO_SPLIT))
    settings[UNSEEN_FAMILY] = _held_out(drawn, families == HELD_OUT_FAMILY)
    useful = {name: names for name, names in settings.items() if name == ALL or _is_whole(names)}
    check(useful, table)
    return useful


def wide(families: np.ndarray, widths: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Whether a network is one of the widest of its family, bool [n].

    In each family the widths are parted at the value that leaves a share of its networks closest to
    `WIDE_SHARE`, never more than `MAX_WIDE_SHARE`, above it; a family of one width has no wide networks.

    Args:
        families, widths: of each network, [n].
        members: which networks count, bool [n].
    """
    answer = np.zeros(len(widths), bool)
    for family in np.unique(families[members]):
        own = families == family
        found = widths[own & members]
        shares = {limit: float(np.mean(found > limit)) for limit in np.unique(found)[:-1]}
        possible = {limit: share for limit, share in shares.items() if share <= MAX_WIDE_SHARE}
        if possible:
            limit = min(possible, key=lambda value: abs(possible[value] - WIDE_SHARE))
            answer |= own & (widths > limit)
    return answer


def check(settings: Mapping[str, np.ndarray], table: Mapping[str, np.ndarray]) -> None:
    """Raises ZooError where a setting is not what it says.

    Every network of the table has one split in each setting; "low_data" takes its networks from the same
    splits of "all" and has the same test networks; in "wider" each test network is wider than all networks of
    its family in training and validation; in "unseen_family" vision transformers are for test alone, and
    nothing else is.
    """
    count = len(table["split"])
    for name, names in settings.items():
        if name not in SETTINGS:
            raise ZooError(f'Unknown setting "{name}": expected one of {", ".join(SETTINGS)}.')
        if np.shape(names) != (count,) or not np.isin(names, SPLITS).all():
            raise ZooError(
                f'The setting "{name}" does not give each of the {count} networks one of the splits '
                f"{', '.join(SPLITS)}."
            )
    if ALL in settings and not np.array_equal(settings[ALL], np.asarray(table["split"]).astype(str)):
        raise ZooError('The setting "all" has other splits than the table.')
    families = _families(table, count)
    for name, names in settings.items():
        learnt, test = np.isin(names, (TRAIN, VALIDATION)), names == TEST
        if name == LOW_DATA:
            drawn = np.asarray(table["split"]).astype(str)
            if np.any(learnt & (names != drawn)) or np.any(test != (drawn == TEST)):
                raise ZooError('The setting "low_data" is no part of "all", or has other test networks.')
        if name == WIDER:
            if "width" not in table:
                raise ZooError('The setting "wider" needs the column "width", which the table lacks.')
            _check_wider(families, np.asarray(table["width"]), learnt, test)
        if name == UNSEEN_FAMILY:
            held_out = families == HELD_OUT_FAMILY
            if np.any(learnt & held_out) or np.any(test & ~held_out):
                raise ZooError(
                    f'The setting "unseen_family" has networks of the family {HELD_OUT_FAMILY} in training '
                    "or validation, or others in test."
                )


def _check_wider(families: np.ndarray, widths: np.ndarray, learnt: np.ndarray, test: np.ndarray) -> None:
    for family in np.unique(families[test]):
        known = widths[learnt & (families == family)]
        narrowest = widths[test & (families == family)].min()
        if not len(known) or known.max() >= narrowest:
            raise ZooError(
                f'The setting "wider" tests on networks of the family {family} that are no wider than those '
                "in training and validation, or trains on none of that family."
            )


def write(folder: Path, settings: Mapping[str, np.ndarray]) -> list[str]:
    """Writes `splits/<setting>.csv` (columns network, split) and returns the names of the files."""
    files.make_folder(folder / FOLDER)
    for name, names in settings.items():
        rows = [{"network": network, "split": str(split)} for network, split in enumerate(names)]
        files.write_table(folder / file_of(name), rows)
    return [file_of(name) for name in settings]


def file_of(setting: str) -> str:
    """Where in a zoo the splits of a setting lie."""
    return f"{FOLDER}/{setting}.csv"


def read(
    folder: Path, listed: Mapping[str, object], table: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The settings whose files the manifest lists, checked; "all" from the table where it has no file.

    Raises:
        ZooError: a file is damaged, names a network twice or not at all, or `check` finds a fault.
    """
    settings = {ALL: np.asarray(table["split"]).astype(str)}
    for name in SETTINGS:
        if file_of(name) in listed:
            settings[name] = _read(folder / file_of(name), len(table["split"]))
    check(settings, table)
    return settings


def _read(path: Path, count: int) -> np.ndarray:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            header, *rows = list(csv.reader(stream))
        networks = np.array([int(row[0]) for row in rows])
        names = np.array([row[1] for row in rows])
    except (OSError, ValueError, IndexError) as error:
        raise ZooError(f"{path} is damaged ({error}): generate the zoo again.") from error
    if header != _COLUMNS or not np.array_equal(np.sort(networks), np.arange(count)):
        raise ZooError(
            f"{path} does not name each of the {count} networks once: expected the columns "
            f"{', '.join(_COLUMNS)} and one row per network."
        )
    return names[np.argsort(networks)]


def _low_data(drawn: np.ndarray, seed: int) -> np.ndarray:
    train = np.flatnonzero(drawn == TRAIN)
    kept = max(1, round(LOW_DATA_SHARE * len(train)))
    order = np.random.default_rng([seed, _STREAM]).permutation(train)
    names = drawn.copy()
    names[order[kept:]] = NO_SPLIT
    return names


def _held_out(drawn: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Those held out are for test; of the others, test networks of "all" join the training."""
    names = np.where(drawn == TEST, TRAIN, drawn)
    return np.where(held_out & (drawn != NO_SPLIT), TEST, names)


def _is_whole(names: np.ndarray) -> bool:
    return all(np.any(names == split) for split in (TRAIN, VALIDATION, TEST))


def _families(table: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    return np.asarray(table["family"]).astype(str) if "family" in table else np.full(count, "")
