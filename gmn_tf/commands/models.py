"""`gmn-tf inspect` and `gmn-tf check`: one model, looked at."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_tf.commands import console

_LARGEST_EXACT = 2**53
_Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A .keras file, or a whole model saved as .h5; with --architecture, its weights (.weights.h5).",
    ),
]
_TrainableOnly = Annotated[
    bool,
    typer.Option("--trainable-only", help="Leave running statistics and other non-trainable weights out."),
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command("inspect")(inspect)
    app.command("check")(check)


def inspect(
    model: _Model,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also draw the graph into this PNG file.")
    ] = None,
    trainable_only: _TrainableOnly = False,
    architecture: console.Architecture = None,
    as_json: console.Json = False,
) -> None:
    """Show what the parameter graph of MODEL is: its nodes and edges by layer, every weight accounted for.

    The file is loaded in Keras' safe mode: no code from it is run, Lambda layers are refused.
    """
    console.start_tensorflow()
    from gmn_tf.graph.parameter_graph import ParameterGraph

    loaded = _load(model, architecture)
    graph = ParameterGraph.from_keras(loaded, trainable_only=trainable_only)
    facts = _facts(graph)
    if plot is not None:
        plot.parent.mkdir(parents=True, exist_ok=True)
        graph.plot(plot, values=graph.values(loaded))
        facts["plot"] = str(plot)
    if as_json:
        console.print_json({"model": str(model), **facts})
        return
    print(graph.summary())
    print(
        f"\n{facts['weights_in_model']:,} weights in the model: {facts['num_parameters']:,} on edges, "
        f"{facts['left_out']:,} left out (non-trainable); {facts['state']:,} integers of state kept aside."
    )
    if plot is not None:
        print(f"Drawn to {plot}.")


def check(
    model: _Model,
    architecture: console.Architecture = None,
    as_json: console.Json = False,
) -> None:
    """Check on MODEL itself that its parameter graph is sound.

    Weights are permuted by sampled automorphisms of the graph, and the model must compute the same function;
    its weights must come back from the graph bit for bit. Exit code 1 when one of the two fails, or when the
    model computes too roughly to tell; what counts as rounding is measured on MODEL itself.
    """
    console.start_tensorflow()
    from gmn_tf.convert.check import check_symmetry

    report: Any = check_symmetry(_load(model, architecture))
    if as_json:
        facts = {**report.as_dict(), "log10_group_order": math.log10(report.group_order)}
        if report.group_order > _LARGEST_EXACT:  # programs that read JSON keep numbers as doubles
            del facts["group_order"]
        console.print_json({"file": str(model), **facts})
    else:
        print(report)
    if not report.passed:
        raise typer.Exit(1)


def _load(path: Path, architecture: Path | None) -> Any:
    from gmn_tf.convert.load import load_keras_model
    from gmn_tf.convert.weights_files import WeightsReader
    from gmn_tf.graph.layout import set_weights

    if architecture is None:
        return load_keras_model(path)
    model = load_keras_model(architecture)
    set_weights(model, WeightsReader(model)(path))
    return model


def _facts(graph: Any) -> dict[str, Any]:
    import numpy as np

    from gmn_tf.graph import schema

    def counts(column: Any, names: Any) -> dict[str, int]:
        kinds, sizes = np.unique(column, return_counts=True)
        return {names(int(kind)).name.lower(): int(size) for kind, size in zip(kinds, sizes, strict=True)}

    state = sum(spec.size for spec in graph.layout.specs if spec.is_state)
    return {
        "num_nodes": graph.num_nodes,
        "num_edges": graph.num_edges,
        "num_layers": graph.num_layers,
        "num_parameters": graph.num_parameters,
        "weights_in_model": graph.layout.size,
        "left_out": graph.layout.size - graph.num_parameters,
        "state": state,
        "nodes_by_type": counts(graph.nodes[schema.TYPE], schema.NodeType),
        "edges_by_type": counts(graph.edges[schema.TYPE], schema.EdgeType),
    }
