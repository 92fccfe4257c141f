"""GroupEquivariantDense: known groups give known layers; its maps are those that commute with the group."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from equivariant_layers import CIRCLE, normal, randomize

from gmn_tf.errors import LayerArgumentError
from gmn_tf.keras_layers import GroupEquivariantDense, SetEquivariantDense
from gmn_tf.keras_layers.group_equivariant_dense import orbits

GROUPS = {
    "circle of 4": CIRCLE,
    "square, turned and flipped": [[1, 2, 3, 0], [0, 3, 2, 1]],
    "two swaps": [[1, 0, 2, 3, 4], [0, 1, 2, 4, 3]],
    "symmetric": [[1, 0, 2, 3], [1, 2, 3, 0]],
    "one point fixed": [[0, 2, 3, 1]],
}


def built(positions, *args, **settings):
    layer = GroupEquivariantDense(*args, **settings)
    layer.build((None, positions, 3))
    return layer, randomize(layer)


def closure(generators):
    group = {tuple(range(len(generators[0])))}
    while True:
        more = group | {tuple(g[i] for i in p) for p in group for g in generators}
        if more == group:
            return group
        group = more


def moved(x, permutation):
    result = np.empty_like(x)
    result[:, permutation] = x
    return result


def test_a_circle_gives_circular_convolution():
    layer, (kernel, bias) = built(4, 2, CIRCLE)
    assert kernel.shape == (4, 3, 2) and bias.shape == (1, 2)
    x = normal(2, 4, 3)
    # Orbits are numbered by the first pair (0, j): y_i = sum_d x_(i + d) K[d].
    expected = sum(np.roll(x, -d, axis=1) @ kernel[d] for d in range(4)) + bias
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_the_symmetric_group_gives_deep_sets():
    layer, (kernel, bias) = built(4, 2, GROUPS["symmetric"])
    sets = SetEquivariantDense(2, pooling="sum")
    sets.build((None, 4, 3))
    # Here K[0] is for the element itself, K[1] for each other one; there K[1] is for all of them.
    sets.set_weights([np.stack([kernel[0] - kernel[1], kernel[1]]), bias[0]])
    x = normal(2, 4, 3)
    np.testing.assert_allclose(layer(x), sets(x), rtol=1e-4, atol=1e-5)


def test_the_trivial_group_gives_a_dense_layer():
    layer, (kernel, bias) = built(4, 2, [])
    assert kernel.shape == (16, 3, 2) and bias.shape == (4, 2)
    dense = keras.layers.Dense(8)
    dense.build((None, 12))
    dense.set_weights([kernel.reshape(4, 4, 3, 2).transpose(1, 2, 0, 3).reshape(12, 8), bias.reshape(8)])
    x = normal(2, 4, 3)
    np.testing.assert_allclose(np.reshape(layer(x), (2, 8)), dense(x.reshape(2, 12)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("generators", GROUPS.values(), ids=GROUPS)
def test_applying_the_group_before_is_applying_it_after(generators):
    size = len(generators[0])
    layer, _ = built(size, 2, generators, activation="tanh")
    x = normal(2, size, 3)
    y = np.asarray(layer(x))
    for g in generators:
        np.testing.assert_allclose(layer(moved(x, g)), moved(y, g), rtol=1e-4, atol=1e-5)

    def commutes(g):
        return np.allclose(layer(moved(x, g)), moved(y, g), atol=1e-4)

    count = sum(commutes(list(p)) for p in itertools.permutations(range(size)))
    assert count == len(closure(generators)), "what is not in the group is told apart"


@pytest.mark.parametrize("generators", GROUPS.values(), ids=GROUPS)
def test_these_are_all_maps_that_commute_with_the_group(generators):
    """The matrices A with P A = A P for every generator P have as many dimensions as there are orbits."""
    size = len(generators[0])
    _, (kernel, bias) = built(size, 2, generators)
    eye = np.eye(size)
    places = [eye[np.argsort(g)] for g in generators]  # (P x)_g(i) = x_i
    conditions = np.concatenate([np.kron(eye, p) - np.kron(p.T, eye) for p in places])
    assert len(kernel) == size**2 - np.linalg.matrix_rank(conditions)
    assert len(bias) == size - np.linalg.matrix_rank(np.concatenate([p - eye for p in places]))


def test_an_output_of_other_positions():
    # The group of order 2 swaps positions 0 and 1 of three, and the two positions of the result. Pairs
    # (i, j): (0, 0) (1, 1) are one orbit, (0, 1) (1, 0) one, (0, 2) (1, 2) one.
    layer, (kernel, bias) = built(3, 2, [[1, 0, 2]], output_generators=[[1, 0]])
    assert kernel.shape == (3, 3, 2) and bias.shape == (1, 2)
    x = normal(2, 3, 3)
    first = x[:, 0] @ kernel[0] + x[:, 1] @ kernel[1] + x[:, 2] @ kernel[2] + bias[0]
    np.testing.assert_allclose(np.asarray(layer(x))[:, 0], first, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        layer(moved(x, [1, 0, 2])), np.asarray(layer(x))[:, ::-1], rtol=1e-4, atol=1e-5
    )


def test_an_invariant_output():
    layer, (kernel, _) = built(4, 2, CIRCLE, output_generators=[[0]])
    assert kernel.shape == (1, 3, 2)
    x = normal(2, 4, 3)
    np.testing.assert_allclose(layer(np.roll(x, 1, axis=1)), layer(x), rtol=1e-4, atol=1e-5)


def test_orbits_of_a_long_circle():
    step = np.roll(np.arange(997), -1)
    assert np.array_equal(orbits([step], 997), np.zeros(997))
    assert np.array_equal(orbits([], 3), [0, 1, 2])


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            {"generators": [[0, 0, 1]]},
            r"received \[0, 0, 1\] in generators, expected each of 0 .. n",
        ),
        ({"generators": [[1, 0], [1, 2, 0]]}, "permutations of 2 and of 3 positions in generators"),
        ({"generators": 3}, "received generators=3, expected a list of permutations"),
        ({"generators": [[0.5, 1.0]]}, "expected each of 0 .. n - 1 once"),
        (
            {"generators": CIRCLE, "output_generators": []},
            "1 generators and 0 output_generators",
        ),
        ({"generators": CIRCLE, "units": -1}, "received units=-1"),
    ],
)
def test_arguments_that_do_not_fit(arguments, sentence):
    with pytest.raises(LayerArgumentError, match=sentence):
        GroupEquivariantDense(**{"units": 2, **arguments})


def test_inputs_that_do_not_fit():
    with pytest.raises(LayerArgumentError, match="expected 4 positions on its last axis but one"):
        GroupEquivariantDense(2, CIRCLE)(keras.Input((5, 3)))
    with pytest.raises(LayerArgumentError, match="expected a known number of positions"):
        GroupEquivariantDense(2, [])(keras.Input((None, 3)))


def test_the_callers_generators_are_not_touched():
    generators = [(1, 2, 3, 0)]
    layer = GroupEquivariantDense(2, generators)
    layer.get_config()["generators"][0][0] = 9
    assert generators == [(1, 2, 3, 0)]
