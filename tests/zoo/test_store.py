"""The store: what is written comes back; what is missing, empty, cut short or changed is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.zoo import files
from gmn_tf.zoo.plan import Plan
from gmn_tf.zoo.store import Zoo

SIZE, KERAS_FILES, SEED = 4, 2, 5  # of the fixture `small_zoo`


@pytest.fixture
def copy(small_zoo, tmp_path):
    path = tmp_path / "copy"
    shutil.copytree(small_zoo.path, path)
    return path


def _relist(path, name):
    """Makes the manifest agree with a file that was changed."""
    manifest = json.loads((path / files.MANIFEST).read_text())
    manifest["files"][name] = files.fingerprint(path / name)
    (path / files.MANIFEST).write_text(json.dumps(manifest))


def test_round_trip(small_zoo):
    zoo = Zoo.load(small_zoo.path)
    assert len(zoo) == SIZE + KERAS_FILES
    assert zoo.manifest["seed"] == SEED and zoo.manifest["data"]["name"] == "digits"
    assert zoo.manifest["counts"]["train"] == 2 and zoo.manifest["counts"]["none"] == KERAS_FILES
    assert zoo.table["test_accuracy"].dtype == np.float32
    assert sum(zoo.manifest["accuracy_histogram"]["counts"]) == len(zoo)
    seen = []
    for a in range(len(zoo.architectures)):
        numbers, weights = zoo.flat_weights(a)
        assert weights.dtype == np.float32 and not weights.flags.writeable
        assert weights.shape == (len(numbers), zoo.template(a).count_params())
        for number, row in zip(numbers, weights, strict=True):
            np.testing.assert_array_equal(zoo.flat(number), row)
            np.testing.assert_array_equal(np.concatenate([w.ravel() for w in zoo.weights(number)]), row)
            np.testing.assert_array_equal(
                np.concatenate([w.ravel() for w in zoo.model(number).get_weights()]), row
            )
        seen += list(numbers)
    assert sorted(seen) == list(range(len(zoo)))


def test_splits_are_those_of_the_plan_and_disjoint(small_zoo):
    plan = Plan.of_dict(small_zoo.manifest["plan"])
    np.testing.assert_array_equal(small_zoo.table["split"], plan.splits())
    parts = [small_zoo.indices(split) for split in ("train", "validation", "test", "none")]
    assert sorted(np.concatenate(parts)) == list(range(len(small_zoo)))
    with pytest.raises(ZooError, match='Unknown split "dev"'):
        small_zoo.indices("dev")


def test_models_carry_their_dropout_rate(small_zoo):
    rates = {}
    for index in range(len(small_zoo)):
        for layer in small_zoo.model(index).layers:
            if "dropout" in layer.name:
                rates[index] = layer.rate
    assert rates
    for index, rate in rates.items():
        assert rate == pytest.approx(float(small_zoo.table["dropout_rate"][index]))


def test_weights_are_copies(small_zoo):
    weights = small_zoo.weights(0)
    weights[0][:] = 9.0
    assert not np.any(small_zoo.weights(0)[0] == 9.0)


@pytest.mark.parametrize("index", [-1, 1000])
def test_numbers_out_of_range_are_refused(small_zoo, index):
    with pytest.raises(ZooError, match=f"No network {index}"):
        small_zoo.flat(index)
    with pytest.raises(ZooError, match=f"No architecture {index}"):
        small_zoo.template(index)


def test_what_is_no_zoo_is_refused(tmp_path):
    with pytest.raises(ZooError, match="no such folder"):
        Zoo.load(tmp_path / "none")
    with pytest.raises(ZooError, match=r"it has no manifest.json"):
        Zoo.load(tmp_path)


@pytest.mark.parametrize("name", ["weights-0001.npy", "table.csv", "architectures.json"])
def test_files_cut_short_are_refused(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ZooError, match=f"{name} was cut short"):
        Zoo.load(copy)


def test_changed_and_missing_files_are_refused(copy):
    path = copy / "weights-0000.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ZooError, match="checksum"):
        Zoo.load(copy)
    path.unlink()
    with pytest.raises(ZooError, match="is missing"):
        Zoo.load(copy)


def test_a_cut_manifest_is_refused(copy):
    path = copy / files.MANIFEST
    path.write_text(path.read_text()[:100])
    with pytest.raises(ZooError, match="is damaged"):
        Zoo.load(copy)


def test_another_version_is_refused(copy):
    manifest = json.loads((copy / files.MANIFEST).read_text())
    (copy / files.MANIFEST).write_text(json.dumps(manifest | {"format_version": 99}))
    with pytest.raises(ZooError, match="zoo format 99"):
        Zoo.load(copy)


def test_an_empty_zoo_is_refused(copy):
    table = copy / files.TABLE
    table.write_text(table.read_text().split("\n")[0] + "\n")
    _relist(copy, files.TABLE)
    with pytest.raises(ZooError, match="holds no networks"):
        Zoo.load(copy)


def test_a_table_that_does_not_fit_the_weights_is_refused(copy):
    table = copy / files.TABLE
    table.write_text("\n".join(table.read_text().split("\n")[:-2]) + "\n")
    _relist(copy, files.TABLE)
    manifest = json.loads((copy / files.MANIFEST).read_text())
    manifest["files"] = {name: f for name, f in manifest["files"].items() if not name.startswith("splits/")}
    (copy / files.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ZooError, match="does not fit the table"):
        Zoo.load(copy)


def test_a_zoo_of_no_classifiers_needs_no_accuracies(copy):
    table = copy / files.TABLE
    table.write_text(table.read_text().replace("test_accuracy", "psnr", 1))
    _relist(copy, files.TABLE)
    zoo = Zoo.load(copy)
    assert "test_accuracy" not in zoo.table
    assert zoo.table["psnr"].dtype == np.float32


def test_a_table_without_a_column_is_refused(copy):
    table = copy / files.TABLE
    table.write_text(table.read_text().replace("network,architecture", "number,architecture"))
    _relist(copy, files.TABLE)
    with pytest.raises(ZooError, match="lacks the columns network"):
        Zoo.load(copy)
