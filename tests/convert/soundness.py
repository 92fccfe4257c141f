"""What the tests of this room share: the two laws asserted on one model."""

from __future__ import annotations

import keras
import numpy as np

import gmn_tf
from gmn_tf import ParameterGraph
from gmn_tf.convert.check import SymmetryReport


def assert_sound(model, *, order: int | None = None, samples: int = 6, tied: bool = False) -> SymmetryReport:
    """The function stays under automorphisms, the weights come back bit for bit, every one is on one edge.

    `order`: the size of the automorphism group, worked out by hand. `tied`: a weight may have several
    roles, and an edge in each.
    """
    graph = ParameterGraph.from_keras(model)
    report = gmn_tf.check_symmetry(model, num_samples=samples, graph=graph)
    assert report.passed, str(report)
    assert report.effect_of_weights > 0.01, "the control: other weights must change the outputs"
    assert_round_trip(model, graph, tied=tied)
    if order is not None:
        assert report.group_order == order, f"order {report.group_order}, by hand {order}"
    return report


def assert_round_trip(model, graph: ParameterGraph, *, tied: bool = False) -> None:
    weights = model.get_weights()
    restored = graph.weights(graph.values(model), base=weights)
    assert [w.dtype for w in restored] == [w.dtype for w in weights]
    assert [w.tobytes() for w in restored] == [w.tobytes() for w in weights]
    floats = [v for v in model.weights if "float" in keras.backend.standardize_dtype(v.dtype)]
    assert graph.num_parameters == sum(int(np.prod(v.shape)) for v in floats)
    slots = graph.edges["slot"]
    carried = np.sort(slots[slots >= 0])
    carried = np.unique(carried) if tied else carried
    assert np.array_equal(carried, np.arange(graph.num_parameters)), "one edge a weight"
