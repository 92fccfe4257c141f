"""Generation: accuracies are Keras' own, runs can be stopped and continued, nothing is left half-written."""

from __future__ import annotations

import csv
import errno
import json

import keras
import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files, splits
from gmn_tf.zoo.families import FAMILIES
from gmn_tf.zoo.generate import generate_zoo
from gmn_tf.zoo.measure import accuracy
from gmn_tf.zoo.plan import Plan
from gmn_tf.zoo.store import Zoo

SIZE, KERAS_FILES, SEED = 4, 2, 5  # of the fixture `small_zoo`


def _content(path):
    return {p.name: p.read_bytes() for p in path.iterdir() if p.suffix in (".npy", ".csv", ".json")}


def test_recorded_accuracy_is_that_of_keras(small_zoo, digits):
    for index in range(len(small_zoo)):
        model = small_zoo.model(index)
        answers = np.argmax(model.predict(digits.x_test, verbose=0), axis=1)
        measured = np.mean(answers == digits.y_test)
        assert small_zoo.table["test_accuracy"][index] == pytest.approx(measured, abs=1e-6)
        assert accuracy(model, digits) == pytest.approx(measured, abs=1e-6)


def test_a_stopped_run_goes_on_and_gives_the_same_zoo(small_zoo, tmp_path):
    path = tmp_path / "zoo"
    seen = []

    def stop_after_two(done, total, text):
        seen.append(done)
        if len(seen) == 3:
            raise KeyboardInterrupt

    arguments = {"size": SIZE, "seed": SEED, "keras_files": KERAS_FILES, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        generate_zoo(path, progress=stop_after_two, **arguments)
    assert not path.exists()
    partial = path.with_name("zoo.partial")
    assert len(list(partial.glob("part-*.json"))) >= 2
    weights = next(iter(sorted(partial.glob("weights-*.npy"))))
    before = weights.stat().st_mtime_ns
    again = []
    generate_zoo(path, progress=lambda done, total, text: again.append(done), **arguments)
    assert again[0] >= seen[-1] and again[-1] == SIZE + KERAS_FILES
    assert (path / weights.name).stat().st_mtime_ns == before  # not trained again
    assert not partial.exists()
    expected, found = _content(small_zoo.path), _content(path)
    assert set(expected) == set(found)
    # The manifest lists checksums of .keras files, which hold the time they were written.
    manifests = [json.loads(content.pop(files.MANIFEST)) for content in (expected, found)]
    for manifest in manifests:
        manifest["files"] = {k: v for k, v in manifest["files"].items() if not k.startswith("keras/")}
    assert expected == found
    assert manifests[0] == manifests[1]


def test_a_finished_zoo_is_opened_not_made_again(small_zoo):
    told = []
    zoo = generate_zoo(
        small_zoo.path, size=SIZE, seed=SEED, keras_files=KERAS_FILES, progress=lambda *a: told.append(a)
    )
    assert told == [] and len(zoo) == len(small_zoo)


def test_keras_files_load_and_are_in_no_split(small_zoo, digits):
    with (small_zoo.path / "keras" / "accuracies.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == KERAS_FILES
    for row, index in zip(rows, small_zoo.indices("none"), strict=True):
        model = keras.models.load_model(small_zoo.path / "keras" / row["file"])
        assert accuracy(model, digits) == pytest.approx(float(row["test_accuracy"]), abs=1e-6)
        for ours, theirs in zip(small_zoo.weights(index), model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_other_content_is_refused(small_zoo, tmp_path):
    with pytest.raises(ZooError, match="another recipe, size, seed or data"):
        generate_zoo(small_zoo.path, size=SIZE, seed=SEED + 1, keras_files=KERAS_FILES)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ZooError, match="exists and is not a zoo"):
        generate_zoo(tmp_path, size=SIZE)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ZooError, match="exists and is not a zoo"):
        generate_zoo(tmp_path / "notes.txt", size=SIZE)


def test_an_unfinished_zoo_of_another_plan_is_refused(tmp_path, digits):
    partial = tmp_path / "zoo.partial"
    partial.mkdir()
    plan = Plan("cnn", "digits", digits.hash, 10, 0, 0)
    (partial / "plan.json").write_text(json.dumps(plan.to_dict()))
    with pytest.raises(ZooError, match="unfinished zoo of another"):
        generate_zoo(tmp_path / "zoo", size=11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 2}, "size 2: expected at least 3"),
        ({"size": 0}, "size 0"),
        ({"seed": -1}, "seed -1"),
        ({"keras_files": -1}, "keras_files -1"),
        ({"workers": 0}, "workers 0"),
        ({"family": "rnn"}, 'Unknown family "rnn"'),
        ({"data": "cifar"}, 'Unknown data "cifar"'),
    ],
)
def test_bad_arguments_are_refused_and_nothing_is_written(tmp_path, arguments, message):
    with pytest.raises(ZooError, match=message):
        generate_zoo(tmp_path / "zoo", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(ZooError, match=r"Cannot write .*weights.npy: No space left on device"):
        files.write_array(tmp_path / "weights.npy", np.zeros(3))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="Cannot write to"):
        generate_zoo(tmp_path / "file" / "zoo", size=3)


def test_accuracy_refuses_other_inputs(digits):
    with pytest.raises(ZooError, match="takes inputs of shape"):
        accuracy(keras.Sequential([keras.Input((4,)), keras.layers.Dense(10)]), digits)
    flat = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    with pytest.raises(ZooError, match="expected 10 class scores"):
        accuracy(flat, digits)


def test_zoo_has_its_settings(small_zoo):
    assert set(small_zoo.settings) >= {"all", "low_data"}
    assert set(small_zoo.indices("train", "low_data")) < set(small_zoo.indices("train"))


def test_zoo_is_complete(small_zoo):
    assert isinstance(small_zoo, Zoo)
    assert {p.name for p in small_zoo.path.iterdir()} == {
        *small_zoo.manifest["files"],
        "manifest.json",
        "keras",
        "splits",
    } - {name for name in small_zoo.manifest["files"] if "/" in name}


def test_settings_of_a_zoo_are_those_its_table_gives(small_zoo):
    expected = splits.make(small_zoo.table, seed=SEED)
    assert small_zoo.settings == tuple(expected)
    for name, found in expected.items():
        counts = small_zoo.manifest["settings"][name]
        for split in splits.SPLITS:
            np.testing.assert_array_equal(small_zoo.indices(split, name), np.flatnonzero(found == split))
            assert counts[split] == np.sum(found == split)


@pytest.mark.slow
def test_a_diverse_zoo_holds_every_family(tmp_path):
    zoo = generate_zoo(tmp_path / "zoo", family="diverse", size=28, workers=2)
    assert len(zoo.architectures) == len(FAMILIES)
    assert set(zoo.manifest["accuracy_histogram"]["families"]) == set(FAMILIES)
    assert "unseen_family" in zoo.settings and set(
        zoo.table["family"][zoo.indices("test", "unseen_family")]
    ) == {"vit"}
    for index in range(len(FAMILIES)):
        assert zoo.model(index).count_params() == zoo.table["num_parameters"][index]
