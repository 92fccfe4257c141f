"""One draw of random weights for the symmetry check: how finely this model can be judged with it.

Three changes of its outputs are measured with the same weights and inputs: that of one rounding step in every
weight, that of an automorphism of the graph, and that of an automorphism applied to the weights of one
operation alone, which is what an unsound graph amounts to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gmn_tf.convert.running import fitting_runner, random_weights, rounded_weights
from gmn_tf.graph import schema
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.graph.symmetry import EdgeIndex, permute_values

FLOOR = 1e-6
"""No smaller change is a finding: some ten rounding steps of float32."""
REORDERED = 2.0
"""Reordered sums change outputs by this many times what rounding does, at most; measured: .2 to 2."""
ABOVE_ROUNDING = 10.0
"""A change is a finding when it is this many times that of rounding."""
VISIBLE = 100.0
"""An unsound graph must show this many times more than what is passed as rounding."""
GAINS = (1.0, 1.5, 2.2, 3.3, 0.5)
"""Scales of the random weights, tried in this order: in deep models a signal dies away or explodes."""
_ROUNDINGS = 3
_CONTROLS = 4


class Trial:
    """A model, random weights for it and its outputs on random inputs.

    Attributes:
        rounding: largest change of an output when every weight moves by one rounding step.
        effect_of_weights: the same for another draw of weights.
        broken: the same for automorphisms applied to one operation's weights alone: the larger change of two
            operations (a bias can cancel), the median over a few automorphisms; `effect_of_weights` where
            none moves the weights of more than one operation.
        idle: whether automorphisms move only weights that do nothing (of a layer that is never called),
            in a model whose other weights do something.

    All changes are relative to the outputs' spread; infinite where outputs are not finite in one of the runs.
    """

    def __init__(
        self,
        model: Any,
        graph: ParameterGraph,
        permutations: Sequence[np.ndarray],
        index: EdgeIndex,
        *,
        gain: float,
        seed: int,
    ) -> None:
        rng = np.random.default_rng(seed)
        own = model.get_weights()
        self._graph, self._index = graph, index
        self._weights = random_weights(graph.layout, own, rng, gain=gain)
        self._run, self._expected = fitting_runner(model, self._weights, seed=seed)
        self._values = graph.values(self._weights)
        finite = self._expected[np.isfinite(self._expected)]
        spread = float(np.std(finite)) if finite.size else 0.0
        self._scale = max(spread, 1e-3 * float(np.max(np.abs(finite), initial=0.0)), 1e-12)
        self.rounding = max(
            self._change(rounded_weights(model, graph.layout, self._weights, rng)) for _ in range(_ROUNDINGS)
        )
        other = random_weights(graph.layout, own, rng, gain=gain)
        self.effect_of_weights = self._change(other)
        broken = [self._broken(p, rng) for p in permutations[::-1][:_CONTROLS]]
        seen = [change for change in broken if change is not None]
        self.broken = float(np.median(seen)) if seen else self.effect_of_weights
        self.idle = self.broken == 0.0 and self.effect_of_weights > 0.0 and self._idle(permutations, other)

    @property
    def tolerance(self) -> float:
        """Largest change that rounding explains."""
        return max(FLOOR, ABOVE_ROUNDING * self.rounding)

    def sees(self, change: float) -> bool:
        """Whether an unsound graph would change the outputs far more than `change`, if it could at all."""
        return self.idle or self.broken >= VISIBLE * max(change, FLOOR)

    def change(self, permutation: np.ndarray) -> float:
        """Largest change of an output under a permutation of the nodes."""
        moved = permute_values(self._graph, self._values, permutation, index=self._index)
        return self._change(self._graph.weights(moved, base=self._weights))

    def _broken(self, permutation: np.ndarray, rng: np.random.Generator) -> float | None:
        moved = permute_values(self._graph, self._values, permutation, index=self._index)
        layer = self._graph.edges[schema.LAYER]
        touched = np.unique(layer[moved != self._values])
        if touched.size < 2:
            return None
        changes = []
        for operation in rng.choice(touched, 2, replace=False):
            part = np.where(layer == operation, moved, self._values)
            weights = self._graph.weights(part, base=self._weights, average_roles=True)
            changes.append(self._change(weights))
        return max(changes)

    def _idle(self, permutations: Sequence[np.ndarray], other: list[np.ndarray]) -> bool:
        """Whether other values of every weight that some permutation moves leave the outputs as they are."""
        nodes = np.zeros(self._graph.num_nodes, bool)
        for permutation in permutations:
            nodes |= permutation != np.arange(nodes.size)
        edges = self._graph.edges
        moved = nodes[edges[schema.SOURCE]] | nodes[edges[schema.TARGET]]
        values = np.where(moved, self._graph.values(other), self._values)
        return self._change(self._graph.weights(values, base=self._weights, average_roles=True)) == 0.0

    def _change(self, weights: list[np.ndarray]) -> float:
        found, expected = self._run(weights), self._expected
        with np.errstate(invalid="ignore"):
            same = (found == expected) | (np.isnan(found) & np.isnan(expected))
            change = np.where(same, 0.0, np.abs(found - expected))
        change[np.isnan(change)] = np.inf
        return float(np.max(change, initial=0.0)) / self._scale


def find_trial(make: Callable[[float], Trial]) -> Trial:
    """The first trial in which an unsound graph would show, or else the one in which it would show best."""
    best: Trial | None = None
    for gain in GAINS:
        trial = make(gain)
        if trial.sees(REORDERED * trial.rounding):
            return trial
        if best is None or trial.broken * best.tolerance > best.broken * trial.tolerance:
            best = trial
    assert best is not None
    return best
