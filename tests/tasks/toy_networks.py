"""Networks whose accuracy a statistic of their weights tells; the part of a zoo that the baselines read."""

from __future__ import annotations

import keras
import numpy as np


class Networks:
    """Networks of depth two and three whose accuracy is told by the spread of their last kernel."""

    def __init__(self, size: int = 240) -> None:
        generator = np.random.default_rng(0)
        layers = keras.layers
        self.templates = [
            keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(2)]),
            keras.Sequential(
                [
                    keras.Input((3,)),
                    layers.Dense(4),
                    layers.BatchNormalization(),
                    layers.Dense(4),
                    layers.Dense(2),
                ]
            ),
        ]
        architecture = np.arange(size) % 2
        spread = generator.uniform(0.1, 2.0, size)
        self.weights = {}
        for kind, template in enumerate(self.templates):
            flats = []
            for network in np.flatnonzero(architecture == kind):
                arrays = [generator.normal(size=w.shape) for w in template.weights]
                arrays[-2] = np.linspace(-1, 1, 8) * spread[network]
                flats.append(np.concatenate([a.ravel() for a in arrays]))
            self.weights[kind] = np.array(flats, np.float32)
        self.table = {
            "architecture": architecture,
            "test_accuracy": (spread / 2).astype(np.float32),
            "split": np.array(["train"] * (size - 80) + ["validation"] * 40 + ["test"] * 40),
        }

    def template(self, architecture):
        return self.templates[architecture]

    def flat_weights(self, architecture):
        return np.flatnonzero(self.table["architecture"] == architecture), self.weights[architecture]

    def indices(self, split):
        return np.flatnonzero(self.table["split"] == split)
