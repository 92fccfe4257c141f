"""The code in docs/parameter-graph.md runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gmn_tf.convert.converters  # noqa: F401  (what a test registers is forgotten, not these)
from gmn_tf.convert import registry
from gmn_tf.graph import schema

PAGE = Path(__file__).parents[2] / "docs" / "parameter-graph.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_code_runs(number, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_CONVERTERS", dict(registry._CONVERTERS))
    exec(compile(BLOCKS[number], f"{PAGE.name}[{number}]", "exec"), {"__name__": "docs"})
    if number == 0:
        printed = capsys.readouterr().out
        assert "11 nodes, 23 edges, 23 parameters" in printed and "\nsound" in printed
    if "ComputationGraph" in BLOCKS[number]:
        shown = [line[4:].rstrip() for line in PAGE.read_text().splitlines() if line.startswith("    ")]
        printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        assert len(printed) == 5 and set(printed) <= set(shown)


def test_there_is_code():
    assert len(BLOCKS) == 7
    for name in (
        "SetEquivariantDense",
        "register_converter",
        "ComputationGraph",
        "WeightsReader",
        "optimizer_slots",
    ):
        assert sum(name in block for block in BLOCKS) == 1


def test_the_table_of_labels_names_every_column():
    rows = re.findall(r"^\| (node|edge) \| `(\w+)` \|", PAGE.read_text(), flags=re.M)
    assert {name for on, name in rows if on == "node"} == {
        schema.TYPE,
        schema.LAYER,
        schema.INDEX,
        schema.ACTIVATION,
    }
    assert {name for on, name in rows if on == "edge"} == {
        schema.TYPE,
        schema.LAYER,
        schema.KERNEL_POSITION,
        schema.ENTRY_POSITION,
        schema.SLOT,
    }
