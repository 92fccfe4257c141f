"""Ranking checkpoints: the order, the pick, and what it costs."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from small_exports import convolutional, weights

import gmn_tf
from gmn_tf import cli
from gmn_tf.errors import ModelFileError, RunError
from gmn_tf.ranking import Ranking
from gmn_tf.zoo.data import load_data
from gmn_tf.zoo.measure import accuracy


@pytest.fixture(scope="module")
def judge(_judge):
    return gmn_tf.load(_judge)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with five checkpoints of one run, of weights alone, and the model beside it."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    folder.mkdir()
    rng = np.random.default_rng(0)
    model = convolutional(rng)
    model.save(folder.parent / "model.keras")
    models = []
    for number in range(5):
        flat, values = weights(model, rng), []
        for variable in model.weights:
            values.append(flat[: variable.value.numpy().size].reshape(variable.shape))
            flat = flat[variable.value.numpy().size :]
        model.set_weights(values)
        model.save_weights(folder / f"epoch-{number}.weights.h5")
        models.append(keras.models.clone_model(model))
        models[-1].set_weights(values)
    return folder, folder.parent / "model.keras", models


def ranking(measured, predicted=None):
    n = len(measured)
    predicted = np.linspace(0.9, 0.1, n) if predicted is None else predicted
    paths = [Path(f"{number}.keras") for number in range(n)]
    return Ranking(paths, np.float32(predicted), measured=np.array(measured, float))


def test_regret_and_tau_by_hand():
    """Picked .6 where .9 was to be had; the first two hold .8, the first three .9."""
    found = ranking([0.6, 0.8, 0.9, 0.1])
    assert found.picked == Path("0.keras")
    np.testing.assert_allclose(found.regret, 0.3)
    np.testing.assert_allclose(found.regrets, [0.3, 0.1, 0.0, 0.0], atol=1e-12)
    # Of the six pairs three agree, (.6, .1), (.8, .1), (.9, .1).
    np.testing.assert_allclose(found.tau, (3 - 3) / 6, atol=1e-12)
    assert ranking([0.5]).tau is None and ranking([0.5, 0.5]).tau is None
    np.testing.assert_allclose(ranking([0.9, 0.8, 0.7]).tau, 1.0)


def test_random_regrets_are_those_of_all_draws():
    measured = [0.3, 0.9, 0.1, 0.55, 0.9]
    expected = [
        0.9 - np.mean([max(draw) for draw in itertools.combinations(measured, k)]) for k in range(1, 6)
    ]
    np.testing.assert_allclose(ranking(measured).random_regrets, expected, atol=1e-12)
    many = ranking(np.random.default_rng(0).uniform(size=3000)).random_regrets
    assert np.isfinite(many).all() and np.all(np.diff(many) <= 1e-12) and many[-1] == 0


def test_checkpoints_of_weights_alone(checkpoints, judge):
    folder, architecture, models = checkpoints
    answers = judge(models)
    found = gmn_tf.rank(folder, judge, architecture=architecture)
    order = np.argsort(-answers)
    assert [path.name for path in found.paths] == [f"epoch-{number}.weights.h5" for number in order]
    np.testing.assert_allclose(found.predicted, answers[order], rtol=1e-5)
    np.testing.assert_allclose(found.distance, judge.predict(models).distance[order], rtol=1e-3)
    assert found.picked == found.paths[0] and len(found.verdicts) == 5
    assert found.measured is None and found.regret is None and found.tau is None
    with pytest.raises(RunError, match="knows no measured accuracies"):
        found.plot(folder / "x.png")


def test_files_that_cannot_be_judged_are_left_out(checkpoints, judge, tmp_path):
    _, architecture, models = checkpoints
    models[0].save(tmp_path / "a.keras")
    models[1].save_weights(tmp_path / "b.weights.h5")
    (tmp_path / "c.keras").write_text("not a model")
    diverged = keras.models.clone_model(models[2])
    diverged.set_weights([np.full_like(w, np.nan) for w in models[2].get_weights()])
    diverged.save(tmp_path / "d.keras")
    (tmp_path / "notes.txt").write_text("not looked at")
    found = gmn_tf.rank(str(tmp_path), judge)
    assert found.paths == [tmp_path / "a.keras"]
    reasons = {path.name: reason for path, reason in found.skipped.items()}
    assert reasons.keys() == {"b.weights.h5", "c.keras", "d.keras"}
    assert "without an architecture" in reasons["b.weights.h5"] and "NaN" in reasons["d.keras"]
    listed = gmn_tf.rank([tmp_path / "a.keras", tmp_path / "b.weights.h5"], judge, architecture=architecture)
    assert len(listed.paths) == 2 and not listed.skipped
    with pytest.raises(ModelFileError, match=r"c\.keras"):
        gmn_tf.rank([tmp_path / "c.keras", tmp_path / "d.keras"], judge)


def test_measured_on_data_and_from_a_table_alike(checkpoints, judge, tmp_path):
    folder, architecture, models = checkpoints
    data = load_data("digits")
    measured = np.array([accuracy(model, data) for model in models])
    assert np.ptp(measured) > 0
    on_data = gmn_tf.rank(folder, judge, architecture=architecture, data="digits")
    numbers = [int(path.name[6]) for path in on_data.paths]
    np.testing.assert_allclose(on_data.measured, measured[numbers])
    np.testing.assert_allclose(on_data.regret, measured.max() - measured[numbers[0]])
    table = tmp_path / "measured.csv"
    rows = [f"epoch-{number}.weights.h5,{value}" for number, value in enumerate(measured)]
    table.write_text("\n".join(["file,test_accuracy", *rows]))
    from_table = gmn_tf.rank(folder, judge, architecture=architecture, measured=table)
    np.testing.assert_allclose(from_table.measured, on_data.measured)
    assert from_table.tau == on_data.tau
    given = gmn_tf.rank(sorted(folder.iterdir()), judge, architecture=models[0], data="digits")
    np.testing.assert_allclose(given.measured, on_data.measured)
    on_data.plot(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    table.write_text("\n".join(["file,test_accuracy", *rows[1:]]))
    with pytest.raises(RunError, match=r"no measured accuracy of epoch-0\.weights\.h5"):
        gmn_tf.rank(folder, judge, architecture=architecture, measured=table)


def test_what_cannot_be_ranked_is_refused(checkpoints, judge, tmp_path):
    folder, _, _ = checkpoints
    with pytest.raises(RunError, match=r"holds no \.keras"):
        gmn_tf.rank(tmp_path, judge)
    with pytest.raises(RunError, match="is no folder"):
        gmn_tf.rank(tmp_path / "none", judge)
    with pytest.raises(RunError, match="one of them"):
        gmn_tf.rank(folder, judge, measured={}, data="digits")


def test_the_command(checkpoints, _judge, tmp_path, monkeypatch, capsys):
    folder, architecture, _ = checkpoints

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["gmn-tf", "rank", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    arguments = [folder, "--model", _judge, "--architecture", architecture]
    code, out, _ = command(*arguments)
    assert code == 0 and "Picked without data" in out and "regret" not in out
    figure = tmp_path / "rank.png"
    code, out, _ = command(*arguments, "--data", "digits", "--plot", figure)
    assert code == 0 and "a random pick costs" in out and f"Drawn in {figure}" in out and figure.exists()
    code, out, _ = command(*arguments, "--data", "digits", "--json")
    facts = json.loads(out)
    assert code == 0 and facts["picked"] == facts["networks"][0]["file"] and len(facts["networks"]) == 5
    assert (
        facts["regret"]
        == max(row["measured"] for row in facts["networks"]) - facts["networks"][0]["measured"]
    )
    assert {"predicted", "distance", "range"} <= facts["networks"][0].keys() and facts["skipped"] == []
    code, _, err = command(*arguments, "--plot", figure)
    assert code == 2 and "--plot without measured" in err
