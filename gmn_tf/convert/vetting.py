"""Reads the architecture that a model file states and refuses what could run code, before Keras sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmn_tf.errors import ModelFileError

# Layers whose configuration is code, or a reference to code outside the file.
_TF_OPERATION = "a raw TensorFlow operation"
_CODE_LAYERS = {
    "Lambda": "a Lambda layer",
    "__lambda__": "a Python lambda",
    "TFOpLambda": _TF_OPERATION,
    "SlicingOpLambda": _TF_OPERATION,
    "ClassMethod": _TF_OPERATION,
    "InstanceMethod": _TF_OPERATION,
    "InstanceProperty": _TF_OPERATION,
    "TensorFlowOpLayer": _TF_OPERATION,
    "TFSMLayer": "a layer around a SavedModel",
    "TorchModuleWrapper": "a layer around a pickled PyTorch module",
    "JaxLayer": "a layer around JAX functions",
    "FlaxLayer": "a layer around a Flax module",
}
# Where the functions that a file names may stand; "builtins" in a file means any of these.
_FUNCTION_MODULES = ["activations", "initializers", "losses", "metrics"]
# What a Keras 2 file may name: tf_keras would import any module it is told to.
_CLASS_MODULES = ["constraints", "dtype_policies", "layers", "mixed_precision", "models", "ops"]
_CLASS_MODULES += ["optimizers", "quantizers", "random", "regularizers"]
_KERAS_2_MODULES = {"keras", *(f"keras.{name}" for name in _FUNCTION_MODULES + _CLASS_MODULES)}


def vet(config: Any, *, path: Path, library: Any) -> None:
    """Raises when loading this configuration would need anything but Keras' own or registered classes.

    Args:
        config: the JSON that the file states for the model. Its compile settings are not looked at,
            since they are never loaded.
        path: the file, for the sentence.
        library: the module `keras` or `tf_keras` that is going to load it.

    Raises:
        ModelFileError: no model is described, or it holds code, or names a class or function that is
            neither Keras' own nor registered in this process.
    """
    if not isinstance(config, dict) or "class_name" not in config:
        raise ModelFileError(f"{path}: the configuration in it describes no Keras model; save it anew.")
    for item in _objects({key: value for key, value in config.items() if key != "compile_config"}):
        name = str(item["class_name"])
        if name in _CODE_LAYERS:
            raise ModelFileError(
                f"{path}: it holds {_CODE_LAYERS[name]} ({_place(item, name)}), which is code, and code from "
                "a file is never run; use a Keras layer or keras.ops in its place and save the model anew."
            )
        if "module" in item and not _known(item, name, library):
            raise ModelFileError(
                f"{path}: it needs the {_wanted(item, name)}, which is neither found in Keras nor registered "
                "here; decorate it with keras.saving.register_keras_serializable and import it first."
            )


def _known(item: dict[str, Any], name: str, library: Any) -> bool:
    function = name == "function"
    stored = item.get("config") if function else item.get("registered_name")
    if isinstance(stored, str) and library.saving.get_registered_object(stored) is not None:
        return True
    module = item["module"]
    if not isinstance(module, str):
        return name.startswith("__")  # __tensor__, __keras_tensor__: plain values
    if function:
        homes = [module.removeprefix("keras.")] if module.startswith("keras.") else _FUNCTION_MODULES
        return any(
            hasattr(getattr(library, home), str(stored)) for home in homes if home in _FUNCTION_MODULES
        )
    keras_2 = library.__name__ == "tf_keras"
    return module in _KERAS_2_MODULES if keras_2 else module.split(".")[0] == "keras"


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary with a class name, however deep."""
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _place(item: dict[str, Any], name: str) -> str:
    inner = item.get("config")
    called = item.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
    return f"{name} {called!r}" if isinstance(called, str) else name


def _wanted(item: dict[str, Any], name: str) -> str:
    """The class or function an object asks for, with its module where the file tells it."""
    function = name == "function"
    wanted = item.get("config") if function else item.get("registered_name") or name
    module = item["module"]
    source = f" of {module}" if isinstance(module, str) and module != "builtins" else ""
    return f"{'function' if function else 'class'} {wanted!r}{source}"
