"""What the symmetry check takes for rounding: measured on the model, and never more than it can tell."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import gmn_tf
from gmn_tf.convert import check, trial
from gmn_tf.convert.converters import normalization
from gmn_tf.convert.running import rounded_weights
from gmn_tf.graph.layout import make_layout, numpy_dtype


def logistic(steps):
    """x -> 4 x (1 - x) doubles a deviation at every step: a model as chaotic as one likes."""
    a = keras.Input((4,))
    x = layers.Dense(6, activation="sigmoid")(a)
    for _ in range(steps):
        x = 4.0 * x * (1.0 - x)
    return keras.Model(a, layers.Dense(2)(x))


def residual(blocks, *, groups=2):
    """Pre-activation residual blocks of convolutions; one group normalisation in the middle."""
    a = keras.Input((4, 4, 2))
    x = layers.Conv2D(6, 1)(a)
    for number in range(blocks):
        y = layers.LayerNormalization()(x)
        y = layers.Conv2D(6, 3, padding="same", activation="relu")(y)
        if number == blocks // 2:
            y = layers.GroupNormalization(groups)(y)
        x = layers.Add()([x, layers.Conv2D(6, 1)(y)])
    return keras.Model(a, layers.Dense(2)(layers.GlobalMaxPooling2D()(x)))


def test_a_model_that_amplifies_rounding_is_no_false_alarm():
    """Ten doublings: the change is far above what a shallow model shows, and still rounding."""
    report = gmn_tf.check_symmetry(logistic(12))
    assert report.largest_change > 1e-4 and report.verdict == check.SOUND
    assert report.tolerance == pytest.approx(trial.ABOVE_ROUNDING * report.rounding)


def test_of_a_chaotic_model_it_cannot_tell():
    report = gmn_tf.check_symmetry(logistic(60))
    assert report.verdict == check.CANNOT_TELL and not report.passed and not report.as_dict()["passed"]
    assert "CANNOT TELL" in str(report) and "float64" in str(report)
    assert gmn_tf.check_symmetry(logistic(1)).passed  # the control


def planted(monkeypatch):
    """Group normalisation drawn without its groups: channels of different groups look exchangeable."""
    monkeypatch.setattr(normalization, "statistics", lambda *args, **settings: None)


@pytest.mark.parametrize("blocks", [2, 16])
def test_one_unsound_place_is_found_in_a_deep_model(blocks, monkeypatch):
    model = residual(blocks)
    report = gmn_tf.check_symmetry(model, num_samples=4)
    assert report.passed, str(report)
    planted(monkeypatch)
    report = gmn_tf.check_symmetry(model, num_samples=4)
    assert report.verdict == check.NOT_SOUND, str(report)
    assert report.largest_change > 100 * report.rounding and "NOT SOUND" in str(report)


def test_an_unsound_chaotic_model_is_not_called_sound(monkeypatch):
    a = keras.Input((3,))
    x = layers.Dense(4, activation="sigmoid")(a)
    x = layers.Activation("sigmoid")(layers.GroupNormalization(2)(x))
    for _ in range(60):
        x = 4.0 * x * (1.0 - x)
    model = keras.Model(a, layers.Dense(2)(x))
    planted(monkeypatch)
    assert gmn_tf.check_symmetry(model).verdict != check.SOUND


def test_outputs_that_are_not_finite():
    """exp(exp(exp(...))): a comparison of NaN with NaN, or of infinities, proves nothing."""
    a = keras.Input((3,))
    x = layers.Dense(4)(a)
    for _ in range(4):
        x = keras.ops.exp(20.0 * x)
    report = gmn_tf.check_symmetry(keras.Model(a, layers.Dense(2)(x - x)))
    assert report.verdict == check.CANNOT_TELL


def test_a_constant_function_proves_nothing():
    a = keras.Input((3,))
    x = layers.Dense(1)(layers.Dense(4, activation="relu")(a))
    report = gmn_tf.check_symmetry(keras.Model(a, layers.Softmax()(x)))
    assert report.broken_change == 0.0 and report.verdict == check.CANNOT_TELL


def test_weights_that_do_nothing_may_be_permuted():
    """A layer that is never called: its weights are the only ones that are free, and move no output."""
    a = keras.Input((3,))
    model = keras.Model(a, layers.Dense(2)(a))
    model.spare = layers.Dense(3)
    model.spare.build((None, 4))
    report = gmn_tf.check_symmetry(model)
    assert report.broken_change == 0.0 and report.num_checked > 0 and report.passed
    constant = keras.Model(a, layers.Softmax()(layers.Dense(1)(a)))
    constant.spare = layers.Dense(3)
    constant.spare.build((None, 4))
    assert gmn_tf.check_symmetry(constant).verdict == check.CANNOT_TELL


def test_nothing_to_permute_is_sound():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    report = gmn_tf.check_symmetry(model)
    assert report.group_order == 1 and report.num_checked == 0 and report.passed


@pytest.mark.parametrize("build", ["plain", "normalised"])
def test_random_weights_let_a_signal_through_deep_models(build):
    """With one scale for all, tanh and normalised networks of this depth forgot their inputs."""
    stack = []
    for _ in range(30 if build == "normalised" else 60):
        stack.append(layers.Dense(8, activation="tanh" if build == "plain" else None))
        if build == "normalised":
            stack += [layers.BatchNormalization(), layers.ReLU()]
    model = keras.Sequential([keras.Input((4,)), *stack, layers.Dense(3)])
    report = gmn_tf.check_symmetry(model)
    assert report.passed, str(report)
    assert report.broken_change > 100 * report.largest_change


def test_a_tolerance_can_be_given():
    model = logistic(12)
    assert gmn_tf.check_symmetry(model, tolerance=1e-9).verdict == check.NOT_SOUND
    assert gmn_tf.check_symmetry(model, tolerance=0.5).tolerance == 0.5


@pytest.mark.parametrize(("dtype", "eps"), [("float32", 2**-23), ("float64", 2**-52), ("bfloat16", 2**-7)])
def test_one_rounding_step_in_every_weight(dtype, eps):
    model = keras.Sequential([keras.Input((30,), dtype=dtype), layers.Dense(40, dtype=dtype)])
    layout = make_layout([("kernel", (30, 40), dtype, True), ("n", (), "int32", False)])
    kernel = np.random.default_rng(1).uniform(0.5, 1.5, (30, 40)).astype(numpy_dtype(dtype))
    moved, state = rounded_weights(model, layout, [kernel, np.int32(7)], np.random.default_rng(0))
    assert moved.dtype == kernel.dtype and state == 7
    relative = np.abs(moved.astype("float64") / kernel.astype("float64") - 1.0)
    assert (relative > 0.4 * eps).all() and (relative < 2.1 * eps).all()
    assert 0.3 < np.mean(moved > kernel) < 0.7
