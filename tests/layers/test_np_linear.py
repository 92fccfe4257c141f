"""NP-NFN layers on graphs against their equations on dense arrays; which graphs are plain chains."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from parameter_graphs import merge, padding, small_cnn

import gmn_tf
from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.np_linear import NPLinear
from gmn_tf.layers.plain_chain import plain_chain
from gmn_tf.training.structure import Structure

tf = pytest.importorskip("tensorflow")
layers = keras.layers

SHAPES = {  # widths, kernel size
    "mlp": ((3, 4, 2), 1),
    "deep mlp": ((2, 5, 3, 4, 2), 1),
    "cnn": ((2, 3, 4, 3), 2),
}


def values(graph):
    return graph.edge_sets[schema.EDGE_SET][schema.VALUE]


def model_of(widths, size, seed=0):
    if size == 1:
        chain = [layers.Dense(width, "relu") for width in widths[1:]]
        model = keras.Sequential([keras.Input(widths[:1]), *chain])
    else:
        chain = [layers.Conv2D(width, size, activation="relu") for width in widths[1:]]
        model = keras.Sequential([keras.Input((8, 8, widths[0])), *chain])
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def graph_of(model, channels=1):
    structure = Structure.of(gmn_tf.ParameterGraph.from_keras(model), channels=channels)
    return structure.graph_tensor(np.concatenate([w.ravel() for w in model.get_weights()]))


def dense(model):
    """Kernels [out, in, taps] and biases [out, 1]."""
    weights = model.get_weights()
    kernels = [np.moveaxis(k.reshape(-1, *k.shape[-2:]), (0, 1, 2), (2, 1, 0)) for k in weights[0::2]]
    return [k.astype(float) for k in kernels], [b[:, None].astype(float) for b in weights[1::2]]


def maps_of(layer, *, features, places, units):
    """The layer's weights by term, each [places, features, units] or more."""
    weights = {w.name.split(":")[0]: w.numpy().astype(float) for w in layer.weights}

    def find(name):
        return next(array for path, array in weights.items() if path.endswith(name))

    found = {"own": find("own/kernel").reshape(places, features, units), "m": find("own/bias")}
    for name in ("target", "source"):
        found[name] = find(f"/{name}/kernel").reshape(places, 3, features, units)
    found["vector"] = find("/vector/kernel").reshape(places, 3, features, units)
    found["m'"] = find("/vector/bias")
    for name in ("pairs", "vectors"):
        sums = find(f"sums_{name}/kernel").reshape(2, places, features, places, units)
        found[f"sums_{name}"] = sums.transpose(3, 0, 1, 2, 4)  # [own place, kind, place, features, units]
    return found


def direct(kernels, biases, maps, *, reduce, places):
    """The equations of Zhou et al. 2023 in numpy; features [out, in, d] and [out, d]."""
    last = len(kernels) - 1
    at = [places - 1 if n == last else min(n, places - 2) for n in range(len(kernels))]
    zero = {n: np.zeros_like(kernels[0][0, 0]) for n in range(places)}
    of_kernels, of_biases = dict(zero), dict(zero)
    for n, place in enumerate(at):  # no two layers of a place in these tests
        of_kernels[place], of_biases[place] = reduce(kernels[n], (0, 1)), reduce(biases[n], 0)
    new_kernels, new_biases = [], []
    for n, place in enumerate(at):
        W, v = kernels[n], biases[n]
        rows = [reduce(k, 1) for k in kernels]  # [out, d]
        columns = [reduce(k, 0) for k in kernels]  # [in, d]
        target, source, vector = maps["target"][place], maps["source"][place], maps["vector"][place]
        everything = sum(
            of @ maps[f"sums_{kind}"][place][number][s]
            for kind in ("pairs",)
            for number, table in enumerate((of_kernels, of_biases))
            for s, of in table.items()
        )
        out = W @ maps["own"][place] + maps["m"][place] + everything
        out = out + (rows[n] @ target[0] + v @ target[2])[:, None]
        out = out + (columns[n] @ source[1])[None, :]
        if n > 0:
            out = out + (rows[n - 1] @ source[0] + biases[n - 1] @ source[2])[None, :]
        bias = rows[n] @ vector[0] + v @ vector[2] + maps["m'"][place]
        bias = bias + sum(
            of @ maps["sums_vectors"][place][number][s]
            for number, table in enumerate((of_kernels, of_biases))
            for s, of in table.items()
        )
        if n < last:
            out = out + (columns[n + 1] @ target[1])[:, None]
            bias = bias + columns[n + 1] @ vector[1]
        new_kernels.append(out)
        new_biases.append(bias)
    return new_kernels, new_biases


def arrays(pairs, vectors, chain, kernels):
    """What a layer gave, as dense arrays: nodes and pairs are listed by target, then source."""
    rank = np.argmax(chain.pair_place.numpy(), axis=1)
    used = chain.pair_place.numpy().sum(axis=1) > 0
    ends = chain.into_place.numpy()
    found_kernels, found_biases = [], []
    places = sorted(set(rank[used]))
    for place, kernel in zip(places, kernels, strict=True):
        rows = used & (rank == place)
        order = np.lexsort((chain.source.numpy()[rows], chain.target.numpy()[rows]))
        found_kernels.append(pairs.numpy()[rows][order].reshape(*kernel.shape[:2], -1))
        found_biases.append(vectors.numpy()[ends[:, place] > 0])
    return found_kernels, found_biases


def assert_close(found, expected):
    for a, b in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= 1e-5 * max(1.0, np.abs(b).max())


def run(model, layer, *, places, taps, channels=1):
    graph = graph_of(model, channels)
    chain = plain_chain(graph, values(graph), num_places=places, num_taps=taps)
    assert not chain.broken.numpy().any()
    vectors = tf.repeat(chain.vectors[:, :1], taps, axis=1)  # the bias, in as many features as there are taps
    return (*layer((chain.taps, vectors, chain)), chain)


@pytest.mark.parametrize("reduce_type", ["mean", "sum"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_layer_equals_its_equations(shape, reduce_type):
    widths, size = SHAPES[shape]
    model, taps, places = model_of(widths, size), size * size, len(widths)
    tf.keras.utils.set_random_seed(1)
    layer = NPLinear(3, num_places=places, reduce_type=reduce_type)
    pairs, vectors, chain = run(model, layer, places=places, taps=taps, channels=1 if size == 1 else 4)
    for weight in layer.weights:  # those that start at 0 too
        weight.assign(np.random.default_rng(2).normal(size=weight.shape))
    pairs, vectors, chain = run(model, layer, places=places, taps=taps)
    kernels, biases = dense(model)
    biases = [np.repeat(b, taps, axis=1) for b in biases]
    maps = maps_of(layer, features=taps, places=places, units=3)
    expected = direct(kernels, biases, maps, reduce=getattr(np, reduce_type), places=places)
    assert_close(arrays(pairs, vectors, chain, kernels), expected)
    bundled = run(model, layer, places=places, taps=taps, channels=9)
    assert_close(arrays(*bundled, kernels), expected)


def permuted(model, seed):
    """The same function, with the hidden neurons of every layer in an order of its own; the orders."""
    rng = np.random.default_rng(seed)
    weights = model.get_weights()
    orders = [rng.permutation(b.size) for b in weights[1:-1:2]] + [np.arange(weights[-1].size)]
    before = np.arange(weights[0].shape[-2])
    new = []
    for kernel, bias, order in zip(weights[0::2], weights[1::2], orders, strict=True):
        new += [kernel[..., before, :][..., order], bias[order]]
        before = order
    twin = keras.models.clone_model(model)
    twin.set_weights(new)
    return twin, orders


@pytest.mark.parametrize("shape", SHAPES)
def test_a_layer_commutes_with_permutations_of_the_neurons(shape):
    widths, size = SHAPES[shape]
    model, taps, places = model_of(widths, size), size * size, len(widths)
    twin, orders = permuted(model, seed=3)
    x = np.random.default_rng(4).normal(size=(2, *model.input_shape[1:]))
    np.testing.assert_allclose(model(x), twin(x), rtol=1e-4, atol=1e-5)
    layer = NPLinear(3, num_places=places)
    kernels, _ = dense(model)
    new_kernels, new_biases = arrays(*run(model, layer, places=places, taps=taps), kernels)
    before = np.arange(widths[0])
    for number, order in enumerate(orders):
        new_kernels[number] = new_kernels[number][order][:, before]
        new_biases[number] = new_biases[number][order]
        before = order
    found = arrays(*run(twin, layer, places=places, taps=taps), kernels)
    assert_close(found, (new_kernels, new_biases))
    assert (
        np.abs(found[0][0] - arrays(*run(model, layer, places=places, taps=taps), kernels)[0][0]).max() > 0.01
    )


def test_hidden_layers_beyond_the_places_share_the_last_but_one():
    graph = graph_of(model_of((2, 3, 4, 5, 6, 2), 1))
    chain = plain_chain(graph, values(graph), num_places=3, num_taps=1)
    counts = chain.pair_place.numpy().sum(axis=0)
    assert counts.tolist() == [6, 12 + 20 + 30, 12]
    short = graph_of(model_of((2, 3), 1))
    chain = plain_chain(short, values(short), num_places=3, num_taps=1)
    assert chain.pair_place.numpy().sum(axis=0).tolist() == [0, 0, 6]


def sequential(*chain, shape=(6, 6, 2)):
    return keras.Sequential([keras.Input(shape), *chain])


def residual():
    x = keras.Input((3,))
    h = layers.Dense(3, "relu")(x)
    return keras.Model(x, layers.Dense(2)(layers.Add()([x, h])))


def parallel():
    x = keras.Input((3,))
    h = layers.Concatenate()([layers.Dense(2)(x), layers.Dense(2)(x)])
    return keras.Model(x, layers.Dense(2)(h))


CHAINS = {
    "mlp": lambda: sequential(layers.Dense(4, "relu"), layers.Dense(2), shape=(3,)),
    "no bias": lambda: sequential(layers.Dense(4, use_bias=False), layers.Dense(2), shape=(3,)),
    "cnn": lambda: sequential(layers.Conv2D(3, 3), layers.GlobalAveragePooling2D(), layers.Dense(2)),
    "flatten": lambda: sequential(
        layers.Conv2D(3, 3), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(2)
    ),
    "normalised": lambda: sequential(
        layers.Conv2D(3, 3), layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(2, 3)
    ),
}
CHAINS["group normalised"] = lambda: sequential(
    layers.Conv2D(4, 3), layers.GroupNormalization(2), layers.ReLU(), layers.Flatten(), layers.Dense(2)
)
NO_CHAINS = {
    "residual": residual,
    "parallel": parallel,
    "grouped": lambda: sequential(layers.Conv2D(4, 3, groups=2)),
    "depthwise": lambda: sequential(layers.DepthwiseConv2D(3), layers.Conv2D(2, 1)),
    "recurrent": lambda: sequential(layers.SimpleRNN(2), layers.Dense(2), shape=(4, 3)),
    "one recurrent neuron": lambda: sequential(layers.SimpleRNN(1), layers.Dense(2), shape=(4, 3)),
}


@pytest.mark.parametrize("name", [*CHAINS, *NO_CHAINS])
@pytest.mark.parametrize("channels", [1, 9])
def test_which_graphs_are_plain_chains(name, channels):
    graph = graph_of({**CHAINS, **NO_CHAINS}[name](), channels)
    chain = plain_chain(graph, values(graph), num_places=4, num_taps=9)
    assert chain.broken.numpy().tolist() == [name in NO_CHAINS]


def test_taps_and_vectors_by_hand():
    model = CHAINS["normalised"]()
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    kernel, *vectors = model.get_weights()[:6]  # bias, scale, shift, mean, variance
    for channels in (1, 9):
        graph = graph_of(model, channels)
        chain = plain_chain(graph, values(graph), num_places=2, num_taps=9)
        rows = chain.pair_place.numpy()[:, 0] > 0
        np.testing.assert_allclose(chain.taps.numpy()[rows], kernel.transpose(3, 2, 0, 1).reshape(6, 9))
        ends = chain.into_place.numpy()[:, 0] > 0
        np.testing.assert_allclose(chain.vectors.numpy()[ends], np.transpose(vectors))
        assert chain.widest.numpy().tolist() == [9]
        few = plain_chain(graph, values(graph), num_places=2, num_taps=4)  # taps beyond join the last
        expected = np.column_stack([chain.taps[:, :3], tf.reduce_sum(chain.taps[:, 3:], axis=1)])
        np.testing.assert_allclose(few.taps, expected, rtol=1e-5, atol=1e-6)
        assert few.widest.numpy().tolist() == [9]


def test_padding_is_no_chain_and_is_not_refused():
    graph = merge(small_cnn(0), padding(3, 40))
    chain = plain_chain(graph, values(graph), num_places=3, num_taps=9)
    assert chain.broken.numpy().tolist() == [False, False]
    assert np.all(chain.pair_place.numpy()[chain.pair_component.numpy() == 1] == 0)


def test_says_what_is_wrong():
    with pytest.raises(SchemaError, match="reduce_type='max', expected 'mean' or 'sum'"):
        NPLinear(3, num_places=2, reduce_type="max")
