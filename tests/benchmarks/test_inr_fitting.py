"""The benchmark of fitting INRs, at a reduced size: it checks its answers and says which target it missed."""

from __future__ import annotations

import json

import pytest

from benchmarks import inr_fitting


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    code = inr_fitting.main(["--data", "digits", "--networks", "36", "--workers", "1", "--out", str(folder)])
    return (
        code,
        json.loads((folder / "inr_fitting.json").read_text()),
        (folder / "inr_fitting.md").read_text(),
    )


def test_it_writes_what_it_measured(report):
    code, figures, text = report
    assert figures["networks"] == 36 and figures["parameters"] == 1185
    assert figures["psnr_min"] >= 30.0
    assert figures["whole_per_second"] == pytest.approx(36 / figures["seconds"])
    assert figures["processor_seconds_per_network"] * 36 > 0
    assert code == int(figures["whole_per_second"] < 10.0)
    assert text.count("Target missed") == code


def test_a_table_that_keras_does_not_confirm_is_not_timed(tmp_path):
    from gmn_tf.inr.generate import generate_inr_zoo

    zoo = generate_inr_zoo(tmp_path / "zoo", size=12, steps=2, hidden=(3,), workers=1)
    inr_fitting.check(zoo)
    zoo.table["psnr"] = zoo.table["psnr"] + 1.0
    with pytest.raises(SystemExit, match="Keras shows"):
        inr_fitting.check(zoo)
