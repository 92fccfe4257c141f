"""SavedModels that serve a trained metanetwork without this package, and `load` for use with it."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmn_tf import serving
from gmn_tf.errors import RunError, SchemaError
from gmn_tf.export_card import card
from gmn_tf.graph import schema
from gmn_tf.tasks.accuracy import TASK

if TYPE_CHECKING:
    from gmn_tf.predictor import Predictor
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo

FORMAT_VERSION = 1
METADATA = "metadata.json"
CARD = "README.md"
CHECK = "check"
CHECK_EXAMPLES = "examples.tfrecord"
CHECK_ANSWERS = "answers.json"
_SAVED_MODEL = "saved_model.pb"


def export(
    run_path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    zoo: str | os.PathLike[str] | None = None,
    examples: int = 8,
    overwrite: bool = False,
) -> Path:
    """Writes the best metanetwork of a run as a SavedModel of functions and variables alone.

    Signatures: `serving_default` takes serialized `tf.Example`s [batch], one network each, as
    `tfgnn.write_example` writes its GraphTensor; `raw` takes the columns of a batch
    (`gmn_tf.serving.raw_specs`). Both answer `accuracy` float32 [batch].

    Args:
        run_path: a run folder of `gmn-tf train accuracy`.
        out: the folder to make: SavedModel, `metadata.json` and a card, `README.md`.
        zoo: a zoo from whose test split some networks are written to `out/check` as tf.Examples, together
            with the metanetwork's answers, so that any process can check what it loaded.
        examples: how many; the smallest architectures first, then the next.
        overwrite: replace an export that is already at `out`.

    Returns:
        `out`. It is whole or not there: everything is written beside it and renamed.

    Raises:
        RunError: `run_path` is no finished run of a model on graphs, or `out` exists.
        ZooError: `zoo` is not a whole zoo.
    """
    import tensorflow as tf

    from gmn_tf.training.run import Run

    out = Path(out)
    _check_target(out, overwrite=overwrite)
    run = Run.load(run_path)
    population = _open_zoo(zoo)
    checked = population is not None and examples > 0
    server = _server(run)
    metadata = _metadata(run, Path(run_path), server)
    partial = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        tf.saved_model.save(server, str(partial), signatures=server.signatures)
        (partial / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")
        (partial / CARD).write_text(card(out.name, metadata, server.signatures, check=checked))
        if population is not None and checked:
            _write_check(partial / CHECK, run, population, examples, metadata["num_channels"])
        if overwrite and out.exists():
            old = partial.with_suffix(".old")
            out.rename(old)
            partial.rename(out)
            shutil.rmtree(old)
        else:
            partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def load(path: str | os.PathLike[str]) -> Predictor:
    """A trained metanetwork, ready to call on Keras models, `.keras` paths, or lists of them.

    ```python
    judge = gmn_tf.load("savedmodels/digits-cnn")
    judge(model)                       # predicted test accuracy, a float32
    judge(["a.keras", "b.keras"])      # float32 [2]
    ```

    Args:
        path: an export (`gmn-tf export`) or a run folder (`gmn-tf train accuracy`).

    Raises:
        RunError: there is neither at `path`, or it is damaged.
        SchemaError: it was made for another version of the parameter graph's schema.
    """
    from gmn_tf.predictor import Predictor

    path = Path(path)
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        raise RunError(f"{path}: found {found}, expected the folder of a run or an export.")
    if not (path / _SAVED_MODEL).exists():
        from gmn_tf.training.run import Run

        run = Run.load(path)
        server = _server(run)
        metadata = _metadata(run, path, server)
        _check_schema(path, metadata)
        return Predictor(server.raw, num_channels=metadata["num_channels"], metadata=metadata, owner=server)

    import tensorflow as tf

    metadata = _read_metadata(path)
    _check_schema(path, metadata)
    try:
        loaded = tf.saved_model.load(str(path))
        raw = loaded.signatures[serving.RAW]
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise RunError(f"{path}: the SavedModel cannot be read ({reason}); export it again.") from error
    return Predictor(raw, num_channels=metadata["num_channels"], metadata=metadata, owner=loaded)


def _server(run: Run) -> serving.AccuracyServer:
    if not run.method.on_graphs:
        raise RunError(
            f"{run.path}: a run of {run.method.title}, which reads networks of a zoo alone, expected one "
            "of a model on graphs: train another method."
        )
    return serving.AccuracyServer(run.model)


def _metadata(run: Run, run_path: Path, server: serving.AccuracyServer) -> dict[str, Any]:
    import tensorflow as tf

    import gmn_tf

    report = run_path / "evaluation" / "report.json"
    return {
        "format_version": FORMAT_VERSION,
        "schema_version": run.config.get("schema_version", schema.SCHEMA_VERSION),
        "task": TASK,
        "num_channels": run.model.num_channels,
        "num_weights": sum(int(variable.shape.num_elements()) for variable in server.metanetwork_variables),
        "training": dict(run.config),
        "evaluation": json.loads(report.read_text()) if report.exists() else None,
        "gmn_tf_version": gmn_tf.__version__,
        "tensorflow_version": tf.__version__,
    }


def _read_metadata(path: Path) -> dict[str, Any]:
    try:
        metadata = json.loads((path / METADATA).read_text())
        metadata["num_channels"], metadata["schema_version"]
    except FileNotFoundError as error:
        raise RunError(f"{path}: a SavedModel without {METADATA}, so not made by `gmn-tf export`.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: its {METADATA} is damaged; export the run again.") from error
    return metadata


def _check_schema(path: Path, metadata: Mapping[str, Any]) -> None:
    if metadata["schema_version"] != schema.SCHEMA_VERSION:
        raise SchemaError(
            f"{path}: made for schema version {metadata['schema_version']} of the parameter graph, but this "
            f"gmn_tf draws version {schema.SCHEMA_VERSION}; train and export again, or install the version "
            f"that made it ({metadata.get('gmn_tf_version', 'unknown')})."
        )


def _check_target(out: Path, *, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise RunError(f"{out}: exists already; choose another folder, or replace it with --overwrite.")
    if not (out / METADATA).exists() or not (out / _SAVED_MODEL).exists():
        raise RunError(f"{out}: exists and is not an export, so it is not replaced; choose another folder.")


def _open_zoo(path: str | os.PathLike[str] | None) -> Zoo | None:
    if path is None:
        return None
    from gmn_tf.zoo.opening import open_zoo

    return open_zoo(path)


def _write_check(folder: Path, run: Run, zoo: Zoo, count: int, num_channels: int) -> None:
    """Some networks of the test split as tf.Examples, and what the metanetwork itself answers on them."""
    import tensorflow as tf
    import tensorflow_gnn as tfgnn

    from gmn_tf.graph.parameter_graph import ParameterGraph
    from gmn_tf.training.structure import Structure

    folder.mkdir()
    chosen = _varied(zoo, count)
    answers: list[float] = []
    with tf.io.TFRecordWriter(str(folder / CHECK_EXAMPLES)) as writer:
        for number in chosen:
            template = zoo.template(int(zoo.table["architecture"][number]))
            graph, flat = ParameterGraph.from_keras(template), zoo.flat(number)
            trained_on = Structure.of(graph, channels=num_channels).graph_tensor(flat)
            answers.append(float(tf.sigmoid(run.model(trained_on, training=False)[0, 0])))
            record = tfgnn.write_example(Structure.of(graph).graph_tensor(flat))
            writer.write(record.SerializeToString())
    contents = {"networks": [int(number) for number in chosen], serving.OUTPUT: answers}
    (folder / CHECK_ANSWERS).write_text(json.dumps(contents, indent=2) + "\n")


def _varied(zoo: Zoo, count: int) -> list[int]:
    """The first networks of the test split, one architecture after the other in turn."""
    seen: dict[int, int] = {}
    ranked = []
    for number in map(int, zoo.indices("test")):
        architecture = int(zoo.table["architecture"][number])
        ranked.append((seen.get(architecture, 0), architecture, number))
        seen[architecture] = seen.get(architecture, 0) + 1
    return [number for _, _, number in sorted(ranked)[:count]]
