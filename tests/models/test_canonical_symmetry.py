"""Scalings and sign flips of real Keras models: the function stays, and so does the metanetwork's answer."""

import numpy as np
import pytest

import gmn_tf

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from gmn_tf.graph import schema  # noqa: E402
from gmn_tf.layers.canonical_values import canonical_values  # noqa: E402

layers = keras.layers


def mlp(activation):
    return keras.Sequential(
        [layers.Input((3,))]
        + [layers.Dense(units, activation=activation) for units in (6, 5, 4)]
        + [layers.Dense(2)]
    )


def siren():
    x = layers.Input((2,))
    hidden = keras.ops.sin(30.0 * layers.Dense(5)(x))
    hidden = keras.ops.sin(30.0 * layers.Dense(6)(hidden))
    return keras.Model(x, layers.Dense(1)(hidden))


def cnn():
    return keras.Sequential(
        [
            layers.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(3, 2, padding="same"),
            layers.LeakyReLU(),
            layers.DepthwiseConv2D(2, activation="relu"),
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.Dense(2),
        ]
    )


MODELS = {
    "relu": (lambda: mlp("relu"), "scale"),
    "cnn": (cnn, "scale|sign"),
    "tanh": (lambda: mlp("tanh"), "sign"),
    "siren": (siren, "sign"),
}


def randomise(model, rng):
    for variable in model.variables:
        variable.assign(rng.normal(scale=0.5, size=variable.shape))


def rescale(model, factors):
    """Divides what is read by factor, multiplies what is written, for all hidden neurons at once.

    `factors(size)` draws them; a flattened image repeats its channels' factors over its places.
    """
    before = None
    trained = [layer for layer in model.layers if layer.weights]
    for layer in trained:
        kernel, bias = (np.array(w) for w in layer.get_weights())
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        inputs, outputs = kernel.shape[-2:]
        outputs = inputs if depthwise else outputs
        if before is not None:
            repeated = np.tile(before, inputs // len(before))
            kernel = kernel / repeated[:, None]
        after = factors(outputs) if layer is not trained[-1] else np.ones(outputs)
        kernel = kernel * (after[:, None] if depthwise else after)
        layer.set_weights([kernel, bias * after])
        before = after


def answers(metanetwork, model):
    graph = gmn_tf.ParameterGraph.from_keras(model)
    return metanetwork(graph.to_graph_tensor(graph.values(model))).numpy()


def make(symmetry, model, block="message_passing"):
    keras.utils.set_random_seed(0)
    tf.keras.utils.set_random_seed(0)
    metanetwork = gmn_tf.GraphMetanetwork(2, num_blocks=2, symmetry=symmetry, block=block)
    graph, rng = gmn_tf.ParameterGraph.from_keras(model), np.random.default_rng(2)
    population = [[rng.normal(scale=0.5, size=v.shape) for v in model.variables] for _ in range(8)]
    metanetwork.adapt([graph.to_graph_tensor(graph.values(weights)) for weights in population])
    return metanetwork


@pytest.mark.parametrize("name", MODELS)
def test_answers_do_not_change_where_the_function_does_not(name):
    build, symmetry = MODELS[name]
    rng = np.random.default_rng(1)
    model = build()
    randomise(model, rng)
    inputs = rng.normal(size=(16, *model.input_shape[1:])).astype(np.float32)
    outputs = keras.ops.convert_to_numpy(model(inputs))
    blind, plain = make(symmetry, model), make(None, model)
    expected, other = answers(blind, model), answers(plain, model)

    if "scale" in symmetry:
        rescale(model, lambda size: np.exp(rng.uniform(-2, 2, size)))
    else:
        rescale(model, lambda size: np.where(np.arange(size) % 2, -1.0, 1.0))
    moved = keras.ops.convert_to_numpy(model(inputs))
    tolerance = 1e-3 if name == "siren" else 1e-5  # sines of 30 times a sum amplify its rounding
    assert np.abs(moved - outputs).max() < tolerance * np.abs(outputs).max()
    assert np.abs(answers(blind, model) - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(answers(plain, model) - other).max() > 1e-3 * np.abs(other).max()


@pytest.mark.parametrize("name", MODELS)
def test_edits_of_one_function_are_one_function(name):
    """Changes of canonical weights, carried back; without the symmetry the edited functions part."""
    build, symmetry = MODELS[name]
    rng = np.random.default_rng(1)
    model = build()
    randomise(model, rng)
    inputs = rng.normal(size=(16, *model.input_shape[1:])).astype(np.float32)
    graph = gmn_tf.ParameterGraph.from_keras(model)
    twin = keras.models.clone_model(model)
    apart = {}
    for chosen in (symmetry, None):
        tf.keras.utils.set_random_seed(0)
        editor = gmn_tf.GraphMetanetwork(output="edge", num_blocks=2, symmetry=chosen, initial_step=0.05)
        editor.adapt([graph.to_graph_tensor(graph.values(model))])
        shown = []
        for scaled in (False, True):
            twin.set_weights(model.get_weights())
            if scaled:
                signs = np.array([1.0, -1.0, 1.0]) if "scale" not in symmetry else np.array([0.5, 2.0, 4.0])
                rescale(twin, lambda size, signs=signs: np.resize(signs, size))
            values = graph.values(twin)
            change = editor(graph.to_graph_tensor(values)).numpy()[:, 0]
            graph.assign(twin, values + change)
            shown.append(keras.ops.convert_to_numpy(twin(inputs)))
        apart[chosen] = np.abs(shown[1] - shown[0]).max() / np.abs(shown[0]).max()
        changed = np.abs(shown[0] - keras.ops.convert_to_numpy(model(inputs))).max()
        assert changed > 1e-3 * np.abs(shown[0]).max()
    tolerance = 2e-3 if name == "siren" else 1e-4
    assert apart[symmetry] < tolerance < apart[None]


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_answers_change_where_the_function_does(name):
    build, symmetry = MODELS[name]
    model = build()
    randomise(model, np.random.default_rng(1))
    metanetwork = make(symmetry, model)
    expected = answers(metanetwork, model)
    layer = model.layers[-2]
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * 2.0 if name == "relu" else np.abs(kernel), bias])  # outgoing weights stay
    assert np.abs(answers(metanetwork, model) - expected).max() > 1e-3 * np.abs(expected).max()


def test_relu_is_not_odd_and_tanh_not_homogeneous():
    for activation, symmetry in (("relu", "sign"), ("tanh", "scale"), ("gelu", "scale|sign")):
        graph = gmn_tf.ParameterGraph.from_keras(model := mlp(activation))
        tensor = graph.to_graph_tensor(graph.values(model))
        found = canonical_values(tensor, symmetry.split("|"), max_layers=8)
        np.testing.assert_array_equal(found[:, 0], graph.values(model).reshape(-1))


def by_path(graph, values):
    """Values by variable, in the variables' order."""
    return [np.array(w) for w in graph.weights(np.asarray(values).reshape(-1))]


def test_by_hand():
    """Two ReLU neurons with incoming (3, 4 | 0) and (0, 0 | 0): norms 5 and 0."""
    model = keras.Sequential([layers.Input((2,)), layers.Dense(2, activation="relu"), layers.Dense(1)])
    weights = [[[3.0, 0.0], [4.0, 0.0]], [0.0, 0.0], [[2.0], [7.0]], [1.0]]
    model.set_weights([np.array(w) for w in weights])
    graph = gmn_tf.ParameterGraph.from_keras(model)
    tensor = graph.to_graph_tensor(graph.values(model))
    found = by_path(graph, canonical_values(tensor, ["scale"], max_layers=8))
    np.testing.assert_allclose(found[0], [[0.6, 0.0], [0.8, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(found[2], [[10.0], [0.0]], rtol=1e-6)  # a dead neuron's do not matter
    np.testing.assert_allclose(found[3], [1.0])
    # With room for no layer, every neuron is left alone.
    np.testing.assert_array_equal(
        canonical_values(tensor, ["scale"], max_layers=0)[:, 0], graph.values(model).reshape(-1)
    )


def test_normalised_and_residual_neurons_are_left_alone():
    x = layers.Input((3,))
    first = layers.Dense(4, activation="relu")(x)  # read by a residual too
    second = layers.ReLU()(layers.BatchNormalization()(layers.Dense(4)(first)))
    model = keras.Model(x, layers.Dense(2)(layers.Add()([first, second])))
    randomise(model, np.random.default_rng(0))
    graph = gmn_tf.ParameterGraph.from_keras(model)
    values = graph.values(model)
    found = canonical_values(graph.to_graph_tensor(values), ["scale", "sign"], max_layers=8)
    np.testing.assert_array_equal(found[:, 0], values.reshape(-1))


def test_gradients_are_finite_with_dead_neurons():
    model = mlp("relu")
    for variable in model.variables:
        variable.assign(np.zeros(variable.shape))
    graph = gmn_tf.ParameterGraph.from_keras(model)
    graph_tensor = graph.to_graph_tensor(graph.values(model))
    features = graph_tensor.edge_sets[schema.EDGE_SET].get_features_dict()
    values = features[schema.VALUE]
    with tf.GradientTape() as tape:
        tape.watch(values)
        watched = graph_tensor.replace_features(
            edge_sets={schema.EDGE_SET: {**features, schema.VALUE: values}}
        )
        found = canonical_values(watched, ["scale"], max_layers=8)
    gradient = tape.gradient(found, values)
    assert np.isfinite(gradient).all()
