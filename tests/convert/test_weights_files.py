"""Files of weights alone: read like the model they were saved from, refused when they are another's."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
import tf_keras

import gmn_tf
from gmn_tf import ParameterGraph, WeightsReader
from gmn_tf.errors import ConversionError, ModelFileError, WeightsFileError
from gmn_tf.graph.symmetry import automorphisms, permute_values


def cnn(library=keras, *, width=4, frozen=False):
    layers = library.layers
    stack = [layers.Conv2D(width, 3, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.2)]
    stack[0].trainable = not frozen
    return library.Sequential([layers.Input((6, 6, 1)), *stack, layers.Flatten(), layers.Dense(2)])


def of_many_kinds():
    """Shared, nested, normalised, attending, recurrent: whatever keeps its weights in its own way."""
    layers = keras.layers
    a = keras.Input((5, 4), name="a")
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(2.0, 3.0, (50, 5, 4)))
    inner = keras.Sequential([keras.Input((5, 4)), layers.Dense(4, activation="gelu"), layers.Dropout(0.1)])
    x = inner(inner(normalization(a)))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 2, dropout=0.1)(x, x))
    x = layers.Bidirectional(layers.LSTM(3, recurrent_dropout=0.1))(x)
    x = layers.SpectralNormalization(layers.Dense(3))(x)
    return keras.Model({"a": a}, layers.Dense(2, name="optimizer")(x))


def randomize(model, seed):
    rng = np.random.default_rng(seed)
    weights = model.get_weights()
    model.set_weights(
        [w if w.dtype.kind in "iu" else rng.uniform(0.1, 1.0, w.shape).astype(w.dtype) for w in weights]
    )
    return model


def assert_equal(got, want):
    assert [w.tobytes() for w in got] == [w.tobytes() for w in want]


@pytest.mark.parametrize("build", [cnn, lambda: cnn(frozen=True), of_many_kinds])
def test_checkpoints_fill_the_plan_of_their_architecture(tmp_path, build):
    model, trained = build(), [randomize(build(), seed) for seed in range(3)]
    before = model.get_weights()
    graph, read = ParameterGraph.from_keras(model), WeightsReader(model)
    for number, network in enumerate(trained):
        network.save_weights(tmp_path / f"{number}.weights.h5")
    for number in (2, 0, 1, 0):
        weights = read(tmp_path / f"{number}.weights.h5")
        assert_equal(weights, trained[number].get_weights())
        np.testing.assert_array_equal(graph.values(weights), graph.values(trained[number]))
    assert_equal(model.get_weights(), before)
    flat = np.stack([graph.flatten(read(tmp_path / f"{number}.weights.h5")) for number in range(3)])
    np.testing.assert_array_equal(graph.values(flat)[1], graph.values(trained[1]))


def test_the_architecture_can_be_a_file(tmp_path):
    model = randomize(cnn(), 0)
    model.save(tmp_path / "model.keras")
    other = randomize(cnn(), 1)
    other.save_weights(tmp_path / "other.weights.h5")
    assert_equal(WeightsReader(tmp_path / "model.keras")(tmp_path / "other.weights.h5"), other.get_weights())


def test_what_a_compiled_model_saves_beside_its_weights_is_passed_over(tmp_path):
    model = cnn()
    model.compile("adam", "mse", metrics=["mae"])
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "epoch-{epoch:02d}.weights.h5", save_weights_only=True
    )
    read = WeightsReader(model)
    model.fit(
        np.ones((4, 6, 6, 1)), np.ones((4, 2)), epochs=2, batch_size=2, verbose=0, callbacks=[checkpoint]
    )
    assert_equal(read(tmp_path / "epoch-02.weights.h5"), model.get_weights())
    first = read(tmp_path / "epoch-01.weights.h5")
    assert not np.array_equal(first[0], model.get_weights()[0])


@pytest.mark.parametrize("name", ["m.weights.h5", "m.h5"])
@pytest.mark.parametrize("frozen", [False, True])
def test_files_of_tf_keras_models(tmp_path, name, frozen):
    """In the newer and in the legacy format, also by a reader of the other library."""
    model = randomize(cnn(tf_keras, frozen=frozen), 0)
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((4, 6, 6, 1)), np.ones((4, 2)))
    model.save_weights(tmp_path / name)
    other = cnn(tf_keras, frozen=frozen)
    assert_equal(WeightsReader(other)(tmp_path / name), model.get_weights())
    if not frozen:  # tf_keras sorts by trainable, Keras 3 by layer
        assert_equal(WeightsReader(cnn())(tmp_path / name), model.get_weights())


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_whole_models_in_the_legacy_format_give_their_weights(tmp_path, library):
    model = randomize(cnn(library), 0)
    model.save(tmp_path / "m.h5")
    assert_equal(WeightsReader(cnn(library))(tmp_path / "m.h5"), model.get_weights())


def test_a_permuted_network_in_a_file_has_permuted_values(tmp_path):
    """Renumber the hidden channels as the graph says they may be, save: the file's values move likewise."""
    model = randomize(cnn(), 0)
    graph, read = ParameterGraph.from_keras(model), WeightsReader(model)
    values = graph.values(model)
    permutation = automorphisms(graph).sample(np.random.default_rng(3))
    moved = permute_values(graph, values, permutation)
    assert not np.array_equal(moved, values)
    permuted = cnn()
    graph.assign(permuted, moved)
    model.save_weights(tmp_path / "as-it-is.weights.h5")
    permuted.save_weights(tmp_path / "permuted.weights.h5")
    images = np.random.default_rng(4).normal(size=(2, 6, 6, 1)).astype("float32")
    np.testing.assert_allclose(permuted(images), model(images), atol=1e-5)
    kept = graph.values(read(tmp_path / "as-it-is.weights.h5"))
    np.testing.assert_array_equal(
        graph.values(read(tmp_path / "permuted.weights.h5")), permute_values(graph, kept, permutation)
    )


def deeper():
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((6, 6, 1)), *cnn().layers[:-1], layers.Dense(2), layers.Dense(2, use_bias=False)]
    )


def shallower():
    return keras.Sequential([keras.Input((6, 6, 1)), *cnn().layers[:-1]])


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: cnn(width=5), r"shape \(3, 3, 1, 5\)|shape \(5,\)|shape \(80, 2\)"),
        (deeper, r"holds 9 arrays.* shape \(2, 2\).* has no place for"),
        (shallower, r"do not fit the architecture 'cnn'.*dense.*expected 2 variables, but received 0"),
    ],
    ids=["wider", "deeper", "shallower"],
)
def test_weights_of_another_architecture_are_refused(tmp_path, build, sentence):
    model = randomize(cnn(), 0)
    model.name = "cnn"
    read = WeightsReader(model)
    build().save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ConversionError, match=sentence) as caught:
        read(tmp_path / "other.weights.h5")
    assert "other.weights.h5" in str(caught.value) and "saved from" in str(caught.value)
    model.save_weights(tmp_path / "own.weights.h5")  # the reader still reads what fits
    assert_equal(read(tmp_path / "own.weights.h5"), model.get_weights())


@pytest.mark.parametrize(
    "build",
    [
        lambda: cnn(tf_keras, width=5),
        lambda: tf_keras.Sequential(
            [
                tf_keras.layers.Input((6, 6, 1)),
                *cnn(tf_keras).layers[:-1],
                tf_keras.layers.Dense(2),
                tf_keras.layers.Dense(2),
            ]
        ),
    ],
)
def test_legacy_weights_of_another_architecture_are_refused(tmp_path, build):
    build().save_weights(tmp_path / "other.h5")
    for library in (keras, tf_keras):
        with pytest.raises(WeightsFileError, match="saved from"):
            WeightsReader(cnn(library))(tmp_path / "other.h5")


def test_files_that_cannot_be_read(tmp_path):
    model = cnn()
    model.save_weights(tmp_path / "good.weights.h5")
    model.save(tmp_path / "model.keras")
    whole = (tmp_path / "good.weights.h5").read_bytes()
    (tmp_path / "cut.weights.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.weights.h5").write_text("hello")
    (tmp_path / "empty.weights.h5").write_bytes(b"")
    with h5py.File(tmp_path / "hollow.weights.h5", "w"):
        pass
    read = WeightsReader(model)
    for name, sentence in {
        "none.weights.h5": "no such file",
        "cut.weights.h5": "cut short",
        "text.weights.h5": "not a readable HDF5 file",
        "empty.weights.h5": "not a readable HDF5 file",
        "hollow.weights.h5": "do not fit",
        "model.keras": r"name that ends in '\.keras', expected weights",
        ".": "received a folder",
    }.items():
        with pytest.raises(WeightsFileError, match=sentence) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("link", [h5py.SoftLink("/elsewhere"), h5py.ExternalLink("secret.h5", "/secret")])
def test_links_out_of_a_file_are_refused(tmp_path, link):
    model = cnn()
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["secret"] = np.zeros(4, np.float32)
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "a") as file:
        del file["layers/conv2d/vars/1"]
        file["layers/conv2d/vars/1"] = link
    with pytest.raises(WeightsFileError, match="points to data elsewhere"):
        WeightsReader(model)(tmp_path / "m.weights.h5")


def test_weights_that_are_not_finite_are_named(tmp_path):
    model = cnn()
    weights = model.get_weights()
    weights[0][0, 0, 0, 1] = np.nan
    model.set_weights(weights)
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ModelFileError, match=r"1 of the 36 values of .*kernel are NaN or infinite"):
        WeightsReader(model)(tmp_path / "m.weights.h5")


class Silent(keras.layers.Dense):
    """Its configuration forgets the number of units."""

    def get_config(self):
        return {**super().get_config(), "units": 1}


class Speechless(keras.layers.Dense):
    def get_config(self):
        raise NotImplementedError("no configuration")


@pytest.mark.parametrize(("layer", "sentence"), [(Silent, "has other weights"), (Speechless, "be copied")])
def test_architectures_that_cannot_be_copied(layer, sentence):
    model = keras.Sequential([keras.Input((3,)), layer(4), keras.layers.Dense(2)])
    with pytest.raises(ConversionError, match=sentence + ".*get_config"):
        WeightsReader(model)


def test_what_is_no_built_model():
    with pytest.raises(ConversionError, match=r"received int, expected a keras\.Model"):
        WeightsReader(3)
    with pytest.raises(ConversionError, match="not built"):
        gmn_tf.WeightsReader(keras.Sequential([keras.layers.Dense(2)]))
