"""Every refusal in one sentence: where in the model, which class, what was met, and the way out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from gmn_tf import ParameterGraph, UnsupportedLayerError, check_symmetry
from gmn_tf.convert import check
from gmn_tf.convert.load import load_keras_model
from gmn_tf.convert.registry import register_converter
from gmn_tf.errors import ConversionError, GmnError, ModelFileError


def vector():
    return keras.Input((4,))


def sequence():
    return keras.Input((5, 4))


def refused(model, *patterns, error=UnsupportedLayerError):
    with pytest.raises(error) as caught:
        ParameterGraph.from_keras(model)
    assert issubclass(error, GmnError) and issubclass(error, ValueError)
    message = str(caught.value)
    for pattern in patterns:
        assert pattern in message, message
    return message


def way_out(name):
    return f"@gmn_tf.register_converter({name})"


class Factored(layers.Layer):
    def call(self, x):
        return ops.qr(x)[0]


def hidden(a):
    """Neurons that weights act on: what nothing can be said about is refused behind them."""
    return layers.Dense(4)(a)


def test_a_layer_that_calls_an_operation_without_converter():
    a = sequence()
    model = keras.Model(a, Factored(name="ranks")(hidden(a)), name="net")
    refused(
        model, "'net/ranks/qr", "(Qr), called by Factored, has no converter", way_out("Qr"),
        "gmn_tf.supported_layers()",
    )  # fmt: skip


def test_a_layer_deep_inside_is_named_by_its_path():
    inner = keras.Sequential([sequence(), layers.Dense(4), Factored(name="ranks")], name="inner")
    a = sequence()
    refused(keras.Model(a, inner(a), name="net"), "'net/inner/ranks/qr")


class Scale(layers.Layer):
    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), name="gain", initializer="ones")

    def call(self, x):
        return x * self.gain


def test_a_layer_that_cannot_be_opened():
    class Crooked(layers.Layer):
        def call(self, x):
            if isinstance(x, keras.KerasTensor) and x.shape[0] == 1:
                raise RuntimeError("cannot be called like this")
            return x

    a = vector()
    model = keras.Model(a, Crooked(name="crooked")(hidden(a)), name="net")
    refused(model, "'net/crooked' (Crooked)", "RuntimeError: cannot be called like this", way_out("Crooked"))


def test_a_layer_of_backend_functions():
    import tensorflow as tf

    class Raw(layers.Layer):
        def call(self, x):
            return tf.nn.relu(x)

    a = vector()
    model = keras.Model(a, Raw(name="raw")(hidden(a)), name="net")
    message = refused(model, "'net/raw' (Raw)", "functions of the backend or of NumPy", way_out("Raw"))
    assert "\n" not in message


def test_a_lambda_with_an_unknown_operation_inside():
    a = sequence()
    model = keras.Model(a, layers.Lambda(lambda x: ops.qr(x)[0], name="ranks")(hidden(a)), name="net")
    refused(model, "operation 'net/ranks/qr", "(Qr), called by Lambda, has no converter", way_out("Qr"))


def test_a_lambda_in_a_file_is_never_run(tmp_path):
    a = vector()
    keras.Model(a, layers.Lambda(lambda x: x + 1, name="sneaky")(a)).save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"Lambda layer \(Lambda 'sneaky'\).*never run"):
        load_keras_model(tmp_path / "m.keras")


def test_an_operation_without_converter():
    a = sequence()
    refused(
        keras.Model(a, ops.qr(hidden(a))[0], name="net"),
        "'net/qr",
        "(Qr) has no converter",
        way_out("Qr"),
    )


def test_a_model_that_is_not_built():
    model = keras.Sequential([layers.Dense(2)], name="net")
    refused(
        model, "model 'net' is not built", "call it on a batch, or give it an Input", error=ConversionError
    )


def test_a_subclassed_model_that_does_not_say_its_inputs():
    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Net()
    model(np.ones((1, 4), "float32"))
    message = refused(model, "model 'net' (Net) does not say what its inputs are")
    assert "keras.Model(inputs, model(inputs)) with inputs = keras.Input(shape)" in message
    a = vector()
    assert ParameterGraph.from_keras(keras.Model(a, model(a))).num_parameters == 10, "the way out works"


def test_quantised_weights():
    model = keras.Sequential([vector(), layers.Dense(3, name="d")], name="net")
    model.quantize("int8")
    refused(
        model, "weight 'net/d/kernel' is quantised (int8)", "before it is quantised", error=ConversionError
    )


def test_a_layer_that_gets_a_shape_it_does_not_take():
    """Keras itself builds this model and cannot run it: Dense expects both directions alike."""
    a = sequence()
    both = layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(4, go_backwards=True))
    model = keras.Model(a, layers.Dense(2, name="d")(both(a)), name="net")
    refused(model, "layer 'net/d' (Dense)", "shape (1, 7)")


def test_a_converter_that_fails_is_named_with_what_it_got():
    class Halved(layers.Layer):
        def call(self, x):
            return x[:, :2]

    @register_converter(Halved)
    def halved(pen, layer, x):
        return x.rearrange(lambda entries: entries.reshape(3))

    a = vector()
    refused(
        keras.Model(a, Halved(name="h")(a), name="net"),
        "the converter of 'net/h' (Halved) failed on inputs of shapes [(1, 4)]",
        "with ValueError: cannot reshape",
        way_out("Halved"),
    )


@pytest.mark.parametrize("thing, name", [("a.keras", "str"), (None, "NoneType"), (layers.Dense(2), "Dense")])
def test_what_is_no_model(thing, name):
    refused(thing, f"received {name}, expected a keras.Model (Keras 3 or tf_keras)", error=ConversionError)


def test_a_converter_that_draws_another_shape():
    class Halved(layers.Layer):
        def call(self, x):
            return x[:, :2]

    @register_converter(Halved)
    def halved(pen, layer, x):
        return x

    a = vector()
    refused(
        keras.Model(a, Halved(name="h")(a), name="net"),
        "the converter of 'net/h' (Halved) drew",
        "shape (1, 4), its layer gives (1, 2)",
        error=ConversionError,
    )


def test_a_converter_that_forgets_a_weight():
    class Forgotten(Scale):
        def call(self, x):
            return x * self.gain

    @register_converter(Forgotten)
    def forgotten(pen, layer, x):
        return x

    a = vector()
    model = keras.Model(a, Forgotten(name="f")(a), name="net")
    refused(model, "no converter drew the weights 'f/gain'", "which act on its outputs")


def test_refusing_leaves_keras_as_it_was():
    """Tracing intercepts Keras' calls; after an error they are Keras' own again."""
    call, symbolic = layers.Layer.__call__, keras.Operation.symbolic_call
    a = sequence()
    with pytest.raises(UnsupportedLayerError):
        ParameterGraph.from_keras(keras.Model(a, Factored()(hidden(a))))
    assert layers.Layer.__call__ is call and keras.Operation.symbolic_call is symbolic
    assert layers.Dense(2)(np.ones((1, 3), "float32")).shape == (1, 2)


def test_a_graph_too_large_for_the_symmetry_check(monkeypatch):
    monkeypatch.setattr(check, "LARGEST_GRAPH", 10)
    model = keras.Sequential([vector(), layers.Dense(3)], name="net")
    with pytest.raises(
        ConversionError, match=r"'net' has \d+ edges; the symmetry check takes up to 10: check the"
    ):
        check_symmetry(model)
