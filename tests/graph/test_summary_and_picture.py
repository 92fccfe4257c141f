"""What people see of a graph: the table and the picture."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import cnn, mlp

from gmn_tf import ParameterGraph
from gmn_tf.errors import RunError
from gmn_tf.graph import picture
from gmn_tf.graph.summary import layer_rows, summary

PNG = b"\x89PNG\r\n\x1a\n"


def test_rows_add_up_to_the_graph():
    graph = ParameterGraph.from_keras(cnn())
    rows = layer_rows(graph)
    assert [row["layer"] for row in rows] == list(range(graph.num_layers))
    assert sum(row["nodes"] for row in rows) == graph.num_nodes
    assert sum(row["edges"] for row in rows) == graph.num_edges
    assert sum(row["parameters"] for row in rows) == graph.num_parameters
    # Convolution with relu: 3 channels and a bias node, 2 * 2 * 3 taps and 3 biases. The normalisation comes
    # after the activation, so it has 3 nodes of its own and 3 edges to them; 4 sources, 4 * 3 edges.
    assert [(r["nodes"], r["edges"]) for r in rows] == [(1, 0), (3 + 1, 12 + 3), (3 + 4, 3 + 12), (3, 8)]
    assert rows[1]["types"] == {"conv": 12, "bias": 3}
    norms = {f"norm_{kind}": 3 for kind in ("scale", "shift", "mean", "variance")}
    assert rows[2]["types"] == {**norms, "identity": 3}
    assert rows[0]["name"] == "inputs" and "Conv2D" in rows[1]["name"] and "Dense" in rows[3]["name"]


def test_the_table_says_what_is_in_the_graph():
    text = summary(ParameterGraph.from_keras(mlp(name="tiny")))
    assert "'tiny'" in text and "every float weight is on an edge" in text
    assert "linear 6, bias 3" in text and "Dense" in text
    assert max(map(len, text.splitlines())) <= 110
    assert "6 weights left out" in ParameterGraph.from_keras(cnn(), trainable_only=True).summary()


@pytest.mark.parametrize("in_full", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_picture_is_written_whole(tmp_path, monkeypatch, in_full, weighted):
    if not in_full:
        monkeypatch.setattr(picture, "LARGEST_IN_FULL", (1, 1))
    model = cnn()
    graph = ParameterGraph.from_keras(model)
    path = tmp_path / "graph.png"
    graph.plot(path, values=graph.values(model) if weighted else None)
    content = path.read_bytes()
    assert content.startswith(PNG) and len(content) > 5000
    assert [p.name for p in tmp_path.iterdir()] == ["graph.png"], "nothing half-written stays"


def test_a_picture_shows_something(tmp_path):
    from matplotlib.image import imread

    graph = ParameterGraph.from_keras(mlp())
    graph.plot(tmp_path / "g.png")
    pixels = imread(tmp_path / "g.png")
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 20


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(RunError, match=r"received 'g\.jpg' .*ends in \.png"):
        ParameterGraph.from_keras(mlp()).plot(tmp_path / "g.jpg")
    assert not list(tmp_path.iterdir())
