"""Loading Keras files: what is accepted comes back equal, what is unsafe or broken gets one sentence."""

from __future__ import annotations

import json
import sys
import zipfile

import keras
import numpy as np
import pytest
import tf_keras

from gmn_tf.convert.load import load_keras_model
from gmn_tf.errors import ModelFileError


@keras.saving.register_keras_serializable(package="gmn_tf_test")
class Doubled(keras.layers.Dense):
    """A custom class that this process has registered."""


class Unregistered(keras.layers.Dense):
    """One that it has not."""


def small(*extra, activation="relu", **kwargs):
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, activation=activation), *extra, keras.layers.Dense(2)],
        **kwargs,
    )


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_saved_model_comes_back(tmp_path, suffix):
    model = small(keras.layers.BatchNormalization())
    model.compile("adam", "mse")
    model.save(tmp_path / f"m{suffix}")
    loaded = load_keras_model(tmp_path / f"m{suffix}")
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert not loaded.compiled


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_of_keras_2_come_back_as_tf_keras_models(tmp_path, suffix):
    layers = tf_keras.layers
    model = tf_keras.Sequential([layers.Input((3,)), layers.Dense(4, "relu"), layers.BatchNormalization()])
    model.save(tmp_path / f"m{suffix}")
    loaded = load_keras_model(tmp_path / f"m{suffix}")
    assert isinstance(loaded, tf_keras.Model)
    for got, want in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_functional_models_with_operations_come_back(tmp_path):
    x = keras.Input((4, 4, 2))
    y = keras.layers.Conv2D(3, 1, activation="gelu", kernel_regularizer="l2")(x)
    model = keras.Model(x, keras.ops.mean(y + 1.0, axis=(1, 2)))
    model.save(tmp_path / "m.keras")
    inputs = np.ones((1, 4, 4, 2), np.float32)
    np.testing.assert_array_equal(load_keras_model(tmp_path / "m.keras")(inputs), model(inputs))


def test_registered_classes_are_accepted(tmp_path):
    small(Doubled(3)).save(tmp_path / "m.keras")
    assert isinstance(load_keras_model(tmp_path / "m.keras").layers[1], Doubled)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_lambda_layers_are_refused(tmp_path, suffix):
    small(keras.layers.Lambda(lambda x: x + 1, name="sneaky")).save(tmp_path / f"m{suffix}")
    with pytest.raises(ModelFileError, match=r"Lambda layer .*'sneaky'.*never run"):
        load_keras_model(tmp_path / f"m{suffix}")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_lambda_layers_of_keras_2_are_refused(tmp_path, suffix):
    model = tf_keras.Sequential([tf_keras.layers.Input((3,)), tf_keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / f"m{suffix}")
    with pytest.raises(ModelFileError, match="Lambda layer"):
        load_keras_model(tmp_path / f"m{suffix}")


def test_unregistered_classes_and_functions_are_refused(tmp_path):
    small(Unregistered(3)).save(tmp_path / "class.keras")
    with pytest.raises(ModelFileError, match=r"class 'Unregistered'.*register_keras_serializable"):
        load_keras_model(tmp_path / "class.keras")

    def crooked(x):
        return x

    small(activation=crooked).save(tmp_path / "function.keras")
    with pytest.raises(ModelFileError, match=r"function 'crooked'.*register_keras_serializable"):
        load_keras_model(tmp_path / "function.keras")


def _with_config(source, target, change):
    """Copies a .keras archive, its configuration changed as text."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == "config.json" else content)


@pytest.mark.parametrize("keras_2", [False, True])
def test_no_module_is_imported_that_a_file_names(tmp_path, monkeypatch, keras_2):
    """A file that names a module on the path does not get it imported, let alone called."""
    (tmp_path / "planted_module.py").write_text(
        "import builtins\nbuiltins.planted = True\nclass Dense: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    library = tf_keras if keras_2 else keras
    library.Sequential([library.layers.Input((3,)), library.layers.Dense(2)]).save(tmp_path / "good.keras")
    _with_config(
        tmp_path / "good.keras",
        tmp_path / "bad.keras",
        lambda text: text.replace(
            b'"module": "keras.layers", "class_name": "Dense"',
            b'"module": "planted_module", "class_name": "Dense"',
        ),
    )
    with pytest.raises(ModelFileError, match="'Dense' of planted_module"):
        load_keras_model(tmp_path / "bad.keras")
    assert "planted_module" not in sys.modules


def test_broken_archives_are_told_apart(tmp_path):
    model = small()
    model.save(tmp_path / "good.keras")
    whole = (tmp_path / "good.keras").read_bytes()
    cases = {
        "cut.keras": (whole[: len(whole) // 2], "cut short"),
        "text.keras": (b"hello", "no zip archive"),
        "empty.keras": (b"", "empty"),
        "good.txt": (whole, "ends in '.txt'"),
        "text.h5": (b"hello", "not a readable HDF5 file"),
    }
    for name, (content, sentence) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelFileError, match=sentence) as caught:
            load_keras_model(tmp_path / name)
        assert name in str(caught.value)
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "no model")
    with pytest.raises(ModelFileError, match=r"without config\.json"):
        load_keras_model(tmp_path / "other.keras")
    _with_config(tmp_path / "good.keras", tmp_path / "json.keras", lambda text: text[:-20])
    with pytest.raises(ModelFileError, match="not readable JSON"):
        load_keras_model(tmp_path / "json.keras")
    _with_config(tmp_path / "good.keras", tmp_path / "list.keras", lambda text: json.dumps([1]).encode())
    with pytest.raises(ModelFileError, match="describes no Keras model"):
        load_keras_model(tmp_path / "list.keras")


def test_weights_cut_inside_a_whole_archive(tmp_path):
    small().save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as old, zipfile.ZipFile(tmp_path / "bad.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name)[: 2000 if name.endswith(".h5") else None])
    with pytest.raises(ModelFileError, match="Keras cannot load it"):
        load_keras_model(tmp_path / "bad.keras")


def test_a_truncated_hdf5_file_and_one_of_weights_alone(tmp_path):
    model = small()
    model.save(tmp_path / "good.h5")
    whole = (tmp_path / "good.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match="cut short"):
        load_keras_model(tmp_path / "cut.h5")
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ModelFileError, match="weights without an architecture"):
        load_keras_model(tmp_path / "m.weights.h5")


def test_missing_files_folders_and_unbuilt_models(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        load_keras_model(tmp_path / "none.keras")
    with pytest.raises(ModelFileError, match="this is a folder"):
        load_keras_model(tmp_path)
    keras.Sequential([keras.layers.Dense(2)]).save(tmp_path / "unbuilt.keras")
    with pytest.raises(ModelFileError, match="before it was built"):
        load_keras_model(tmp_path / "unbuilt.keras")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named(tmp_path, value):
    model = small()
    weights = model.get_weights()
    weights[0][1, 2] = value
    model.set_weights(weights)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"1 of the 12 values of .*kernel are NaN or infinite"):
        load_keras_model(tmp_path / "m.keras")
