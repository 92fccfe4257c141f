"""How far a network lies from those a metanetwork was trained on: nearest neighbours among their features."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from gmn_tf.errors import RunError
from gmn_tf.layers.description import describe

NEIGHBOURS = 5
"""The distance is to the fifth nearest training network: one odd neighbour makes nothing familiar."""

MAX_REFERENCES = 1000
"""Training networks that are kept; of more, as many are drawn. Some 1.5 MB with 256 hidden units."""

SAME_UNIT = 95
"""Percentile of held-out networks whose distance is 1."""

IN_RANGE, AT_THE_EDGE, UNLIKE = "in range", "at the edge", "unlike its training networks"

_PERCENTILES = tuple(range(0, 101, 5))
_FEWEST_ARCHITECTURES = 8
_FLOORS = {"representation": 0.1, "description": 0.1}


def answer_and_features(model: Any, graph: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """A metanetwork's answers and the features that distances are taken in, of one pass.

    Args:
        model: a metanetwork; with the method `represent(graph)`, as `GraphMetanetwork` has it, its last
            hidden layers are features too.
        graph: a scalar GraphTensor.

    Returns:
        [components, units] as the model gives them, and {"representation" (if any), "description"},
        float32 [components, .] each.
    """
    features = {}
    if hasattr(model, "represent"):
        answer, features["representation"] = model.represent(graph)
    else:
        answer = model(graph, training=False)
    features["description"] = describe(graph)
    return answer, {name: tf.cast(value, tf.float32) for name, value in features.items()}


def verdict(distance: float) -> str:
    """The distance in words: "in range" up to 1, "at the edge" up to 2, "unlike its training networks"."""
    if distance <= 1:
        return IN_RANGE
    return AT_THE_EDGE if distance <= 2 else UNLIKE


@dataclasses.dataclass(frozen=True)
class TrainingDistance:
    """Distance to the training networks (Sun et al. 2022, "Out-of-distribution detection with deep nearest
    neighbors"), in features standardised over them:

        x = [representation / (deviation * root n_r), description / (deviation * root n_d)]
        distance = |x - fifth nearest training network's x| / unit

    so that the metanetwork's last hidden layers (n_r of them vary) and what the graph looks like from
    outside (n_d numbers vary) weigh alike. The outside view is there because a metanetwork learns to keep
    what tells accuracy and may lose what tells kinds of networks apart.

    The unit is the distance within which 95 % of held-out networks of the training population lie. Held out
    is a network's architecture as well (neighbours of its own architecture do not count), where the
    population has at least 8 of them: else only networks of these very architectures would be in range.

    Attributes:
        shift, scale: float32 [features], x = (features - shift) * scale.
        references: float32 [n, features], x of the training networks kept.
        unit: see above.
        quantiles: distances of held-out networks at 0 %, 5 %, ... 100 %; the one at 95 % is 1.
        facts: what it was fitted on, for metadata: numbers of references, of held-out networks, of
            architectures, whether architectures were held out.
    """

    shift: np.ndarray
    scale: np.ndarray
    references: np.ndarray
    unit: float
    quantiles: tuple[float, ...]
    facts: dict[str, Any]

    @classmethod
    def fit(
        cls,
        training: dict[str, np.ndarray],
        architectures: np.ndarray,
        held_out: dict[str, np.ndarray],
        held_out_architectures: np.ndarray,
    ) -> TrainingDistance:
        """Fits the features of training networks and calibrates the unit on held-out ones.

        Args:
            training: as `answer_and_features` gives them, [n, .] each.
            architectures: int [n], number of each network's architecture.
            held_out, held_out_architectures: the same of networks that the metanetwork was not trained on.

        Raises:
            RunError: either part is empty, or features are not finite.
        """
        parts = [np.concatenate(list(part.values()), axis=1) for part in (training, held_out)]
        for name, part in zip(("training", "held-out"), parts, strict=True):
            if not len(part):
                raise RunError(f"received no {name} networks to measure distances by, expected some")
            if not np.isfinite(part).all():
                raise RunError(
                    f"received features of {name} networks that are NaN or infinite: "
                    "leave networks with enormous weights out of the zoo"
                )
        shift = parts[0].mean(axis=0)
        scale = np.concatenate([_scale(values, _FLOORS[name]) for name, values in training.items()])
        x, y = ((part - shift) * scale for part in parts)
        kept = np.sort(np.random.default_rng(0).permutation(len(x))[:MAX_REFERENCES])
        references, owners = x[kept].astype(np.float32), np.asarray(architectures)[kept]
        apart = len(np.unique(owners)) >= _FEWEST_ARCHITECTURES
        own = owners if apart else np.full(len(kept), -1)
        distances = np.array(
            [
                _nearest(row, references[own != architecture])
                for row, architecture in zip(y, held_out_architectures, strict=True)
            ]
        )
        unit = max(float(np.percentile(distances, SAME_UNIT)), 1e-6)
        facts = {
            "neighbours": NEIGHBOURS,
            "training_networks": len(references),
            "held_out_networks": len(y),
            "architectures": len(np.unique(owners)),
            "other_architectures_only": apart,
            "unit_percentile": SAME_UNIT,
        }
        quantiles = tuple(float(q) for q in np.percentile(distances, _PERCENTILES) / unit)
        return cls(shift.astype(np.float32), scale.astype(np.float32), references, unit, quantiles, facts)

    def of(self, features: np.ndarray) -> float:
        """The distance of one network, from its features side by side [features]."""
        row = (features.astype(np.float64) - self.shift) * self.scale
        return _nearest(row, self.references) / self.unit

    def metadata(self) -> dict[str, Any]:
        """What an export tells about its distances, as JSON: `facts`, and `percentiles` by distance."""
        pairs = zip(_PERCENTILES, self.quantiles, strict=True)
        return {**self.facts, "percentiles": {str(percent): round(value, 6) for percent, value in pairs}}


def percentile(distance: np.ndarray, metadata: dict[str, Any]) -> np.ndarray:
    """Share, in percent, of the held-out networks that lie nearer, float32 like `distance`.

    Args:
        distance: as an export serves it.
        metadata: `TrainingDistance.metadata()`.
    """
    percents = np.array([float(name) for name in metadata["percentiles"]])
    found = np.interp(distance, list(metadata["percentiles"].values()), percents, left=0.0, right=100.0)
    return found.astype(np.float32)


class DistanceFunction(tf.Module):
    """`TrainingDistance` in TensorFlow, for a server: its arrays are variables, stored with the others."""

    def __init__(self, fitted: TrainingDistance) -> None:
        super().__init__(name="training_distance")
        fixed = {"trainable": False}
        self.shift = tf.Variable(fitted.shift, **fixed, name="shift")
        self.scale = tf.Variable(fitted.scale, **fixed, name="scale")
        self.references = tf.Variable(fitted.references, **fixed, name="references")
        self.unit = fitted.unit

    def __call__(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Distances float32 [components]; infinity where a feature is not finite."""
        # In float64: squared distances come as differences of larger numbers.
        x = (tf.concat(list(features.values()), axis=1) - self.shift) * self.scale
        x, y = tf.cast(x, tf.float64), tf.cast(self.references, tf.float64)
        squared = (
            tf.reduce_sum(tf.square(x), axis=1, keepdims=True)
            - 2.0 * tf.matmul(x, y, transpose_b=True)
            + tf.reduce_sum(tf.square(y), axis=1)
        )
        nearest = -tf.math.top_k(-squared, k=min(NEIGHBOURS, self.references.shape[0]))[0][:, -1]
        distance = tf.cast(tf.sqrt(tf.maximum(nearest, 0.0)) / self.unit, tf.float32)
        known = tf.reduce_all(tf.math.is_finite(x), axis=1)
        return tf.where(known, distance, tf.fill(tf.shape(distance), float("inf")))


def _scale(values: np.ndarray, floor: float) -> np.ndarray:
    """One over (deviation * root of the number of features that vary), float64 [features].

    A deviation is at least `floor` times the usual one, and a feature that never varied (an edge type no
    training network has) counts with that: there, any difference is a large one.
    """
    deviation = values.std(axis=0, dtype=np.float64)
    varying = deviation > 1e-6
    usual = float(np.median(deviation[varying])) if varying.any() else 1.0
    return 1.0 / (np.maximum(deviation, floor * usual) * np.sqrt(max(1, int(varying.sum()))))


def _nearest(row: np.ndarray, references: np.ndarray) -> float:
    """Distance to the fifth nearest reference, or to the farthest where there are fewer."""
    distances = np.sqrt(np.sum((references.astype(np.float64) - row) ** 2, axis=1))
    k = min(NEIGHBOURS, len(distances)) - 1
    return float(np.partition(distances, k)[k])
