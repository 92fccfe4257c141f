"""Editing a file: `edit_file`, what `gmn-tf edit` does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from gmn_tf.errors import ModelFileError, RunError
from gmn_tf.export import load_editor
from gmn_tf.inr.pictures import sheet
from gmn_tf.inr.rendering import render_image
from gmn_tf.predictor import Networks
from gmn_tf.training import files


def edit_file(
    file: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    model: Any,
    architecture: Any = None,
    picture: str | os.PathLike[str] | None = None,
    size: int = 128,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Writes the network of a file, edited, as a Keras file.

    Args:
        file: a `.keras` or `.h5` file; with `architecture`, a `.weights.h5` file too.
        out: a path that ends in `.keras`.
        model: a `gmn_tf.editor.Editor`, or where `gmn_tf.load` finds one.
        architecture: as of `gmn_tf.editor.Editor.__call__`.
        picture: PNG of what an INR of pictures shows before and after.
        size: pixels along a side of it.
        overwrite: replace a file that is there.

    Returns:
        {"file", "out", "picture", "operation", "parameters", "change": length of the change of all weights
        over that of the weights}.

    Raises:
        RunError: `out` is there or does not end in `.keras`, or `model` is no editor.
        ModelFileError: the file cannot be loaded safely.
        InrError: a picture is asked for of a network that shows none; nothing is written then.
    """
    from gmn_tf.editor import Editor

    target = Path(out)
    if target.suffix != ".keras":
        raise RunError(f"{target}: expected a name that ends in .keras")
    if target.exists() and not overwrite:
        raise RunError(f"{target}: exists already; choose another name, or replace it with --overwrite")
    editor = model if isinstance(model, Editor) else load_editor(model)
    template, graph, flat = Networks(architecture).open(file)
    edited = editor(file, architecture=architecture)
    changed = graph.flatten(edited)
    if not np.isfinite(changed).all():
        raise ModelFileError(
            f"{file}: edited, it has NaN or infinite weights: it is nothing this editor knows"
        )
    if picture is not None:
        from gmn_tf.graph.layout import set_weights

        if architecture is not None:
            set_weights(template, graph.layout.unflatten(flat, template.get_weights()))
        rows = {"": np.stack([render_image(each, size, size) for each in (template, edited)])}
        files.write_bytes(Path(picture), sheet(rows, title=f"before and after: {editor.operation}"))
    files.write(target, lambda beside: edited.save(beside))
    return {
        "file": str(file),
        "out": str(target),
        "picture": None if picture is None else str(picture),
        "operation": editor.operation,
        "parameters": int(graph.num_parameters),
        "change": float(np.linalg.norm(changed - flat) / max(float(np.linalg.norm(flat)), 1e-12)),
    }
