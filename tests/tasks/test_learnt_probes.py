"""The baseline "probes": the function decides, weights do not; learning, state, refusals."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.tasks.metrics import r2
from gmn_tf.tasks.probe_generator import ProbeGenerator
from gmn_tf.tasks.probes import Probes
from gmn_tf.tasks.responses import keras_response

tf = pytest.importorskip("tensorflow")
layers = keras.layers


class Networks:
    """Small CNNs of two architectures whose accuracy is told by how their logits lie for any image."""

    def __init__(self, size: int = 120, image=(5, 6, 1)) -> None:
        rng = np.random.default_rng(0)
        self.templates = [
            keras.Sequential(
                [
                    keras.Input(image),
                    layers.Conv2D(3, 3, activation="relu"),
                    layers.BatchNormalization(),
                    layers.Dropout(0.5),
                    layers.GlobalAveragePooling2D(),
                    layers.Dense(2),
                ]
            ),
            keras.Sequential(
                [keras.Input(image), layers.Flatten(), layers.Dense(4, "tanh"), layers.Dense(2)]
            ),
        ]
        architecture = np.arange(size) % 2
        gap = rng.uniform(-2.0, 2.0, size)
        self.weights = {}
        for kind, template in enumerate(self.templates):
            flats = []
            for number in np.flatnonzero(architecture == kind):
                arrays = [0.3 * rng.normal(size=w.shape) for w in template.get_weights()]
                if kind == 0:
                    arrays[5] = np.abs(arrays[5]) + 0.5  # a variance
                arrays[-1] = np.array([gap[number], 0.0])
                flats.append(np.concatenate([a.ravel() for a in arrays]))
            self.weights[kind] = np.array(flats, np.float32)
        self.table = {
            "architecture": architecture,
            "test_accuracy": (0.5 + gap / 4).astype(np.float32),
            "split": np.array(["train"] * (size - 40) + ["validation"] * 20 + ["test"] * 20),
        }

    def template(self, architecture):
        return self.templates[architecture]

    def flat_weights(self, architecture):
        return np.flatnonzero(self.table["architecture"] == architecture), self.weights[architecture]

    def indices(self, split):
        return np.flatnonzero(self.table["split"] == split)


@pytest.fixture(scope="module")
def networks():
    return Networks()


@pytest.fixture(scope="module")
def fitted(networks):
    rows = []
    probes = Probes(probes=8, epochs=12, hidden_dim=16, batch_size=16, learning_rate=1e-2)
    probes.fit(networks, networks.indices("train"), progress=rows.append)
    assert rows == probes.history and [row["epoch"] for row in rows] == list(range(1, 13))
    return probes


def test_learns_what_the_networks_answer(networks, fitted):
    test = networks.indices("test")
    predictions = fitted.predict(networks, test)
    assert predictions.shape == (20,) and predictions.dtype == np.float64
    assert r2(networks.table["test_accuracy"][test], predictions) > 0.7


def test_responses_are_those_of_the_models(networks):
    for kind, template in enumerate(networks.templates):
        _, flat = networks.flat_weights(kind)
        inputs = np.random.default_rng(1).uniform(size=(3, 5, 6, 1)).astype(np.float32)
        found = keras_response(template, inputs.shape)(flat[:4], inputs)
        for row in range(4):
            twin = keras.models.clone_model(template)
            ends = np.cumsum([w.size for w in twin.get_weights()])
            parts = np.split(flat[row], ends[:-1])
            twin.set_weights([p.reshape(w.shape) for p, w in zip(parts, twin.get_weights(), strict=True)])
            expected = twin.predict(inputs, verbose=0).ravel()
            np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


def test_the_probes_are_learnt_through_the_networks(networks):
    template = networks.templates[0]
    flat = networks.flat_weights(0)[1][:2]
    generator = ProbeGenerator(3, shape=(5, 6, 1))
    with tf.GradientTape() as tape:
        outputs = keras_response(template, (3, 5, 6, 1))(flat, generator(None))
        loss = tf.reduce_sum(tf.square(outputs))
    gradients = tape.gradient(loss, generator.trainable_weights)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in gradients)


def test_a_permuted_network_is_the_same_network(networks, fitted):
    moved = Networks()
    order = np.random.default_rng(2).permutation(4)
    kernel, bias, last, rest = 30 * 4, 4, 4 * 2, 2
    for row in moved.weights[1]:
        parts = np.split(row, np.cumsum([kernel, bias, last]))
        parts[0], parts[1] = parts[0].reshape(30, 4)[:, order].ravel(), parts[1][order]
        parts[2] = parts[2].reshape(4, 2)[order].ravel()
        assert len(parts[3]) == rest
        row[:] = np.concatenate(parts)
    assert np.abs(moved.weights[1] - networks.weights[1]).max() > 0.1
    test = networks.indices("test")
    np.testing.assert_allclose(fitted.predict(moved, test), fitted.predict(networks, test), atol=1e-5)


def test_equal_seeds_give_equal_results_and_states_come_back(networks, fitted):
    train, test = networks.indices("train")[:20], networks.indices("test")
    settings = {"probes": 4, "epochs": 2, "hidden_dim": 8}

    def trained(seed):
        return Probes(seed=seed, **settings).fit(networks, train).predict(networks, test)

    first = trained(1)
    np.testing.assert_array_equal(trained(1), first)
    assert np.abs(trained(2) - first).max() > 1e-6
    state = fitted.get_state()
    assert all(isinstance(array, np.ndarray) and array.dtype.kind in "if" for array in state.values())
    again = Probes.from_state(state)
    np.testing.assert_array_equal(again.predict(networks, test), fitted.predict(networks, test))
    assert (
        again.num_parameters
        == fitted.num_parameters
        == sum(array.size for name, array in state.items() if name.startswith("weight"))
    )
    del state["weight_001"]
    with pytest.raises(ZooError, match="state without 'weight_001'"):
        Probes.from_state(state)
    with pytest.raises(ZooError, match="do not fit its settings"):
        Probes.from_state({**fitted.get_state(), "hidden_dim": np.array(5)})


def test_the_best_epoch_is_kept(networks):
    """With the validation networks' targets turned round the first epoch is the best: later ones fit more."""
    turned = Networks()
    rows = turned.indices("validation")
    turned.table["test_accuracy"][rows] = 1 - turned.table["test_accuracy"][rows]
    losses = Probes(probes=4, epochs=6, hidden_dim=16, learning_rate=1e-2)
    losses.fit(turned, turned.indices("train"))
    best = min(row["validation_loss"] for row in losses.history)
    assert losses.history[-1]["validation_loss"] > best + 0.01
    from gmn_tf.tasks import accuracy

    logits = np.log(losses.predict(turned, rows)) - np.log1p(-losses.predict(turned, rows))
    found = accuracy.cross_entropy(turned.table["test_accuracy"][rows], logits)
    assert found == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (16, 12, 3), (3, 5, 1), (7,), (4, 3)])
def test_a_generator_fits_every_shape(shape):
    generator = ProbeGenerator(5, shape=shape, seed=3)
    probes = generator(None).numpy()
    assert probes.shape == (5, *shape)
    assert np.abs(probes[1] - probes[0]).max() > 1e-3
    if len(shape) == 3:
        assert probes.min() >= 0 and probes.max() <= 1
    twin = ProbeGenerator.from_config(generator.get_config())
    np.testing.assert_array_equal(twin(None), probes)


def test_the_generator_is_linear_in_its_codes():
    generator = ProbeGenerator(4, shape=(8, 8, 1))
    generator(None)

    def logits(codes):
        generator.trainable_weights[0].assign(codes)
        probes = generator(None).numpy().astype(float)
        return np.log(probes) - np.log1p(-probes)

    rng = np.random.default_rng(0)
    one, two = 0.3 * rng.normal(size=(2, 4, 32))
    middle = logits((one + two) / 2)
    np.testing.assert_allclose(middle, (logits(one) + logits(two)) / 2, atol=1e-4)
    assert np.abs(logits(one) - logits(two)).max() > 0.1


def test_says_what_is_wrong(networks):
    with pytest.raises(ZooError, match="probes=0, expected 1 or more"):
        Probes(probes=0)
    with pytest.raises(ZooError, match="empty training"):
        Probes().fit(networks, np.array([], int))
    for call in (lambda: Probes().predict(networks, np.arange(2)), lambda: Probes().get_state()):
        with pytest.raises(ZooError, match="not fitted"):
            call()
    broken = Networks(60)
    broken.weights[1][2, 0] = np.nan
    with pytest.raises(ZooError, match="network 5"):
        Probes().fit(broken, np.arange(20))
    mixed = Networks(60)
    mixed.templates[1] = keras.Sequential([keras.Input((30,)), layers.Dense(4, "tanh"), layers.Dense(2)])
    with pytest.raises(ZooError, match="different inputs and outputs"):
        Probes().fit(mixed, np.arange(20))


def test_other_inputs_than_in_training_are_refused(fitted):
    with pytest.raises(ZooError, match=r"inputs \(4, 4, 1\) to 2 outputs, expected \(5, 6, 1\) and 2"):
        fitted.predict(Networks(60, image=(4, 4, 1)), np.arange(3))
