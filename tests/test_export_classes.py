"""Exported classifiers: plain TensorFlow answers as the run does, and so does `gmn_tf.load`."""

from __future__ import annotations

import json
import subprocess
import sys

import gmn_tf  # noqa: F401  isort: skip

import numpy as np
import pytest
from made_up_inrs import ARCHITECTURE, write

from gmn_tf import export
from gmn_tf.errors import RunError
from gmn_tf.training.classify_task import ClassifyTask
from gmn_tf.training.evaluate_classes import evaluate_classes
from gmn_tf.training.fit import train
from gmn_tf.training.run import Run

_ELSEWHERE = """
import sys
import numpy as np
import tensorflow as tf
folder = sys.argv[1]
loaded = tf.saved_model.load(folder)
flat = tf.constant(np.load(folder + "/check/weights.npy"))
answer = loaded.signatures["weights"](weights=flat)
np.testing.assert_allclose(answer["probabilities"], np.load(folder + "/check/probabilities.npy"), atol=1e-5)
assert answer["distance"].shape == (4,)
assert not any(name.startswith(("gmn_tf", "tensorflow_gnn")) for name in sys.modules)
print("alike")
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    zoo = write(folder / "zoo")
    small = {"num_blocks": 1, "node_dim": 8, "edge_dim": 8, "message_dim": 8, "readout_dim": 8}
    train(
        ClassifyTask.of(zoo),
        zoo,
        folder / "run",
        epochs=2,
        augment={"noise": 0.02},
        progress=False,
        jit_compile=False,
        **small,
    )
    evaluate_classes(folder / "run", zoo, out=folder / "run" / "evaluation", samples=20)
    export.export(folder / "run", folder / "out", zoo=folder / "zoo", examples=4)
    return zoo, folder


def test_a_process_without_this_package_gets_the_same_answers(exported):
    command = [sys.executable, "-c", _ELSEWHERE, str(exported[1] / "out")]
    found = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert found.returncode == 0 and "alike" in found.stdout, found.stderr[-2000:]


@pytest.mark.parametrize("name", ["out", "run"])
def test_load_gives_a_classifier(exported, name, tmp_path):
    zoo, folder = exported
    classifier = export.load_classifier(folder / name)
    test = zoo.indices("test")[:3]
    expected = Run.load(folder / "run").predict(zoo, test)
    paths = []
    for number in test:
        model = ARCHITECTURE.keras_model()
        model.set_weights(ARCHITECTURE.weight_list(zoo.flat(int(number))))
        paths.append(tmp_path / f"{number}.keras")
        model.save(paths[-1])
    np.testing.assert_allclose(classifier(paths), expected, atol=1e-5)
    np.testing.assert_allclose(classifier(paths[0]), expected[0], atol=1e-5)
    found = classifier.predict(paths)
    np.testing.assert_array_equal(found.labels, expected.argmax(axis=1))
    assert (found.distance is not None) == (name == "out")
    assert classifier.predict_graphs([]).probabilities.shape == (0, 3)


def test_the_card_tells_what_it_is(exported):
    card = (exported[1] / "out" / "README.md").read_text()
    metadata = json.loads((exported[1] / "out" / "metadata.json").read_text())
    assert metadata["task"] == "classify" and metadata["distance"]["training_networks"] == 48
    figures = metadata["evaluations"][0]["figures"]["graph metanetwork"]
    for words in (
        "one of 3\nclasses",
        "48 INRs of the family `siren`",
        f"| graph metanetwork | {figures['accuracy']:.2%} |",
        "gmn-tf train classify --zoo ZOO",
        'loaded.signatures["weights"]',
    ):
        assert words in card, words
    assert "num_classes" not in card.partition("Training configuration")[0]


def test_other_kinds_are_refused(exported):
    with pytest.raises(
        RunError, match="classifies networks, expected a metanetwork that predicts accuracies"
    ):
        export.load_predictor(exported[1] / "out")
    with pytest.raises(RunError, match="classifies networks, expected a metanetwork that edits networks"):
        export.load_editor(exported[1] / "run")
