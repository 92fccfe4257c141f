"""The Small CNN Zoo's format: layout, selection, splits without leakage, round trip; on files made here."""

from __future__ import annotations

import csv
import gzip
import random

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.zoo import small_cnn_format as layout
from gmn_tf.zoo import small_cnn_splits
from gmn_tf.zoo.opening import open_zoo
from gmn_tf.zoo.small_cnn_zoo import SmallCNNZoo, write

RUNS, STEPS = 20, (0, 1, 86)
COUNT = RUNS * len(STEPS)


def _folder(path, *, runs=RUNS, steps=STEPS, modeldir="/logs/{run}/permanent_ckpt-{step}", **changes):
    """Random checkpoints in the published format, run by run; even runs are ReLU, odd ones tanh."""
    rng = np.random.default_rng(0)
    run, step = np.repeat(np.arange(runs), len(steps)), np.tile(steps, runs)
    metrics = {
        "config.activation": np.where(run % 2 == 0, "relu", "tanh"),
        "config.dataset": np.full(len(run), "digits"),
        "config.dropout": np.round(run / 100, 2),
        "config.optimizer": np.array(["sgd", "adam", "rmsprop"])[run % 3],
        "config.image_size": np.full(len(run), 8),
        "modeldir": [modeldir.format(run=r, step=s) for r, s in zip(run, step, strict=True)],
        "step": step,
        "test_accuracy": np.round(rng.random(len(run)), 4),
    } | changes
    weights = rng.normal(size=(len(run), layout.NUM_PARAMETERS)).astype(np.float32)
    layout.write(path, [weights[:7], weights[7:]], len(run), metrics)
    return path, weights, metrics


@pytest.fixture
def published(tmp_path):
    return _folder(tmp_path / "published")


def test_the_layout_is_the_published_one(published):
    """Boundaries as the paper's notebook has them: bias, kernel of each layer."""
    path, _, _ = published
    with (path / "layout.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    spans = [(int(row["start_idx"]), int(row["end_idx"])) for row in rows]
    assert spans == [
        *((0, 16), (16, 160), (160, 176), (176, 2480)),
        *((2480, 2496), (2496, 4800), (4800, 4810), (4810, 4970)),
    ]
    assert rows[1]["varname"] == "sequential/conv2d/kernel:0" and rows[1]["shape"] == "(3, 3, 1, 16)"
    assert list(rows[0]) == ["varname", "start_idx", "end_idx", "size", "shape"]
    with gzip.open(path / "metrics.csv.gz", "rt") as stream:
        names = next(csv.reader(stream))
    assert tuple(names[:22]) == layout.METRICS_COLUMNS and names[22:] == ["config.image_size"]


def test_weights_are_stored_biases_first(published):
    path, weights, _ = published
    stored = np.load(path / "weights.npy")
    np.testing.assert_array_equal(stored[3, 16:160], weights[3, :144])  # first kernel
    np.testing.assert_array_equal(stored[3, :16], weights[3, 144:160])  # first bias
    np.testing.assert_array_equal(stored[3, 4800:4810], weights[3, 4960:])  # last bias


def test_final_checkpoints_with_the_interface_of_a_zoo(published):
    path, weights, metrics = published
    zoo = SmallCNNZoo.load(path)
    assert len(zoo) == RUNS and len(zoo.architectures) == 2
    assert set(zoo.table["step"]) == {86} and set(zoo.table["family"]) == {"small_cnn"}
    np.testing.assert_array_equal(zoo.table["activation"], ["relu"] * 10 + ["tanh"] * 10)
    for index in range(len(zoo)):
        run = int(zoo.table["run"][index].rpartition("/")[2])
        row = run * len(STEPS) + 2
        np.testing.assert_array_equal(zoo.flat(index), weights[row])
        assert zoo.table["test_accuracy"][index] == pytest.approx(metrics["test_accuracy"][row])
        assert zoo.table["dropout_rate"][index] == pytest.approx(run / 100)
    for architecture, activation in enumerate(("relu", "tanh")):
        numbers, stored = zoo.flat_weights(architecture)
        np.testing.assert_array_equal(numbers, np.flatnonzero(zoo.table["activation"] == activation))
        assert stored.shape == (10, 4970) and stored.dtype == np.float32 and not stored.flags.writeable
        model = zoo.template(architecture)
        assert model.count_params() == 4970 and model.input_shape == (None, 8, 8, 1)
        assert [layer.activation.__name__ for layer in model.layers if "conv" in layer.name] == [
            activation
        ] * 3
    assert zoo.model(3).get_weights()[0].shape == (3, 3, 1, 16)
    np.testing.assert_array_equal(
        np.concatenate([w.ravel() for w in zoo.model(12).get_weights()]), zoo.flat(12)
    )
    dropouts = [layer.rate for layer in zoo.model(12).layers if "dropout" in layer.name]
    assert dropouts == pytest.approx([float(zoo.table["dropout_rate"][12])] * 3)


def test_splits_are_over_runs_in_nfn_s_shares(published):
    path, _, _ = published
    zoo = SmallCNNZoo.load(path, steps=STEPS)
    assert len(zoo) == COUNT
    for run in set(zoo.table["run"]):
        assert len(set(zoo.table["split"][zoo.table["run"] == run])) == 1
    counts = {split: len(zoo.indices(split)) for split in ("train", "validation", "test", "none")}
    assert counts == {"train": 8 * 3, "validation": 2 * 3, "test": 10 * 3, "none": 0}
    assert zoo.settings == ("all", "low_data")
    other = SmallCNNZoo.load(path, steps=STEPS, seed=1)
    assert np.any(other.table["split"] != zoo.table["split"])


def test_filters_do_not_move_networks_between_splits(published):
    path, _, _ = published
    whole = SmallCNNZoo.load(path)
    split_of = dict(zip(whole.table["run"], whole.table["split"], strict=True))
    relu = SmallCNNZoo.load(path, activation="relu", optimizer=["sgd", "adam"])
    assert set(relu.table["activation"]) == {"relu"} and set(relu.table["optimizer"]) == {"sgd", "adam"}
    assert len(relu.architectures) == 1
    for run, split in zip(relu.table["run"], relu.table["split"], strict=True):
        assert split_of[run] == split
    assert set(SmallCNNZoo.load(path, dropout=0.03).table["run"]) == {"/logs/3"}


@pytest.mark.parametrize("first_line", [True, False])
def test_nfn_split_files(published, first_line):
    path, _, _ = published
    order = np.random.default_rng(5).permutation(COUNT)
    lines = [0, *order] if first_line else list(order)
    (path / "digits_split.csv").write_text("".join(f"{row}\n" for row in lines))
    zoo = SmallCNNZoo.load(path)
    # As the published code draws them: final checkpoints in the order of the file, the second half for test.
    finals = [int(row) // 3 for row in order if row % 3 == 2]
    first = list(range(10))
    random.Random(0).shuffle(first)
    by_hand = {
        "test": {finals[i] for i in range(10, 20)},
        "train": {finals[i] for i in first[:8]},
        "validation": {finals[i] for i in first[8:]},
    }
    for split, runs in by_hand.items():
        assert {int(zoo.table["run"][i].rpartition("/")[2]) for i in zoo.indices(split)} == runs
    assert zoo.manifest["selection"]["split_file"]
    elsewhere = SmallCNNZoo.load(path, split_file=path / "digits_split.csv", steps=[1, 86])
    for run in set(elsewhere.table["run"]):
        assert len(set(elsewhere.table["split"][elsewhere.table["run"] == run])) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (range(COUNT - 1), f"has {COUNT - 1} lines that do not name each of the {COUNT} checkpoints once"),
        ([1, *range(COUNT)], "lines that do not name each"),
        ([*range(COUNT - 1), "x"], "is damaged"),
    ],
)
def test_wrong_split_files_are_refused(published, lines, message):
    path, _, _ = published
    (path / "split.csv").write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(ZooError, match=message):
        SmallCNNZoo.load(path)


def test_two_split_files_want_a_choice(published):
    path, _, _ = published
    for name in ("split.csv", "mnist_split.csv"):
        small_cnn_splits.write(path / name, np.arange(COUNT))
    with pytest.raises(ZooError, match=r"several split files \(split.csv, mnist_split.csv\)"):
        SmallCNNZoo.load(path)
    assert len(SmallCNNZoo.load(path, split_file=path / "split.csv")) == RUNS


def test_runs_without_a_final_checkpoint_are_in_no_split(tmp_path):
    steps = np.tile(STEPS, RUNS)
    steps[2] = 80  # run 0 stopped early
    path, _, _ = _folder(tmp_path / "a", step=steps)
    assert len(SmallCNNZoo.load(path)) == RUNS - 1
    zoo = SmallCNNZoo.load(path, steps=[0, 86])
    assert list(zoo.table["run"][zoo.indices("none")]) == ["/logs/0"]


def test_a_run_in_two_splits_is_refused(tmp_path):
    path, _, _ = _folder(tmp_path / "a", modeldir="one")
    small_cnn_splits.write(path / "split.csv", np.arange(COUNT))
    with pytest.raises(ZooError, match=r"final checkpoints of one run .* in two splits"):
        SmallCNNZoo.load(path)


def test_what_is_not_finite_is_left_out_and_counted(tmp_path):
    path, _, metrics = _folder(tmp_path / "a")
    accuracies = metrics["test_accuracy"].copy()
    accuracies[5] = np.nan
    path, _, _ = _folder(tmp_path / "b", test_accuracy=accuracies)
    stored = np.load(path / "weights.npy", mmap_mode="r+")
    stored[8, 100] = np.inf
    stored.flush()
    zoo = SmallCNNZoo.load(path)
    assert len(zoo) == RUNS - 2 and zoo.manifest["counts"]["not_finite"] == 2
    assert not {"/logs/1", "/logs/2"} & set(zoo.table["run"])
    whole = SmallCNNZoo.load(tmp_path / "a")
    split_of = dict(zip(whole.table["run"], whole.table["split"], strict=True))
    assert all(
        split_of[run] == split for run, split in zip(zoo.table["run"], zoo.table["split"], strict=True)
    )


def test_round_trip_through_write(published, tmp_path):
    path, _, _ = published
    zoo = SmallCNNZoo.load(path, steps=[1, 86])
    again = SmallCNNZoo.load(write(zoo, tmp_path / "copy"), steps=[1, 86])
    for name in ("run", "step", "activation", "test_accuracy", "dropout_rate", "optimizer"):
        np.testing.assert_array_equal(again.table[name], zoo.table[name])
    for index in range(len(zoo)):
        np.testing.assert_array_equal(again.flat(index), zoo.flat(index))
    assert (tmp_path / "copy" / "split.csv").read_text().startswith("0\n")
    with pytest.raises(ZooError, match="not an empty folder"):
        write(zoo, tmp_path / "copy")


def test_other_zoos_are_not_written(small_zoo, tmp_path):
    with pytest.raises(ZooError, match=r"has weights of shapes .*gmn-tf zoo --family small_cnn_zoo"):
        write(small_zoo, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_graph_and_statistics_come_from_it(published):
    from gmn_tf.tasks.statistics import feature_table
    from gmn_tf.training.population import Population

    path, _, _ = published
    zoo = SmallCNNZoo.load(path)
    population = Population.from_zoo(zoo, zoo.indices("validation"))
    assert len(population) == 2 and set(population.num_edges) == {4970}
    columns = feature_table(zoo, zoo.indices("train"))
    kernel = zoo.weights(int(zoo.indices("train")[0]))[6]
    assert columns["kernel/-0/mean"][0] == pytest.approx(kernel.mean(), rel=1e-5)


def test_open_zoo_takes_either(published, small_zoo):
    path, _, _ = published
    assert type(open_zoo(path)) is SmallCNNZoo
    chosen = open_zoo(f"{path}?activation=relu&steps=1,86&seed=3")
    assert set(chosen.table["activation"]) == {"relu"} and set(chosen.table["step"]) == {1, 86}
    assert chosen.manifest["selection"]["seed"] == 3
    assert len(open_zoo(small_zoo.path)) == len(small_zoo)
    with pytest.raises(ZooError, match='leave out "\\?activation=relu"'):
        open_zoo(f"{small_zoo.path}?activation=relu")
    with pytest.raises(ZooError, match='Received the selection "steps=last"'):
        open_zoo(f"{path}?steps=last")
    with pytest.raises(ZooError, match="is not a zoo"):
        open_zoo(path / "none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 5}, r"No checkpoint has step=\[5\]: the column holds 0, 1, 86"),
        ({"activation": "gelu"}, "No checkpoint has activation='gelu': the column holds relu, tanh"),
        ({"colour": "red"}, 'Unknown column "colour": expected one of activation'),
        ({"dropout": "much"}, "Received dropout='much', expected numbers"),
    ],
)
def test_selections_that_make_no_sense_are_refused(published, arguments, message):
    path, _, _ = published
    with pytest.raises(ZooError, match=message):
        SmallCNNZoo.load(path, **arguments)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-2000])


def _replace_array(path, array):
    np.save(path, array)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "layout.csv").unlink(), "layout.csv is missing"),
        (lambda path: (path / "weights.npy").unlink(), "weights.npy is missing or damaged"),
        (lambda path: _cut(path / "weights.npy"), "weights.npy is missing or damaged"),
        (
            lambda path: _replace_array(path / "weights.npy", np.zeros((COUNT, 4969), "f4")),
            "holds float32 of",
        ),
        (lambda path: _replace_array(path / "weights.npy", np.zeros((0, 4970), "f4")), "holds no networks"),
        (lambda path: _replace_array(path / "weights.npy", np.zeros((3, 4970), "f4")), "60 rows, expected 3"),
        (lambda path: (path / "metrics.csv.gz").write_bytes(b"no gzip"), "metrics.csv.gz is damaged"),
        (
            lambda path: (path / "metrics.csv.gz").write_bytes(gzip.compress(b"step,modeldir\n1,a\n")),
            "lacks the columns config.activation, test_accuracy",
        ),
        (
            lambda path: (path / "layout.csv").write_text(
                (path / "layout.csv").read_text().replace("(16, 10)", "(10, 16)")
            ),
            "describes a network with weights of shapes",
        ),
        (
            lambda path: (path / "layout.csv").write_text(
                (path / "layout.csv").read_text().replace(",4810,4970,", ",4809,4969,")
            ),
            "does not cover the 4970 weights once each",
        ),
        (
            lambda path: (path / "layout.csv").write_text(
                (path / "layout.csv").read_text().replace("bias:0", "shift:0")
            ),
            "expected a kernel and a bias of every layer",
        ),
    ],
)
def test_damaged_folders_are_refused(published, damage, message):
    path, _, _ = published
    damage(path)
    with pytest.raises(ZooError, match=message):
        SmallCNNZoo.load(path)
