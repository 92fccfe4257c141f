"""The table of presets, at a small size."""

from __future__ import annotations

import pytest

from benchmarks import presets


def test_a_preset_is_measured():
    row = presets.measure("tiny", networks=2, channels=2, readings=1)
    assert row["preset"] == "tiny" and row["edges"] > 0 and row["parameters"] > 10_000
    assert row["training_seconds"] > 0 and row["inference_seconds"] > 0


def test_ratios_are_to_small():
    rows = [
        {"preset": n, "parameters": 5, "edges": 1000, "training_seconds": t, "inference_seconds": t / 2}
        | {"added_bytes": 2_000_000}
        for n, t in (("tiny", 0.5), ("small", 1.0))
    ]
    text = presets.markdown(rows, 2)
    assert "| tiny | 5 | 2,000 | 2.00 | 4,000 | 2.00 | 0.00 | 2,000 |" in text
    assert "| small | 5 | 1,000 | 1.00 | 2,000 | 1.00 | 0.00 | 2,000 |" in text


def test_an_unknown_argument_is_refused():
    with pytest.raises(SystemExit):
        presets.main(["--sizes", "3"])
