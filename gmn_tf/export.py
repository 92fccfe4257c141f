"""SavedModels that serve a trained metanetwork without this package, and `load` for use with it."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gmn_tf import provenance, savedmodels, serving
from gmn_tf.errors import RunError, SchemaError
from gmn_tf.export_distance import fit_distance
from gmn_tf.export_kinds import KINDS, Kind
from gmn_tf.graph import schema
from gmn_tf.models.registry import ACCURACY

if TYPE_CHECKING:
    from gmn_tf.classifier import Classifier
    from gmn_tf.editor import Editor
    from gmn_tf.predictor import Predictor
    from gmn_tf.training.run import Run
    from gmn_tf.zoo.store import Zoo

FORMAT_VERSION = 2
METADATA = "metadata.json"
CARD = "README.md"
CHECK = "check"
_SAVED_MODEL = "saved_model.pb"


def export(
    run_path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    zoo: str | os.PathLike[str] | None = None,
    examples: int = 8,
    evaluations: Sequence[str | os.PathLike[str]] = (),
    overwrite: bool = False,
) -> Path:
    """Writes the best metanetwork of a run as a SavedModel of functions and variables alone.

    Signatures: `serving_default` takes serialized `tf.Example`s [batch], one network each, as
    `tfgnn.write_example` writes its GraphTensor; `raw` takes the columns of a batch
    (`gmn_tf.serving.raw_specs`). Both answer `accuracy` float32 [batch] and, where `zoo` is the one the run
    was trained on, `distance` float32 [batch] (`gmn_tf.training_distance.TrainingDistance`). Those of an
    editor answer `edited`, float32 [E, 1], and with its zoo there is `weights`, from flat weights of its
    architecture to edited ones (`gmn_tf.serving.EditServer`).

    Args:
        run_path: a run folder of `gmn-tf train`.
        out: the folder to make: SavedModel, `metadata.json` and a card, `README.md`.
        zoo: the zoo that the run was trained on: its training networks are what distances are measured to
            and what the card tells of. From its test split some networks are written to `out/check` as
            tf.Examples, together with the metanetwork's answers, so that any process can check what it
            loaded. Of another zoo the latter alone is done.
        examples: how many; the smallest architectures first, then the next.
        evaluations: further reports of `gmn-tf evaluate` for the card, of runs of the same recipe (in other
            settings, say); those in the run's folder are found.
        overwrite: replace an export that is already at `out`.

    Returns:
        `out`. It is whole or not there: everything is written beside it and renamed.

    Raises:
        RunError: `run_path` is no finished run of a model on graphs, `out` exists, or a report cannot be
            read.
        ZooError: `zoo` is not a whole zoo.
    """
    import tensorflow as tf

    out = Path(out)
    _check_target(out, overwrite=overwrite)
    reports = provenance.evaluations(Path(run_path), map(Path, evaluations))
    run = _open_run(Path(run_path))
    population = _open_zoo(zoo)
    own = population if population is not None and _trained_on(run, population) else None
    checked = population is not None and examples > 0
    kind = _kind(run.task.name, Path(run_path))
    distance = fit_distance(run, own) if own is not None and kind.tells_distance else None
    server = kind.server(run, own, distance)
    metadata = {
        **_metadata(run, server),
        "evaluations": reports,
        "population": provenance.population(own, own.indices("train", run.setting)) if own else None,
        "distance": distance.metadata() if distance is not None else None,
        "commands": provenance.commands(run.config, own.manifest if own else None, name=out.name),
        "signatures": {name: _signature(function) for name, function in server.signatures.items()},
    }
    partial = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        tf.saved_model.save(server, str(partial), signatures=server.signatures)
        (partial / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")
        (partial / CARD).write_text(kind.card(out.name, metadata, check=checked))
        if population is not None and checked:
            kind.write_check(partial / CHECK, run, population, count=examples, distance=distance)
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


def load_predictor(path: str | os.PathLike[str] | None = None) -> Predictor:
    """`load` of what predicts accuracies; RunError where it is something else."""
    from gmn_tf.predictor import Predictor

    found = load(path)
    return found if isinstance(found, Predictor) else _other(found, "predicts accuracies")


def load_classifier(path: str | os.PathLike[str]) -> Classifier:
    """`load` of what classifies networks; RunError where it is something else."""
    from gmn_tf.classifier import Classifier

    found = load(path)
    return found if isinstance(found, Classifier) else _other(found, "classifies networks")


def load_editor(path: str | os.PathLike[str]) -> Editor:
    """`load` of what edits networks; RunError where it is something else."""
    from gmn_tf.editor import Editor

    found = load(path)
    return found if isinstance(found, Editor) else _other(found, "edits networks")


def load(path: str | os.PathLike[str] | None = None) -> Predictor | Editor | Classifier:
    """A trained metanetwork, ready to call on Keras models, `.keras` paths, or lists of them.

    ```python
    judge = gmn_tf.load()              # the general one that comes with gmn_tf
    judge(model)                       # predicted test accuracy, a float32
    judge(["a.keras", "b.keras"])      # float32 [2]
    judge.predict([model]).distance    # float32 [1]: up to 1 in range of its training networks
    gmn_tf.load("runs/dilate")(inr)    # of an editor: a new Keras model, see `gmn_tf.editor.Editor`
    gmn_tf.load("runs/digits")(inr)    # of a classifier: probabilities, see `gmn_tf.classifier.Classifier`
    ```

    Args:
        path: an export (`gmn-tf export`), a run folder (`gmn-tf train`), or the name of a
            metanetwork that comes with gmn_tf (`gmn_tf.savedmodels`). `None` is the general one.

    Raises:
        RunError: there is neither at `path`, or it is damaged.
        SchemaError: it was made for another version of the parameter graph's schema.
    """
    path = savedmodels.resolve(path)
    if not path.is_dir():
        raise RunError(f"{path}: found a file, expected the folder of a run or an export.")
    if not (path / _SAVED_MODEL).exists():
        run = _open_run(path)
        server = _kind(run.task.name, path).server(run, None, None)
        metadata = {**_metadata(run, server), "evaluations": provenance.evaluations(path)}
        _check_schema(path, metadata)
        return _ready(server.raw, metadata, path, owner=server)

    import tensorflow as tf

    metadata = _read_metadata(path)
    _check_schema(path, metadata)
    try:
        loaded = tf.saved_model.load(str(path))
        raw = loaded.signatures[serving.RAW]
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise RunError(f"{path}: the SavedModel cannot be read ({reason}); export it again.") from error
    return _ready(raw, metadata, path, owner=loaded)


def _ready(raw: Any, metadata: dict[str, Any], path: Path, *, owner: Any) -> Any:
    return _kind(metadata.get("task", ACCURACY), path).ready(raw, metadata, path, owner)


def _kind(task: str, path: Path) -> Kind:
    if task not in KINDS:
        raise RunError(
            f"{path}: made for the task {task!r}, which this gmn_tf does not export, expected one of "
            f"{', '.join(KINDS)}."
        )
    return KINDS[task]


def _other(found: Any, expected: str) -> NoReturn:
    does = KINDS[found.metadata.get("task", ACCURACY)].does
    raise RunError(f"{found.path}: {does}, expected a metanetwork that {expected}.")


def _open_run(path: Path) -> Run:
    from gmn_tf.training.run import Run

    run = Run.load(path)
    if not run.method.on_graphs:
        raise RunError(
            f"{path}: a run of {run.method.title}, which reads networks of a zoo alone, expected one "
            "of a model on graphs: train another method."
        )
    return run


def _metadata(run: Run, server: serving.Server) -> dict[str, Any]:
    import tensorflow as tf

    import gmn_tf

    return {
        "format_version": FORMAT_VERSION,
        "schema_version": run.config.get("schema_version", schema.SCHEMA_VERSION),
        "task": run.task.name,
        "num_channels": run.model.num_channels,
        "num_weights": sum(int(variable.shape.num_elements()) for variable in server.metanetwork_variables),
        "training": dict(run.config),
        "gmn_tf_version": gmn_tf.__version__,
        "tensorflow_version": tf.__version__,
    }


def _trained_on(run: Run, zoo: Zoo) -> bool:
    from gmn_tf.training.folder import zoo_hash

    return run.config.get("zoo_hash") == zoo_hash(zoo)


def _signature(function: Any) -> dict[str, Any]:
    """Inputs and outputs of a concrete function by name: type and shape, null where a size is free."""

    def described(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
            for name, spec in sorted(specs.items())
        }

    positional, named = function.structured_input_signature
    inputs = {**{spec.name: spec for spec in positional}, **named}
    return {"inputs": described(inputs), "outputs": described(function.structured_outputs)}


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
