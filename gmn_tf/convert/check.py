"""The symmetry check: is the graph of this very model sound, and does it carry the weights exactly?"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from gmn_tf.convert.running import fitting_runner, random_weights
from gmn_tf.errors import ConversionError
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.graph.symmetry import Automorphisms, EdgeIndex, automorphisms, permute_values

DEFAULT_TOLERANCE = 1e-4
LARGEST_GRAPH = 100_000_000  # some 130 bytes of memory an edge


@dataclasses.dataclass(frozen=True)
class SymmetryReport:
    """What `check_symmetry` found.

    Attributes:
        model: the model's name.
        num_nodes, num_edges, num_parameters: size of the graph.
        group_order: number of automorphisms of the graph, the permutations of neurons that are free.
        num_checked: automorphisms applied to the weights.
        largest_change: largest change of an output under them, relative to the outputs' spread.
        effect_of_weights: change of the outputs between two random draws of weights, same measure: what
            a permutation that is no symmetry could do. A check of a constant function would say nothing.
        round_trip_exact: whether the model's weights come back from the graph bit for bit.
        tolerance: largest change that counts as rounding.
    """

    model: str
    num_nodes: int
    num_edges: int
    num_parameters: int
    group_order: int
    num_checked: int
    largest_change: float
    effect_of_weights: float
    round_trip_exact: bool
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.round_trip_exact and self.largest_change <= self.tolerance

    def __str__(self) -> str:
        order = (
            f"{self.group_order:,}"
            if self.group_order < 10**9
            else f"about 10^{math.log10(self.group_order):.0f}"
        )
        return "\n".join(
            [
                f"{self.model}: {self.num_nodes:,} nodes, {self.num_edges:,} edges, "
                f"{self.num_parameters:,} parameters",
                f"automorphisms: {order}; {self.num_checked} applied to random weights",
                f"largest change of an output: {self.largest_change:.1e} (tolerance {self.tolerance:.0e}; "
                f"other weights change it by {self.effect_of_weights:.1e})",
                f"round trip of the weights: {'exact' if self.round_trip_exact else 'NOT EXACT'}",
                "sound" if self.passed else "NOT SOUND: the graph or the round trip is wrong for this model",
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "passed": self.passed}


def check_symmetry(
    model: Any,
    *,
    num_samples: int = 8,
    seed: int = 0,
    tolerance: float = DEFAULT_TOLERANCE,
    graph: ParameterGraph | None = None,
) -> SymmetryReport:
    """Checks that the model's function does not change under the automorphisms of its graph.

    The automorphism generators that BLISS finds, and random products of them, are applied to random
    weights of this architecture; outputs on random inputs are compared (design: law 1). The model's own
    weights are not touched.

    Args:
        model: a built Keras 3 or tf_keras model.
        num_samples: random products to apply besides the generators.
        seed: of weights, inputs and products.
        tolerance: largest relative change that counts as rounding.
        graph: its parameter graph, where it is at hand.
    """
    graph = graph or ParameterGraph.from_keras(model)
    if graph.num_edges > LARGEST_GRAPH:
        raise ConversionError(
            f"the graph of {graph.name!r} has {graph.num_edges:,} edges; the symmetry check takes up to "
            f"{LARGEST_GRAPH:,}: check the architecture at a smaller width or depth"
        )
    rng = np.random.default_rng(seed)
    group = automorphisms(graph)
    own = model.get_weights()
    values = graph.values(own)
    restored = graph.weights(values, base=own)
    exact = all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(own, restored, strict=True))

    weights = random_weights(graph.layout, own, rng)
    run, expected = fitting_runner(model, weights, seed=seed)
    other = run(random_weights(graph.layout, own, rng))
    scale = max(float(np.std(expected)), 1e-3 * float(np.max(np.abs(expected), initial=0.0)), 1e-12)
    largest = 0.0
    permutations = _permutations(group, num_samples, rng)
    drawn, index = graph.values(weights), EdgeIndex(graph)
    for permutation in permutations:
        moved = permute_values(graph, drawn, permutation, index=index)
        change = np.max(np.abs(run(graph.weights(moved, base=weights)) - expected), initial=0.0)
        largest = max(largest, float(change) / scale)
    return SymmetryReport(
        model=graph.name,
        num_nodes=graph.num_nodes,
        num_edges=graph.num_edges,
        num_parameters=graph.num_parameters,
        group_order=group.order,
        num_checked=len(permutations),
        largest_change=largest,
        effect_of_weights=float(np.max(np.abs(other - expected), initial=0.0)) / scale,
        round_trip_exact=exact,
        tolerance=tolerance,
    )


def _permutations(group: Automorphisms, num_samples: int, rng: np.random.Generator) -> list[np.ndarray]:
    if not group.generators:
        return []
    few = group.generators
    if len(few) > 4 * num_samples:
        few = [few[i] for i in rng.choice(len(few), 4 * num_samples, replace=False)]
    return [*few, *(group.sample(rng) for _ in range(num_samples))]
