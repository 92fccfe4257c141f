"""The parameter graph as a value: equal where its structure is, immutable, filled and read back exactly."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from small_models import attention, cnn, grouped, mlp, residual, shared

from gmn_tf import ParameterGraph
from gmn_tf.errors import ConversionError
from gmn_tf.graph import schema

MODELS = [mlp, cnn, residual, shared, grouped, attention]


def randomized(model, seed=0):
    """Weights of generic position, so that no two are the same by accident."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            rng.normal(size=w.shape).astype(w.dtype) if w.dtype.kind not in "iu" else w
            for w in model.get_weights()
        ]
    )
    return model


def same_bits(left, right):
    assert [a.dtype for a in left] == [b.dtype for b in right]
    assert [a.tobytes() for a in left] == [b.tobytes() for b in right]


# ---- equality ------------------------------------------------------------------------------------


def test_models_of_one_architecture_have_equal_graphs():
    first, second = ParameterGraph.from_keras(mlp(name="a")), ParameterGraph.from_keras(mlp(name="b"))
    assert first == second and hash(first) == hash(second) and first is not second
    assert len({first, second}) == 1
    assert first != ParameterGraph.from_keras(mlp(4)) and first != "mlp"


@pytest.mark.parametrize(
    "change",
    [
        {"units": 4},
        {"activation": "tanh"},
        {"use_bias": False},
    ],
)
def test_what_the_structure_says_is_part_of_it(change):
    def build(**settings):
        return keras.Sequential(
            [keras.Input((2,)), layers.Dense(**{"units": 3, **settings}), layers.Dense(2)]
        )

    assert ParameterGraph.from_keras(build()) != ParameterGraph.from_keras(build(**change))


def test_a_kernel_lies_where_it_lies():
    """The same edges around the same nodes, but slots in another order."""

    def build(kernel_size, filters):
        a = keras.Input((4, 2))
        return keras.Model(a, layers.Conv1D(filters, kernel_size, use_bias=False)(a))

    assert ParameterGraph.from_keras(build(2, 3)) != ParameterGraph.from_keras(build(3, 2))


def test_the_fingerprint_is_the_same_in_another_process():
    source = (
        "import gmn_tf, keras; L = keras.layers\n"
        "m = keras.Sequential([keras.Input((2,)), L.Dense(3, activation='relu'), L.Dense(2)])\n"
        "print(gmn_tf.ParameterGraph.from_keras(m).fingerprint)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == ParameterGraph.from_keras(mlp()).fingerprint


def test_weights_are_no_part_of_it():
    assert ParameterGraph.from_keras(randomized(mlp())) == ParameterGraph.from_keras(mlp())


# ---- immutability --------------------------------------------------------------------------------


def test_columns_cannot_be_written():
    graph = ParameterGraph.from_keras(cnn())
    for columns in (graph.nodes, graph.edges):
        for name in columns:
            with pytest.raises(ValueError, match="read-only"):
                columns[name][:1] = 7


def test_columns_have_the_promised_shapes():
    graph = ParameterGraph.from_keras(cnn())
    assert set(graph.nodes) == {"type", "layer", "index", "activation"}
    assert all(c.shape == (graph.num_nodes,) and c.dtype == np.int32 for c in graph.nodes.values())
    assert list(graph.edges) == [
        "source",
        "target",
        "type",
        "layer",
        "kernel_position",
        "entry_position",
        "slot",
    ]
    for name, column in graph.edges.items():
        wide = name.endswith("position")
        assert column.shape == ((graph.num_edges, 3) if wide else (graph.num_edges,)), name
        assert np.issubdtype(column.dtype, np.integer), name
    for end in ("source", "target"):
        assert graph.edges[end].min() >= 0 and graph.edges[end].max() < graph.num_nodes
    assert graph.edges["source"] is graph.edges["source"], "expanded once"
    with pytest.raises(KeyError):
        graph.edges["value"]


def test_converting_and_filling_leave_the_model_alone():
    model = randomized(cnn())
    before, config = [w.copy() for w in model.get_weights()], model.get_config()
    graph = ParameterGraph.from_keras(model)
    values = graph.values(model)
    values[:] = 0.0
    restored = graph.weights(np.ones(graph.num_edges))
    restored[0][...] = 5.0
    same_bits(model.get_weights(), before)
    assert model.get_config() == config
    assert np.asarray(model(np.ones((1, 4, 4, 1), "float32"))).shape == (1, 2)


# ---- values and weights --------------------------------------------------------------------------


@pytest.mark.parametrize("build", MODELS)
def test_every_weight_is_on_one_edge_and_comes_back(build):
    model = randomized(build())
    graph = ParameterGraph.from_keras(model)
    values = graph.values(model)
    assert values.shape == (graph.num_edges,) and values.dtype == np.float32
    flat = np.concatenate([w.ravel() for w in model.get_weights()])
    carried = graph.edges["slot"] >= 0
    assert graph.num_parameters == flat.size == carried.sum()
    np.testing.assert_array_equal(values[carried], flat[graph.edges["slot"][carried]])
    np.testing.assert_array_equal(values[~carried], schema.PARAMETERLESS_VALUE)
    same_bits(graph.weights(values), model.get_weights())


@pytest.mark.parametrize("build", MODELS)
def test_many_at_once_are_each_as_alone(build):
    graph = ParameterGraph.from_keras(build())
    batch = np.random.default_rng(0).normal(size=(5, graph.layout.size)).astype(np.float32)
    together = graph.values(batch)
    assert together.shape == (5, graph.num_edges) and together.dtype == np.float32
    for alone, row in zip(together, batch, strict=True):
        np.testing.assert_array_equal(graph.values(row), alone)
    np.testing.assert_array_equal(graph.values(batch.reshape(5, 1, -1))[:, 0], together)
    assert graph.values(batch[:0]).shape == (0, graph.num_edges)


def test_a_model_a_list_and_a_flat_vector_say_the_same():
    model = randomized(cnn())
    graph = ParameterGraph.from_keras(model)
    flat = np.concatenate([w.ravel() for w in model.get_weights()])
    np.testing.assert_array_equal(graph.values(model), graph.values(flat))
    np.testing.assert_array_equal(graph.values(model), graph.values(model.get_weights()))
    np.testing.assert_array_equal(graph.flatten(model), flat)
    np.testing.assert_array_equal(graph.flat(graph.values(model)), flat)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_other_dtypes_come_back_bit_for_bit(dtype):
    model = randomized(mlp(dtype=dtype))
    graph = ParameterGraph.from_keras(model)
    values = graph.values(model)
    assert values.dtype == (np.float64 if dtype == "float64" else np.float32)
    same_bits(graph.weights(values), model.get_weights())


def test_mixed_dtypes_and_special_values_come_back_bit_for_bit():
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(3, dtype="float64"),
            layers.Dense(3, dtype="bfloat16"),
            layers.Dense(2, dtype="float32"),
        ]
    )
    weights = randomized(model).get_weights()
    weights[0][0] = [np.nextafter(1.0, 2.0), -0.0, 5e-324]
    weights[4][0] = [-0.0, 1e-42]  # a denormal of float32
    model.set_weights(weights)
    same_bits(model.get_weights(), weights)
    graph = ParameterGraph.from_keras(model)
    assert graph.values(model).dtype == np.float64
    same_bits(graph.weights(graph.values(model)), weights)


def with_counter():
    """Keras' Normalization keeps an integer count beside its mean and variance."""
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(size=(20, 2)))
    return keras.Sequential([keras.Input((2,)), norm, layers.Dense(2)])


def test_integer_state_is_kept_aside_and_restored():
    model = with_counter()
    graph = ParameterGraph.from_keras(model)
    state = [w for w in model.get_weights() if w.dtype.kind == "i"]
    assert len(state) == 1
    assert graph.num_parameters == sum(w.size for w in model.get_weights()) - 1
    values = graph.values(model)
    same_bits(graph.weights(values, base=model), model.get_weights())
    same_bits(graph.weights(values, base=model.get_weights()), model.get_weights())
    with pytest.raises(ConversionError, match=r"integer state in 'normalization.*/count'.*as `base`"):
        graph.weights(values)


def test_trainable_only_leaves_statistics_out_and_takes_them_from_the_base():
    model = randomized(cnn())
    graph = ParameterGraph.from_keras(model, trainable_only=True)
    whole = ParameterGraph.from_keras(model)
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert (graph.num_parameters, whole.num_parameters) == (trained, model.count_params())
    assert graph != whole
    kinds = set(graph.edges["type"].tolist())
    assert not kinds & {schema.EdgeType.NORM_MEAN, schema.EdgeType.NORM_VARIANCE}
    same_bits(graph.weights(graph.values(model), base=model), model.get_weights())
    with pytest.raises(ConversionError, match=r"leaves the non-trainable weights out.*as `base`"):
        graph.weights(graph.values(model))


@pytest.mark.parametrize("trainable_only", [False, True])
def test_assign_writes_into_the_model(trainable_only):
    model, other = randomized(cnn(), 1), randomized(cnn(), 2)
    graph = ParameterGraph.from_keras(model, trainable_only=trainable_only)
    kept = model.get_weights()
    graph.assign(model, graph.values(other))
    for variable, now, before, theirs in zip(
        model.weights, model.get_weights(), kept, other.get_weights(), strict=True
    ):
        written = variable.trainable or not trainable_only
        np.testing.assert_array_equal(now, theirs if written else before)


def test_assign_keeps_integer_state():
    model = with_counter()
    graph = ParameterGraph.from_keras(model)
    graph.assign(model, graph.values(model) + 1)
    count = next(w for w in model.get_weights() if w.dtype.kind == "i")
    assert count == next(w for w in with_counter().get_weights() if w.dtype.kind == "i")


# ---- locating ------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", MODELS)
def test_locate_and_edges_of_are_inverses(build):
    model = randomized(build())
    graph = ParameterGraph.from_keras(model)
    by_path = {v.path: w for v, w in zip(model.weights, model.get_weights(), strict=True)}
    values, found = graph.values(model), 0
    for edge in range(graph.num_edges):
        where = graph.locate(edge)
        if where is None:
            assert graph.edges["slot"][edge] == schema.NO_SLOT
            continue
        path, index = where
        assert by_path[path][index] == values[edge]
        assert graph.edges_of(path, index).tolist() == [edge]
        found += 1
    assert found == graph.num_parameters


def test_locating_what_is_not_there():
    graph = ParameterGraph.from_keras(mlp())
    for edge in (-1, graph.num_edges):
        with pytest.raises(ConversionError, match=rf"edge {edge} is not in this graph, which has 17 edges"):
            graph.locate(edge)
    with pytest.raises(ConversionError, match=r"no float weight 'gamma' in this graph; there are .*kernel"):
        graph.edges_of("gamma")


# ---- what does not fit ---------------------------------------------------------------------------


def test_weights_of_another_architecture_are_refused():
    graph = ParameterGraph.from_keras(mlp())  # 2 * 3 + 3 + 3 * 2 + 2 = 17 weights in 4 arrays
    with pytest.raises(
        ConversionError, match="received flat weights of length 16, but this architecture has 17"
    ):
        graph.values(np.zeros(16, np.float32))
    with pytest.raises(ConversionError, match="received 3 weight arrays, but this architecture has 4"):
        graph.values([np.zeros(3)] * 3)
    with pytest.raises(
        ConversionError, match=r"kernel' has shape \(2, 4\), but this architecture has \(2, 3\)"
    ):
        graph.values(mlp(4))
    for wrong in (np.zeros(16), np.zeros((2, 17)), np.zeros((17, 1))):
        with pytest.raises(
            ConversionError, match=r"received values of shape .*, expected \[17\], one per edge"
        ):
            graph.weights(wrong)


def test_a_model_without_weights():
    a = keras.Input((3,))
    graph = ParameterGraph.from_keras(keras.Model(a, layers.ReLU()(a)))
    assert (graph.num_parameters, graph.values([]).tolist()) == (0, [1.0] * graph.num_edges)
    assert graph.weights(graph.values([])) == []
