"""Parts of a model, cut out with `keras.Model(inputs, outputs)`: their own weights on edges, no others."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tf_keras
from soundness import assert_sound

from gmn_tf import ParameterGraph

LIBRARIES = [keras, tf_keras]


def whole(library):
    """Two inputs; an encoder, nested, called on both; a branch that the cuts leave out."""
    layers = library.layers
    inner = library.Sequential(
        [
            layers.Input((3,)),
            layers.Dense(4, activation="relu", name="first"),
            layers.Dense(3, name="second"),
        ],
        name="inner",
    )
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    x = layers.Subtract(name="difference")([inner(a), inner(b)])
    y = layers.BatchNormalization(name="norm")(layers.Dense(5, name="hidden")(x))
    z = layers.Dense(2, name="branch")(x)
    return library.Model([a, b], [layers.Dense(2, name="head")(y), z])


def cuts(library, model):
    """Name: (the sub-model, layers whose weights it has, order of its group by hand)."""
    layer = model.get_layer
    inner = layer("inner")
    return {
        "first half": (library.Model(model.inputs, layer("difference").output), [inner], 24),
        "one branch": (
            library.Model(model.inputs, layer("norm").output),
            [inner, layer("hidden"), layer("norm")],
            24 * 6,
        ),
        "second half": (
            library.Model(layer("difference").output, model.outputs[0]),
            [layer("hidden"), layer("norm"), layer("head")],
            120,
        ),
        "inside a nested model": (
            library.Model(inner.inputs, inner.get_layer("first").output),
            [inner.get_layer("first")],
            1,
        ),
    }


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("cut", ["first half", "one branch", "second half", "inside a nested model"])
def test_a_part_has_its_own_weights_on_edges_and_no_others(library, cut):
    model = whole(library)
    part, owners, order = cuts(library, model)[cut]
    graph = ParameterGraph.from_keras(part)
    expected = sum(w.size for owner in owners for w in owner.get_weights())
    assert graph.num_parameters == graph.layout.size == expected < model.count_params()
    if library is keras:  # the paths in a tf_keras model's graph are those of its translation
        paths = {v.path for owner in owners for v in owner.weights}
        assert {graph.locate(e)[0] for e in range(graph.num_edges) if graph.locate(e)} == paths
        assert_sound(part, order=order)
    else:
        np.testing.assert_array_equal(
            np.sort(graph.values(part)[graph.edges["slot"] >= 0]),
            np.sort(np.concatenate([w.ravel() for owner in owners for w in owner.get_weights()])),
        )


@pytest.mark.parametrize("library", LIBRARIES)
def test_edits_through_a_part_are_edits_of_the_whole(library):
    """The variables are shared: what `assign` writes into the part, the whole model computes with."""
    model = whole(library)
    part, _, _ = cuts(library, model)["first half"]
    graph = ParameterGraph.from_keras(part)
    kernel = model.get_layer("inner").get_layer("second").kernel
    hidden = np.array(model.get_layer("hidden").get_weights()[0])
    before = np.array(kernel)
    graph.assign(part, 2.0 * graph.values(part))
    np.testing.assert_array_equal(np.array(kernel), 2.0 * before)
    np.testing.assert_array_equal(np.array(model.get_layer("hidden").get_weights()[0]), hidden)
