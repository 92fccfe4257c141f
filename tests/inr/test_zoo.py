"""INR zoos: what the table says is so, runs go on, splits keep images apart."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from gmn_tf.errors import InrError, ZooError
from gmn_tf.inr import parts, quality, targets
from gmn_tf.inr.coordinates import line
from gmn_tf.inr.generate import generate_inr_zoo
from gmn_tf.inr.plan import InrPlan
from gmn_tf.zoo import files
from gmn_tf.zoo.data import load_data
from gmn_tf.zoo.opening import open_zoo

SETTINGS = {
    "data": "digits",
    "size": 72,
    "seed": 3,
    "hidden": (6,),
    "per_image": 2,
    "validation": 5,
    "test": 6,
    "steps": 16,
    "learning_rate": 1e-2,
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return generate_inr_zoo(tmp_path_factory.mktemp("inrs") / "zoo", workers=1, **SETTINGS)


def test_the_table_says_what_keras_shows(zoo):
    images = targets.images_of(zoo)
    assert images.shape == (72, 8, 8, 1)
    points, values = targets.values_of(zoo)
    np.testing.assert_array_equal(values.reshape(images.shape), images)
    for index in (0, 30, 71):
        shown = zoo.model(index).predict_on_batch(points)
        assert quality.psnr(shown[np.newaxis], values[index : index + 1])[0] == pytest.approx(
            zoo.table["psnr"][index], abs=0.02
        )
    architecture = targets.architecture_of(zoo)
    assert architecture.hidden == (6,) and architecture.num_parameters == zoo.flat(0).size
    start = quality.psnr(architecture.render(architecture.initial(72, seed=3), points).numpy(), values)
    assert np.median(zoo.table["psnr"] - start) > 2 and zoo.table["steps"].max() == 16


def test_images_and_labels_are_those_of_the_data(zoo):
    data = load_data("digits")
    known = len(data.x_train)
    for index in (0, 17, 50):
        image, test = zoo.table["image"][index], zoo.table["split"][index] == "test"
        assert test == (image >= known)
        number = image - known if test else image
        images, labels = (data.x_test, data.y_test) if test else (data.x_train, data.y_train)
        np.testing.assert_array_equal(targets.images_of(zoo)[index], images[number])
        assert zoo.table["label"][index] == labels[number]


def test_no_image_is_in_two_splits(zoo):
    of_split = {
        split: set(zoo.table["image"][zoo.indices(split)]) for split in ("train", "validation", "test")
    }
    assert [len(found) for found in of_split.values()] == [25, 5, 6]
    assert len(set.union(*of_split.values())) == 36
    np.testing.assert_array_equal(zoo.table["image"][::2], zoo.table["image"][1::2])
    assert np.abs(zoo.flat(0) - zoo.flat(1)).max() > 0.01  # starts of their own


def test_it_is_a_zoo_like_others(zoo):
    again = open_zoo(zoo.path)
    assert again.settings == ("all", "low_data")
    np.testing.assert_array_equal(again.flat_weights(0)[1], zoo.flat_weights(0)[1])
    assert {path.name for path in zoo.path.iterdir()} == {
        "manifest.json",
        "splits",
        *(name for name in zoo.manifest["files"] if "/" not in name),
    }
    assert {"psnr.png", "pictures.png"} <= set(zoo.manifest["files"])
    assert zoo.manifest["recipe"]["image_shape"] == [8, 8, 1]


def test_a_stopped_run_goes_on_and_gives_the_same_zoo(zoo, tmp_path, monkeypatch):
    done = []

    def stopping(module, folder, plan, missing, workers):
        make = parts.maker(folder, plan)
        for part in missing:
            if len(done) == 1:
                raise ZooError("stopped")
            make(part)
            done.append(part)
            yield part

    path = tmp_path / "zoo"
    monkeypatch.setattr("gmn_tf.zoo.unfinished.made_parts", stopping)
    with pytest.raises(ZooError, match="stopped"):
        generate_inr_zoo(path, **SETTINGS)
    assert not path.exists() and done == [0]
    done[:] = [None, None]  # never 1 again
    generate_inr_zoo(path, **SETTINGS)
    assert done[2:] == [1, 2]
    for name in ("table.csv", "weights-0000.npy", "architectures.json", "splits/low_data.csv"):
        assert (path / name).read_bytes() == (zoo.path / name).read_bytes(), name
    assert not path.with_name("zoo.partial").exists()


def test_a_finished_zoo_is_opened_not_made_again(zoo):
    before = (zoo.path / files.MANIFEST).stat().st_mtime_ns
    generate_inr_zoo(zoo.path, **SETTINGS)
    assert (zoo.path / files.MANIFEST).stat().st_mtime_ns == before
    with pytest.raises(ZooError, match="holds a zoo of another recipe"):
        generate_inr_zoo(zoo.path, **(SETTINGS | {"recipe": "nfn"}))


def test_other_data_is_told(zoo, tmp_path):
    with pytest.raises(InrError, match="digits@4 is not the data"):
        targets.images_of(zoo, data="digits@4")
    other = tmp_path / "copy"
    shutil.copytree(zoo.path, other)
    manifest = json.loads((other / files.MANIFEST).read_text())
    del manifest["recipe"]["architectures"]
    (other / files.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InrError, match="is no zoo of INRs"):
        targets.images_of(open_zoo(other))


def test_waves_are_what_their_columns_say(tmp_path):
    zoo = generate_inr_zoo(
        tmp_path / "waves", data="sine@40", size=21, hidden=(4,), steps=8, workers=1, target_psnr=float("inf")
    )
    points, values = targets.values_of(zoo)
    np.testing.assert_array_equal(points, line(40, -np.pi, np.pi))
    a, b = zoo.table["amplitude"], zoo.table["frequency"]
    assert 0 < a.min() < 4 < a.max() < 10 and 0 < b.min() < 4 < b.max() < 10
    np.testing.assert_allclose(values[5, :, 0], a[5] * np.sin(b[5] * points[:, 0]), atol=1e-4)
    assert [len(zoo.indices(split)) for split in ("train", "validation", "test")] == [15, 3, 3]
    assert zoo.manifest["recipe"]["fit"]["target_psnr"] is None
    with pytest.raises(InrError, match="holds INRs of waves, expected images"):
        targets.images_of(zoo)


def test_several_architectures_have_equal_shares(tmp_path):
    settings = SETTINGS | {"size": 70, "hidden": [(6,), (5, 4), (3,)], "steps": 4}
    zoo = generate_inr_zoo(tmp_path / "zoo", workers=1, **settings)
    np.testing.assert_array_equal(zoo.table["architecture"], np.arange(70) % 3)
    points, values = targets.values_of(zoo)
    for index in (0, 1, 2, 68, 69):
        architecture = targets.architecture_of(zoo, int(zoo.table["architecture"][index]))
        assert architecture.hidden == settings["hidden"][index % 3]
        shown = zoo.model(index).predict_on_batch(points)
        np.testing.assert_allclose(
            architecture.render(zoo.flat(index)[np.newaxis], points)[0], shown, atol=1e-5
        )
        found = quality.psnr(shown[np.newaxis], values[index : index + 1])[0]
        assert found == pytest.approx(zoo.table["psnr"][index], abs=0.02)
        start = architecture.initial(1, seed=settings["seed"], first=index)[0]
        assert np.abs(zoo.flat(index) - start).max() < 4 * 1.1e-2  # four steps of Adam at 1e-2
    again = InrPlan.of_dict(zoo.manifest["plan"])
    assert again is not None and [a.hidden for a in again.architectures] == settings["hidden"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 2}, "INRs of at least 3 images"),
        ({"size": 71}, "expected a multiple of 2"),
        ({"test": 36}, "some left for training"),
        ({"size": 4000}, "images are needed and digits has"),
        ({"kind": "gabor"}, "Unknown kind"),
        ({"hidden": ()}, "expected one or more layers"),
        ({"hidden": [(4,), (4,)]}, "expected each list of units once"),
        ({"recipe": "x"}, "Unknown recipe"),
        ({"data": "cosine"}, 'Unknown data "cosine"'),
        ({"workers": 0}, "Received workers 0"),
    ],
)
def test_bad_arguments_are_refused_and_nothing_is_written(tmp_path, change, message):
    with pytest.raises((InrError, ZooError), match=message):
        generate_inr_zoo(tmp_path / "zoo", **(SETTINGS | change))
    assert list(tmp_path.iterdir()) == []
