"""Architectures of a zoo in the form that runs many networks at once."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gmn_tf.tasks.responses import keras_response, response_of, stacked_response
from gmn_tf.zoo import recipe
from gmn_tf.zoo.stacked_networks import stacked_architecture

tf = pytest.importorskip("tensorflow")

SHAPE, CLASSES, SEED = (8, 8, 1), 4, 5


class Drawn:
    """Of a zoo, what is read here: the plan and the Keras models of the population "diverse"."""

    def __init__(self, **plan) -> None:
        self.manifest = {"plan": {"family": "diverse", "seed": SEED, **plan}}
        self.drawn = [
            recipe.sample_architecture("diverse", n, seed=SEED, image_shape=SHAPE, num_classes=CLASSES)
            for n in range(7)
        ]
        self.models = [architecture.keras_model(name=f"a{n}") for n, architecture in enumerate(self.drawn)]

    def template(self, number):
        return self.models[number]


@pytest.fixture(scope="module")
def zoo():
    return Drawn()


def test_every_family_is_drawn_again(zoo):
    assert [stacked_architecture(zoo, n) for n in range(7)] == zoo.drawn
    assert len({architecture.family for architecture in zoo.drawn}) == 7


def test_both_forms_answer_alike_and_have_the_same_gradient(zoo):
    inputs = tf.constant(np.random.default_rng(0).uniform(size=(3, *SHAPE)), tf.float32)
    for number in (0, 3, 5):
        template = zoo.template(number)
        rng = np.random.default_rng(number)
        flat = np.stack([rng.normal(size=template.count_params()) * 0.3 for _ in range(2)]).astype("float32")
        flat = np.abs(flat)  # variances of BatchNorm are positive
        found = []
        for respond in (stacked_response(zoo.drawn[number]), keras_response(template, inputs.shape)):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                answers = respond(flat, inputs)
            assert answers.shape == (2, 3 * CLASSES)
            found.append((answers, tape.gradient(answers, inputs)))
        for stacked, single in zip(*found, strict=True):
            scale = np.abs(single).max()
            np.testing.assert_allclose(stacked / scale, single / scale, atol=1e-4)


def test_what_was_not_drawn_by_this_recipe_is_run_by_keras(zoo):
    other_seed = Drawn(seed=SEED + 1)
    without = SimpleNamespace(template=zoo.template)
    unknown = Drawn(family="unheard")
    for population in (other_seed, without, unknown):
        assert stacked_architecture(population, 0) is None
    inputs = tf.zeros([2, *SHAPE])
    flat = np.ones((1, zoo.template(0).count_params()), np.float32)
    np.testing.assert_allclose(
        response_of(without, 0, inputs.shape)(flat, inputs),
        response_of(zoo, 0, inputs.shape)(flat, inputs),
        rtol=1e-4,
    )
