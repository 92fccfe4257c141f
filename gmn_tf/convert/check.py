"""The symmetry check: is the graph of this very model sound, and does it carry the weights exactly?"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from gmn_tf.convert.trial import Trial, find_trial
from gmn_tf.errors import ConversionError
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.graph.symmetry import Automorphisms, EdgeIndex, automorphisms

SOUND, NOT_SOUND, CANNOT_TELL = "sound", "not sound", "cannot tell"
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
        rounding: the same when every weight moves by one rounding step: the noise of this very model.
        tolerance: largest change that counts as rounding.
        broken_change: the same when an automorphism is applied to the weights of one operation alone (a
            typical one of a few), as an unsound graph would have it.
        effect_of_weights: the same between two random draws of weights. A check of a constant function
            would say nothing.
        round_trip_exact: whether the model's weights come back from the graph bit for bit.
        verdict: "sound", "not sound" or "cannot tell", see `check_symmetry`.
    """

    model: str
    num_nodes: int
    num_edges: int
    num_parameters: int
    group_order: int
    num_checked: int
    largest_change: float
    rounding: float
    tolerance: float
    broken_change: float
    effect_of_weights: float
    round_trip_exact: bool
    verdict: str

    @property
    def passed(self) -> bool:
        return self.verdict == SOUND

    def __str__(self) -> str:
        order = (
            f"{self.group_order:,}"
            if self.group_order < 10**9
            else f"about 10^{math.log10(self.group_order):.0f}"
        )
        conclusion = {
            SOUND: "sound",
            NOT_SOUND: "NOT SOUND: the graph or the round trip is wrong for this model",
            CANNOT_TELL: "CANNOT TELL: with random weights this model computes too roughly, or its outputs "
            "depend too little on its weights; check the same architecture in float64 or with fewer layers",
        }
        return "\n".join(
            [
                f"{self.model}: {self.num_nodes:,} nodes, {self.num_edges:,} edges, "
                f"{self.num_parameters:,} parameters",
                f"automorphisms: {order}; {self.num_checked} applied to random weights",
                f"largest change of an output: {self.largest_change:.1e} (tolerance {self.tolerance:.1e}; "
                f"one rounding step in every weight changes it by {self.rounding:.1e}, a broken automorphism "
                f"by {self.broken_change:.1e}, other weights by {self.effect_of_weights:.1e})",
                f"round trip of the weights: {'exact' if self.round_trip_exact else 'NOT EXACT'}",
                conclusion[self.verdict],
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "passed": self.passed}


def check_symmetry(
    model: Any,
    *,
    num_samples: int = 8,
    seed: int = 0,
    tolerance: float | None = None,
    graph: ParameterGraph | None = None,
) -> SymmetryReport:
    """Checks that the model's function does not change under the automorphisms of its graph.

    The automorphism generators that BLISS finds, and random products of them, are applied to random
    weights of this architecture; outputs on random inputs are compared (design: law 1). The model's own
    weights are not touched.

    A permutation reorders sums, so outputs change by rounding even where the graph is sound, by 1e-7 in a
    small model and a thousand times more in a deep one. What counts as rounding is therefore measured on the
    model itself, with the same weights and inputs: every weight moves by one rounding step of the precision
    that the model computes in, up or down at random. Reordered sums change outputs by .2 to 2 times what
    that does, in shallow and deep, wide, recurrent and attending models alike. The verdict is

    - "not sound" where the change is more than 10 times that of rounding (and more than 1e-6);
    - "sound" where it is not, and at least 100 times smaller than the change when an automorphism is
      applied to one operation's weights alone, which is what an unsound graph amounts to;
    - "cannot tell" otherwise, which is not passed: a chaotic model, a constant one, one whose outputs are
      not finite, or one so deep that random weights of no scale let a signal through.

    The model runs as it is, in its own precision and on its own backend. A copy in float64 would have less
    noise, but it would be another model: constants and casts in a layer's code stay as they are, custom
    layers need not say how they are rebuilt, JAX has no float64 unless told at its start, and what a
    float32 kernel does wrong would go unseen. Whoever is told "cannot tell" can build the architecture in
    float64 and check that; its graph is the same.

    Args:
        model: a built Keras 3 or tf_keras model.
        num_samples: random products to apply besides the generators.
        seed: of weights, inputs and products.
        tolerance: largest relative change that counts as rounding; measured by default.
        graph: its parameter graph, where it is at hand.

    Raises:
        UnsupportedLayerError, ConversionError: the model has no graph, or one of more than 100 million edges.
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
    restored = graph.weights(graph.values(own), base=own)
    exact = all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(own, restored, strict=True))

    permutations = _permutations(group, num_samples, rng)
    index = EdgeIndex(graph)
    trial = find_trial(lambda gain: Trial(model, graph, permutations, index, gain=gain, seed=seed))
    largest = max((trial.change(permutation) for permutation in permutations), default=0.0)
    limit = trial.tolerance if tolerance is None else tolerance
    return SymmetryReport(
        model=graph.name,
        num_nodes=graph.num_nodes,
        num_edges=graph.num_edges,
        num_parameters=graph.num_parameters,
        group_order=group.order,
        num_checked=len(permutations),
        largest_change=largest,
        rounding=trial.rounding,
        tolerance=limit,
        broken_change=trial.broken,
        effect_of_weights=trial.effect_of_weights,
        round_trip_exact=exact,
        verdict=_verdict(trial, largest, limit, exact=exact, any_permutation=bool(permutations)),
    )


def _verdict(trial: Trial, largest: float, limit: float, *, exact: bool, any_permutation: bool) -> str:
    if not exact or largest > limit:
        return NOT_SOUND
    if any_permutation and not trial.sees(largest):
        return CANNOT_TELL
    return SOUND


def _permutations(group: Automorphisms, num_samples: int, rng: np.random.Generator) -> list[np.ndarray]:
    if not group.generators:
        return []
    few = group.generators
    if len(few) > 4 * num_samples:
        few = [few[i] for i in rng.choice(len(few), 4 * num_samples, replace=False)]
    return [*few, *(group.sample(rng) for _ in range(num_samples))]
