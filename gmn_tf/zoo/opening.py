"""Opens whatever is at a path as a zoo: one of ours, or a folder in the format of the Small CNN Zoo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from gmn_tf.errors import ZooError
from gmn_tf.zoo.small_cnn_format import is_small_cnn_zoo
from gmn_tf.zoo.store import Zoo


def open_zoo(path: str | os.PathLike[str]) -> Zoo:
    """The zoo at a path.

    Args:
        path: a folder made by `generate_zoo`, or one in the published format of the Small CNN Zoo. Behind the
            latter a selection may stand, "FOLDER?activation=relu&steps=86": arguments and filters of
            `gmn_tf.zoo.small_cnn_zoo.SmallCNNZoo.load`, several values apart by commas.

    Raises:
        ZooError: there is no zoo, it cannot be read, or a selection stands behind a zoo that takes none.
    """
    text = os.fspath(path)
    folder, _, query = (text, "", "") if Path(text).exists() else text.partition("?")
    if not is_small_cnn_zoo(Path(folder)):
        if query:
            raise ZooError(
                f'{folder} is no folder in the format of the Small CNN Zoo: leave out "?{query}", which '
                "selects from one."
            )
        return Zoo.load(folder)
    from gmn_tf.zoo.small_cnn_zoo import SmallCNNZoo

    return SmallCNNZoo.load(folder, **_selection(query))


def _selection(query: str) -> dict[str, Any]:
    selection: dict[str, Any] = {}
    try:
        for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
            values = value.split(",")
            if name == "steps":
                selection[name] = [int(step) for step in values]
            elif name == "seed":
                selection[name] = int(value)
            else:
                selection[name] = value if name == "split_file" or len(values) == 1 else values
    except ValueError as error:
        raise ZooError(
            f'Received the selection "{query}" ({error}): expected name=value pairs joined by "&", such as '
            '"activation=relu&steps=86".'
        ) from error
    return selection
