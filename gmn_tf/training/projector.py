"""TensorBoard's projector: the files from which its plugin shows vectors with what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gmn_tf.errors import RunError
from gmn_tf.training import files

CONFIG, VECTORS, FACTS = "projector_config.pbtxt", "representation.tsv", "facts.tsv"


def write_projector(
    folder: Path, vectors: np.ndarray, facts: Mapping[str, np.ndarray], *, name: str = "representation"
) -> None:
    """Writes vectors and facts as tab-separated values, and the projector's configuration beside them.

    `tensorboard --logdir FOLDER` then shows them in its tab "Projector", coloured by any of the facts.

    Args:
        folder: a folder of TensorBoard logs.
        vectors: float [n, dim].
        facts: what is known of each vector, by name: [n] each, numbers or words, one or more.
        name: of the vectors, where TensorBoard lists them.

    Raises:
        RunError: there are no vectors or facts, numbers of rows differ, or a file cannot be written.
    """
    from google.protobuf import text_format
    from tensorboard.plugins import projector

    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or not vectors.size or not facts:
        raise RunError(
            f"received vectors of shape {vectors.shape} and {len(facts)} facts, expected a matrix, and one "
            "fact or more"
        )
    for title, column in facts.items():
        if len(column) != len(vectors):
            raise RunError(
                f"received {len(column)} values of {title} for {len(vectors)} vectors, expected one for each"
            )
    config = projector.ProjectorConfig()
    config.embeddings.add(tensor_name=name, tensor_path=VECTORS, metadata_path=FACTS)
    rows = ["\t".join(f"{value:.6g}" for value in vector) for vector in vectors]
    files.write_text(folder / VECTORS, "\n".join(rows) + "\n")
    # One column has no heading, the plugin's rule.
    lines = ["\t".join(facts)] if len(facts) > 1 else []
    lines += ["\t".join(map(_text, row)) for row in zip(*facts.values(), strict=True)]
    files.write_text(folder / FACTS, "\n".join(lines) + "\n")
    files.write_text(folder / CONFIG, text_format.MessageToString(config))


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value).replace("\t", " ")
