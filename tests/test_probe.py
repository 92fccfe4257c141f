"""The callback in real trainings: logs, event files, models that cannot be drawn."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import gmn_tf
from gmn_tf.errors import RunError
from gmn_tf.graph.parameter_graph import ParameterGraph
from gmn_tf.probe import AccuracyProbe

EPOCHS = 3


@pytest.fixture(scope="module")
def judge(_judge):
    return gmn_tf.load(_judge)


def problem(n=40):
    rng = np.random.default_rng(0)
    return rng.uniform(size=(n, 8, 8, 1)).astype(np.float32), rng.integers(0, 10, n)


def network(*layers):
    keras.utils.set_random_seed(0)
    chain = layers or (keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.GlobalAveragePooling2D())
    model = keras.Sequential([keras.Input((8, 8, 1)), *chain, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss)
    return model


class Snapshots(keras.callbacks.Callback):
    """Keeps the weights at the end of each epoch, and the logs it was given."""

    def __init__(self):
        super().__init__()
        self.weights, self.seen = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())
        self.seen.append(dict(logs))


def scalars(folder: Path) -> dict[str, list]:
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    import tensorflow as tf

    return {
        tag: [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def test_a_training_with_the_probe(judge, _judge, tmp_path, monkeypatch):
    model, snapshots = network(), Snapshots()
    planned = []
    plan = ParameterGraph.from_keras.__func__
    monkeypatch.setattr(
        ParameterGraph,
        "from_keras",
        classmethod(lambda cls, *a, **k: planned.append(1) or plan(cls, *a, **k)),
    )
    probe = AccuracyProbe(_judge, log_dir=tmp_path / "logs", update_freq=2)
    x, y = problem()
    history = model.fit(x, y, batch_size=8, epochs=EPOCHS, verbose=0, callbacks=[probe, snapshots]).history
    assert planned == [1]
    monkeypatch.undo()

    expected = []
    for weights in snapshots.weights:
        model.set_weights(weights)
        expected.append(judge.predict(model))
    accuracy = [float(answer.accuracy[0]) for answer in expected]
    assert np.ptp(accuracy) > 1e-5  # else agreement would say nothing
    np.testing.assert_allclose(history["predicted_accuracy"], accuracy, rtol=1e-5)
    distance = [float(answer.distance[0]) for answer in expected]
    np.testing.assert_allclose(history["training_distance"], distance, rtol=1e-3)
    assert [row["predicted_accuracy"] for row in snapshots.seen] == history["predicted_accuracy"]

    found = scalars(tmp_path / "logs" / "probe")
    assert [step for step, _ in found["epoch_predicted_accuracy"]] == [0, 1, 2]
    np.testing.assert_allclose([value for _, value in found["epoch_predicted_accuracy"]], accuracy, rtol=1e-5)
    np.testing.assert_allclose([value for _, value in found["epoch_training_distance"]], distance, rtol=1e-3)
    # Five batches an epoch: after the second, fourth, ... of fifteen.
    assert [step for step, _ in found["batch_predicted_accuracy"]] == [2, 4, 6, 8, 10, 12, 14]
    # Batch 10 is the last of epoch 1.
    np.testing.assert_allclose(found["batch_predicted_accuracy"][4][1], accuracy[1], rtol=1e-5)


def test_without_a_folder_it_writes_logs_alone(judge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = network()
    history = model.fit(*problem(), epochs=1, verbose=0, callbacks=[AccuracyProbe(judge)]).history
    assert 0 < history["predicted_accuracy"][0] < 1
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_drawn_is_said_once_at_the_start(judge, tmp_path):
    layers = keras.layers
    spectrum = layers.MelSpectrogram(fft_length=64, sequence_stride=32, name="far_out")
    model = network(layers.Flatten(), layers.Dense(256), spectrum, layers.GlobalAveragePooling1D())
    probe = AccuracyProbe(judge, log_dir=tmp_path / "logs", update_freq=1)
    began = []
    first = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: began.append(len(said())))

    def said():
        return [str(item.message) for item in caught if "AccuracyProbe" in str(item.message)]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(*problem(), epochs=2, verbose=0, callbacks=[probe, first]).history
    (sentence,) = said()
    assert set(began) == {1}  # before the first batch, and no more after it
    assert sentence.startswith("AccuracyProbe writes nothing: ") and sentence.endswith(".")
    assert "far_out" in sentence and "\n" not in sentence
    assert len(history["loss"]) == 2 and "predicted_accuracy" not in history
    assert not (tmp_path / "logs").exists()


def test_weights_that_diverge_get_nan_and_training_goes_on(judge):
    model = network()

    class Diverge(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.set_weights([np.full_like(w, np.nan) for w in self.model.get_weights()])

    probe = AccuracyProbe(judge)
    history = model.fit(*problem(), epochs=2, verbose=0, callbacks=[Diverge(), probe]).history
    assert np.isfinite(history["predicted_accuracy"][0])
    assert np.isnan(history["predicted_accuracy"][1]) and np.isnan(history["training_distance"][1])


def test_a_second_training_goes_on_in_the_same_folder(judge, tmp_path):
    model, probe = network(), AccuracyProbe(judge, log_dir=tmp_path)
    model.fit(*problem(), epochs=1, verbose=0, callbacks=[probe])
    model.fit(*problem(), epochs=2, initial_epoch=1, verbose=0, callbacks=[probe])
    steps = [step for step, _ in scalars(tmp_path / "probe")["epoch_predicted_accuracy"]]
    assert sorted(steps) == [0, 1]  # two files: in what order they are read is nobody's promise


def test_a_model_that_its_first_batch_builds(judge, tmp_path):
    model = keras.Sequential(network().layers)
    assert not model.built
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    probe = AccuracyProbe(judge, log_dir=tmp_path, update_freq=1)
    history = model.fit(*problem(), batch_size=20, epochs=1, verbose=0, callbacks=[probe]).history
    np.testing.assert_allclose(history["predicted_accuracy"], judge(model), rtol=1e-5)
    assert [step for step, _ in scalars(tmp_path / "probe")["batch_predicted_accuracy"]] == [1, 2]


def test_bad_arguments(tmp_path):
    with pytest.raises(RunError, match="update_freq='batch'"):
        AccuracyProbe(tmp_path, update_freq="batch")
    with pytest.raises(RunError, match="found nothing"):
        AccuracyProbe(tmp_path / "none")
