"""The Small CNN Zoo's recipe: draws in their ranges, starts as Keras draws them, training as Keras trains."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.zoo import small_cnn_generate
from gmn_tf.zoo import small_cnn_recipe as recipe
from gmn_tf.zoo.families.small_cnn import SmallCnnArchitecture
from gmn_tf.zoo.small_cnn_format import SHAPES
from gmn_tf.zoo.small_cnn_generate import generate_small_cnn_zoo
from gmn_tf.zoo.small_cnn_training import RunTrainer
from gmn_tf.zoo.small_cnn_zoo import SmallCNNZoo

SHAPE = (8, 8, 1)
_original = small_cnn_generate._train_part


def _split(flat: np.ndarray) -> list[np.ndarray]:
    ends = np.cumsum([int(np.prod(shape)) for shape in SHAPES])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), SHAPES, strict=True)]


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (15, 17, 1)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_stacked_function_is_the_keras_model_s(shape, activation):
    architecture = SmallCnnArchitecture(shape, 10, activation)
    model = architecture.keras_model()
    assert model.count_params() == architecture.num_parameters == 4970
    assert tuple(tuple(w.shape) for w in model.get_weights()) == SHAPES
    assert [variable.shape for variable in architecture.variables()] == list(SHAPES)
    rng = np.random.default_rng(0)
    flat = (0.2 * rng.normal(size=(3, 4970))).astype(np.float32)
    images = rng.random((3, 5, *shape)).astype(np.float32)
    scores, moments = architecture.logits(flat, images)
    assert scores.shape == (3, 5, 10) and moments == []
    for network in range(3):
        model.set_weights(_split(flat[network]))
        np.testing.assert_allclose(scores[network], model(images[network]), rtol=1e-5, atol=1e-5)


def test_every_parameter_is_on_an_edge():
    from gmn_tf import ParameterGraph

    graph = ParameterGraph.from_keras(SmallCnnArchitecture((28, 28, 1), 10, "tanh").keras_model())
    assert graph.num_edges == graph.num_parameters == 4970


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(
        ZooError, match=r"do not fit the family small_cnn: expected one channel \(put \"@grey\""
    ):
        SmallCnnArchitecture((16, 16, 3), 10)
    with pytest.raises(ZooError, match='Received the activation "gelu"'):
        SmallCnnArchitecture(SHAPE, 10, "gelu")


def test_hyper_parameters_cover_their_ranges():
    runs = [recipe.draw_run(number, seed=1) for number in range(400)]
    assert {run.activation for run in runs} == {"relu", "tanh"}
    assert {run.optimizer for run in runs} == set(recipe.OPTIMIZERS)
    assert {run.w_init for run in runs} == set(recipe.INITIALIZERS)
    assert {run.train_fraction for run in runs} == set(recipe.FRACTIONS)
    for name, (low, high) in {
        "learning_rate": recipe.LEARNING_RATES,
        "l2reg": recipe.PENALTIES,
        "init_std": recipe.DEVIATIONS,
    }.items():
        logs = np.log([getattr(run, name) for run in runs])
        assert logs.min() >= np.log(low) and logs.max() <= np.log(high)
        assert np.mean(logs) == pytest.approx((np.log(low) + np.log(high)) / 2, abs=0.1 * np.log(high / low))
    assert min(run.dropout for run in runs) >= 0 and 0.65 < max(run.dropout for run in runs) <= 0.7
    assert recipe.draw_run(7, seed=1) == runs[7] != recipe.draw_run(7, seed=2)


@pytest.mark.parametrize("name", recipe.INITIALIZERS)
def test_starts_are_distributed_as_keras_draws_them(name):
    import keras

    run = dataclasses.replace(recipe.draw_run(0, seed=0), w_init=name, init_std=0.05)
    ours = [_split(recipe.initial_weights(number, run, seed=0)) for number in range(20)]
    arguments = {"stddev": 0.05} if name in ("RandomNormal", "TruncatedNormal") else {}
    for layer in (0, 2, 6):
        made = [
            keras.initializers.get({"class_name": _class(name), "config": arguments | {"seed": seed}})(
                SHAPES[layer]
            )
            for seed in range(20)
        ]
        theirs, mine = np.stack([np.asarray(one) for one in made]), np.stack([one[layer] for one in ours])
        assert mine.std() == pytest.approx(theirs.std(), rel=0.1), layer
        assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=0.35)
        assert abs(mine.mean()) < 0.1 * mine.std()
    assert all(np.all(one[1] == 0) and np.all(one[7] == 0) for one in ours)
    if name == "orthogonal":
        matrix = ours[0][2].reshape(144, 16)
        np.testing.assert_allclose(matrix.T @ matrix, np.eye(16), atol=1e-5)


def _class(name: str) -> str:
    return {"glorot_normal": "GlorotNormal", "he_normal": "HeNormal", "orthogonal": "Orthogonal"}.get(
        name, name
    )


@pytest.mark.parametrize("optimizer", recipe.OPTIMIZERS)
def test_training_is_that_of_a_plain_keras_model(digits, optimizer):
    """Ten batches on one run without dropout: the same weights as Keras' optimiser with an L2 regulariser."""
    import keras

    run = recipe.Run("tanh", optimizer, 0.01, 0.003, 0.0, "glorot_normal", 0.1, 0.25)
    other = dataclasses.replace(run, optimizer="sgd", learning_rate=0.05)  # trains beside it
    trainer = RunTrainer(digits, seed=3, epochs=1, steps=(0,))
    found = trainer.train([4, 9], [run, other])
    size = recipe.batch_size(len(digits.x_train))
    images = recipe.images_of(4, run, seed=3, num_images=len(digits.x_train))
    assert len(images) == 324 and size == 32

    model = SmallCnnArchitecture(SHAPE, 10, "tanh").keras_model()
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel_regularizer = keras.regularizers.L2(run.l2reg)
            layer.kernel.regularizer = layer.kernel_regularizer
    model.set_weights(_split(found.weights[0, 0]))
    rule = {
        "sgd": keras.optimizers.SGD(run.learning_rate),
        "adam": keras.optimizers.Adam(run.learning_rate),
        # Keras 3 has its epsilon under the root, the published runs' Keras had 1e-7 beside it.
        "rmsprop": keras.optimizers.RMSprop(run.learning_rate, epsilon=1e-14),
    }[optimizer]
    model.compile(rule, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    order = recipe.batches(4, images, seed=3, epoch=0, size=size)
    assert order.shape == (10, 32)
    for batch in order:
        model.train_on_batch(2 * digits.x_train[batch] - 1, digits.y_train[batch])
    trained = np.concatenate([weight.ravel() for weight in model.get_weights()])
    moved = np.abs(trained - found.weights[0, 0])
    apart = np.abs(trained - found.weights[0, 1])
    assert moved.max() > 1e-3
    # Updates in units of their own size (Adam, RMSprop) make much of rounding where gradients are small.
    assert apart.mean() < 0.01 * moved.mean() and apart.max() < 0.2 * moved.max()

    model.compile(metrics=["accuracy"], loss=model.loss)
    _, accuracy = model.evaluate(2 * digits.x_test - 1, digits.y_test, verbose=0)
    assert found.metrics["test_accuracy"][0, 1] == pytest.approx(accuracy, abs=0.005)
    assert found.metrics["train_accuracy"].shape == (2, 2)


def test_dropout_acts_in_training_alone(digits):
    run = recipe.Run("relu", "adam", 0.01, 1e-6, 0.0, "he_normal", 0.1, 0.1)
    dropping = dataclasses.replace(run, dropout=0.6)
    first = RunTrainer(digits, seed=0, epochs=2, steps=()).train([1, 1], [run, dropping])
    again = RunTrainer(digits, seed=0, epochs=2, steps=()).train([1, 1], [run, dropping])
    np.testing.assert_array_equal(first.weights, again.weights)
    assert np.abs(first.weights[0] - first.weights[1]).max() > 1e-3
    assert first.weights.shape == (2, 1, 4970)


def test_kept_epochs():
    assert recipe.kept_epochs(86, (0, 1, 2, 3, 20, 40, 60, 80, 86)) == (0, 1, 2, 3, 20, 40, 60, 80, 86)
    assert recipe.kept_epochs(2, (0, 1, 2, 3, 20)) == (0, 1, 2)
    assert recipe.batch_size(60_000) == 512 and recipe.batch_size(1297) == 32 and recipe.batch_size(100) == 16


ARGUMENTS = {"size": 4, "seed": 2, "epochs": 2, "steps": (0, 1)}
PUBLISHED = ("layout.csv", "metrics.csv.gz", "split.csv", "weights.npy")


class Inline(concurrent.futures.Executor):
    """Runs what it is given at once, in this process."""

    def __init__(self, *args, **kwargs):
        pass

    def submit(self, function, /, *args, **kwargs):
        future = concurrent.futures.Future()
        future.set_result(function(*args, **kwargs))
        return future


def test_a_population_is_generated_resumed_and_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", Inline)
    trained = []
    monkeypatch.setattr(
        small_cnn_generate,
        "_train_part",
        lambda folder, plan, group: trained.append(group) or _original(folder, plan, group),
    )
    told = []

    def stop(done, total, text):
        told.append((done, total))
        if 0 < done < total and len(told) == 2:
            (tmp_path / "a.partial" / "part-00001.npz").unlink()  # as if the call had been killed here
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_small_cnn_zoo(tmp_path / "a", progress=stop, **ARGUMENTS)
    assert not (tmp_path / "a").exists() and (tmp_path / "a.partial" / "part-00000.npz").is_file()
    with pytest.raises(ZooError, match="unfinished population of other settings"):
        generate_small_cnn_zoo(tmp_path / "a", **(ARGUMENTS | {"seed": 5}))
    groups, trained[:] = len(trained), []
    zoo = generate_small_cnn_zoo(tmp_path / "a", progress=stop, **ARGUMENTS)
    assert trained == [1] and groups > 1
    assert told[0] == (0, 4) and told[-1] == (4, 4)
    assert type(zoo) is SmallCNNZoo and len(zoo) == 4 and set(zoo.table["step"]) == {2}
    assert {path.name for path in (tmp_path / "a").iterdir()} == {*PUBLISHED, "plan.json"}
    assert zoo.template(0).input_shape == (None, 8, 8, 1)

    start = SmallCNNZoo.load(tmp_path / "a", steps=0)
    rows = list(start.table["run"])
    for index in range(4):
        number = int(zoo.table["run"][index].removeprefix("run-"))
        run = recipe.draw_run(number, seed=2)
        assert zoo.table["activation"][index] == run.activation
        assert zoo.table["dropout_rate"][index] == pytest.approx(run.dropout)
        first = start.flat(rows.index(zoo.table["run"][index]))
        np.testing.assert_array_equal(first, recipe.initial_weights(number, run, seed=2))
        assert np.any(zoo.flat(index) != first)
    assert len(generate_small_cnn_zoo(tmp_path / "a", **ARGUMENTS)) == 4  # finished: opened at once
    with pytest.raises(ZooError, match="exists and is not this population"):
        generate_small_cnn_zoo(tmp_path / "a", **(ARGUMENTS | {"size": 7}))


@pytest.mark.slow
def test_the_number_of_workers_does_not_matter(tmp_path):
    for name, workers in (("a", 1), ("b", 2)):
        generate_small_cnn_zoo(tmp_path / name, workers=workers, **ARGUMENTS)
    for name in PUBLISHED:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "Received size 0"),
        ({"epochs": 0}, "epochs 0"),
        ({"data": "patches"}, "expected one channel"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ZooError, match=message):
        generate_small_cnn_zoo(tmp_path / "x", **arguments)
    assert not any(tmp_path.iterdir())
