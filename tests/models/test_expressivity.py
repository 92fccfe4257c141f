"""The constructions of docs/theory.md against direct computations; the page's code is what runs."""

import re
from pathlib import Path

import numpy as np
import pytest

import gmn_tf

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "theory.md"
THEORY: dict = {"__name__": "theory"}
for number, code in enumerate(re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)):
    exec(compile(code, f"{PAGE.name}[{number}]", "exec"), THEORY)

WIDTHS = [(3, 4, 2), (2, 5, 3, 4), (4, 3, 6, 2, 3)]


def mlp(widths, activation="silu", seed=0):
    """A random MLP, its parameter graph, and its kernels [in, out] and biases by layer."""
    layers = [keras.layers.Dense(width, activation) for width in widths[1:-1]]
    model = keras.Sequential([keras.Input((widths[0],)), *layers, keras.layers.Dense(widths[-1])])
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    structure = gmn_tf.ParameterGraph.from_keras(model)
    weights = [array.astype(float) for array in model.get_weights()]
    return model, structure, structure.to_graph_tensor(structure.values(model)), weights


def error(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / max(1.0, np.abs(expected).max())


def with_other(monkeypatch, construction, part):
    """What `construction` gives if the first entry that is not 0 of the weight `part` is 1 % too large."""
    original, used = THEORY["by_hand"], []

    def changed(layer, inputs, weights):
        if part in weights:
            weight = np.array(weights[part], float)
            used.append(part)
            weight[tuple(np.argwhere(weight)[0])] *= 1.01
            weights = {**weights, part: weight}
        return original(layer, inputs, weights)

    monkeypatch.setitem(THEORY, "by_hand", changed)
    found = construction()
    assert used
    return found


# ---- a forward pass ----------------------------------------------------------------------------------


def direct_forward(x, weights, activation):
    for layer in range(0, len(weights), 2):
        x = x @ weights[layer] + weights[layer + 1]
        if layer < len(weights) - 2:
            x = activation(x)
    return x


ACTIVATIONS = {
    "silu": (1.0, lambda t: t / (1 + np.exp(-t))),
    "relu": (1e6, lambda t: np.maximum(t, 0)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS)
def test_blocks_compute_a_forward_pass(name, widths):
    beta, activation = ACTIVATIONS[name]
    model, _, graph, weights = mlp(widths, name, seed=len(widths))
    for x in np.random.default_rng(1).normal(size=(2, widths[0])):
        found = THEORY["forward_pass"](graph, x, num_layers=len(widths) - 1, beta=beta)
        assert error(found, direct_forward(x, weights, activation)) < 1e-5
        assert error(found, model(x[np.newaxis])[0]) < 1e-5


@pytest.mark.parametrize(
    "part",
    [
        "edge_update/source/kernel",
        "edge_update/kernel",
        "to_target/output/kernel",
        "node_state/output/kernel",
    ],
)
def test_a_wrong_weight_breaks_the_forward_pass(part, monkeypatch):
    _, _, graph, weights = mlp(WIDTHS[1])
    x = np.random.default_rng(1).normal(size=2)
    found = with_other(monkeypatch, lambda: THEORY["forward_pass"](graph, x, num_layers=3), part)
    assert error(found, direct_forward(x, weights, ACTIVATIONS["silu"][1])) > 1e-4


# ---- StatNN's statistics -----------------------------------------------------------------------------


def direct_statistics(weights):
    quartiles = lambda w: np.quantile(w, [0, 0.25, 0.5, 0.75, 1])  # noqa: E731
    return [[w.mean(), w.var(), *quartiles(w)] for w in weights]


@pytest.mark.parametrize("widths", WIDTHS)
def test_a_readout_yields_the_statistics_of_statnn(widths):
    _, _, graph, weights = mlp(widths, seed=3)
    found = THEORY["statnn"](graph, len(weights))
    assert error(found, direct_statistics(weights)) < 1e-5


@pytest.mark.parametrize("part", ["edge_update/output", "encode/kernel", "pooled/kernel", "hidden/kernel"])
def test_a_wrong_weight_breaks_the_statistics(part, monkeypatch):
    _, _, graph, weights = mlp(WIDTHS[1], seed=3)
    found = with_other(monkeypatch, lambda: THEORY["statnn"](graph, len(weights)), part)
    assert error(found, direct_statistics(weights)) > 1e-4


# ---- NP-NFN ------------------------------------------------------------------------------------------

KERNEL_TERMS = ("own_column", "before_row", "own_row", "after_column", "self", "own_bias", "before_bias")
BIAS_TERMS = ("own_row", "after_column", "self")


def random_layer(num_layers, seed):
    """Coefficients of an NP-NFN layer by term: a number per layer, and of all sums by group."""
    rng = np.random.default_rng(seed)
    kernel = {name: rng.normal(size=num_layers) for name in KERNEL_TERMS}
    bias = {name: rng.normal(size=num_layers) for name in BIAS_TERMS}
    return kernel, bias, rng.normal(size=(2 * num_layers, 2 * num_layers))


def direct_np_nfn(weights, layer):
    """The equations of Zhou et al. 2023 on kernels W^l = kernel.T [out, in] and biases, in numpy."""
    of_kernel, of_bias, of_sums = layer
    kernels, biases = [w.T for w in weights[0::2]], weights[1::2]
    sums = np.array([w.sum() for w in weights])
    new = []
    for i, (w, v) in enumerate(zip(kernels, biases, strict=True)):
        k = {name: values[i] for name, values in of_kernel.items()}
        out = of_sums[2 * i] @ sums + k["self"] * w
        out = out + k["own_column"] * w.sum(0)[None, :] + k["own_row"] * w.sum(1)[:, None]
        out = out + k["own_bias"] * v[:, None]
        if i > 0:
            out = out + k["before_row"] * kernels[i - 1].sum(1)[None, :]
            out = out + k["before_bias"] * biases[i - 1][None, :]
        b = {name: values[i] for name, values in of_bias.items()}
        new_bias = of_sums[2 * i + 1] @ sums + b["self"] * v + b["own_row"] * w.sum(1)
        if i + 1 < len(kernels):
            out = out + k["after_column"] * kernels[i + 1].sum(0)[:, None]
            new_bias = new_bias + b["after_column"] * kernels[i + 1].sum(0)
        new += [out.T, new_bias]
    return new


def by_group(layer):
    """The same coefficients as docs/theory.md wants them: by group of the edge and group summed over."""
    of_kernel, of_bias, of_sums = layer
    size = len(of_sums)
    places = ("source_in", "source_out", "target_in", "target_out")
    found = {name: np.zeros((size, size)) for name in places}
    own = np.zeros(size)
    for i in range(size // 2):
        kernel, bias = 2 * i, 2 * i + 1
        found["source_out"][kernel, kernel] = of_kernel["own_column"][i]
        found["target_in"][kernel, kernel] = of_kernel["own_row"][i]
        found["target_in"][kernel, bias] = of_kernel["own_bias"][i]
        found["target_in"][bias, kernel] = of_bias["own_row"][i]
        own[kernel], own[bias] = of_kernel["self"][i], of_bias["self"][i]
        if i > 0:
            found["source_in"][kernel, kernel - 2] = of_kernel["before_row"][i]
            found["source_in"][kernel, bias - 2] = of_kernel["before_bias"][i]
        if bias + 1 < size:
            found["target_out"][kernel, kernel + 2] = of_kernel["after_column"][i]
            found["target_out"][bias, kernel + 2] = of_bias["after_column"][i]
    return {**found, "sums": of_sums, "self": own}


def np_nfn_case(widths, seed):
    model, structure, graph, weights = mlp(widths, seed=seed)
    layer = random_layer(len(widths) - 1, seed)
    changed = keras.models.clone_model(model)
    changed.set_weights(direct_np_nfn(weights, layer))  # to the edges, as any model's weights
    return graph, by_group(layer), structure.values(changed).reshape(-1)


@pytest.mark.parametrize("widths", WIDTHS)
def test_two_blocks_equal_an_np_nfn_layer(widths):
    graph, coefficients, expected = np_nfn_case(widths, seed=5)
    assert error(THEORY["np_nfn"](graph, coefficients), expected) < 1e-5


@pytest.mark.parametrize(
    "part",
    [
        "to_target/output/kernel",
        "to_source/output/kernel",
        "global_state/output/kernel",
        "edge_update/source/kernel",
        "edge_update/target/kernel",
        "edge_update/output",
    ],
)
def test_a_wrong_weight_breaks_the_np_nfn_layer(part, monkeypatch):
    graph, coefficients, expected = np_nfn_case(WIDTHS[1], seed=5)
    found = with_other(monkeypatch, lambda: THEORY["np_nfn"](graph, coefficients), part)
    assert error(found, expected) > 1e-4
