"""The scaling benchmark: figures of one small size, and what is made of them."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace

import pytest

from benchmarks import memory, scaling, scaling_report


def test_one_size(monkeypatch):
    monkeypatch.setattr(scaling, "_SECONDS", 0.0)
    monkeypatch.setattr(scaling, "_XLA", False)  # compiling takes longer than all else
    monkeypatch.setattr(scaling, "MODEL", {"num_blocks": 1, "node_dim": 4, "edge_dim": 4, "message_dim": 4})
    row = scaling.measure(300, mode="inference", chunk=None)
    assert row["edges"] == 2 * row["width"] ** 2 + 2 * row["width"] and row["width"] == 12
    assert row["difference"] <= 1e-4 and not row["disagrees"]
    assert row["seconds"] > 0 and row["increase_bytes"] >= 0


def test_tables_of_sizes_that_ran_and_one_that_did_not(tmp_path):
    rows = [
        {"mode": "inference", "asked": 10, "edges": 10, "seconds": 2.0},
        {"mode": "inference", "asked": 100, "edges": 100, "seconds": 10.0},
    ]
    rows = [{**row, "peak_bytes": 3e9, "increase_bytes": 1e9} for row in rows]
    rows.append({"mode": "training", "asked": 1000, "error": "more than 2 GB"})
    scaling_report.add_ratios(rows)
    assert [row["ratio"] for row in rows[:2]] == [2.0, 1.0]
    text = scaling_report.markdown({"model": {}, "chunk": None, "cores": 2, "rows": rows})
    assert "| inference | 100 | 10.000 | 100000000 | 1.00 |" in text
    assert "| training | 1,000 | more than 2 GB |" in text
    assert "- inference: within 1.41 times of 141421356 ns per edge, either way" in text
    scaling_report.plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_what_takes_too_much_memory_is_ended():
    row = scaling._in_a_process(300, "inference", Namespace(chunk=None, memory=0.001, seconds=60))
    assert row == {"error": "more than 0.001 GB"}


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_the_peak_is_the_process_own():
    """A process that held 200 MB for a moment, started by this one, which holds more already."""
    code = (
        "from benchmarks import memory\n"
        "before = memory.start_peak()\n"
        "del (held := bytearray(b'1') * 200_000_000)[:]\n"
        "print(before, memory.peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, increase = map(int, done.stdout.split())
    assert before < 50e6 < memory.peak()
    assert 190e6 < increase < 260e6
