"""A parameter graph as a table: one row per operation."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gmn_tf.graph import schema
from gmn_tf.graph.parameter_graph import ParameterGraph


def layer_rows(graph: ParameterGraph) -> list[dict[str, Any]]:
    """Per layer number: name, nodes, edges, parameters, and edges by type."""
    nodes = np.bincount(graph.nodes[schema.LAYER], minlength=graph.num_layers)
    rows: list[dict[str, Any]] = [
        {
            "layer": number,
            "name": graph.layer_names.get(number, ""),
            "nodes": int(nodes[number]),
            "edges": 0,
            "parameters": 0,
            "types": Counter(),
        }
        for number in range(graph.num_layers)
    ]
    for block in graph.blocks:
        row = rows[block.layer]
        row["edges"] += block.size
        row["parameters"] += block.size if block.slot is not None else 0
        row["types"][schema.EdgeType(block.type).name.lower()] += block.size
    for row in rows:
        row["types"] = dict(row["types"])
    return rows


def summary(graph: ParameterGraph) -> str:
    """The table as text, 110 columns wide at most."""
    table = Table(title=f"Parameter graph of {graph.name!r}", title_justify="left")
    for name in ("layer", "nodes", "edges", "parameters"):
        table.add_column(name, justify="right")
    table.add_column("drawn by")
    table.add_column("edges by type")
    for row in layer_rows(graph):
        table.add_row(
            str(row["layer"]),
            f"{row['nodes']:,}",
            f"{row['edges']:,}",
            f"{row['parameters']:,}",
            row["name"],
            ", ".join(f"{kind} {count:,}" for kind, count in row["types"].items()),
        )
    table.add_section()
    left_out = graph.layout.size - graph.num_parameters
    note = f"{left_out:,} weights left out" if left_out else "every float weight is on an edge"
    table.add_row(
        "", f"{graph.num_nodes:,}", f"{graph.num_edges:,}", f"{graph.num_parameters:,}", "total", note
    )
    text = io.StringIO()
    Console(file=text, width=110).print(table)
    return text.getvalue()
