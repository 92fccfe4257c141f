"""Named sizes."""

from __future__ import annotations

import pytest

import gmn_tf
from gmn_tf.errors import SchemaError
from gmn_tf.models.presets import PRESETS


def trainable(model):
    return sum(int(weight.shape.num_elements()) for weight in model.trainable_weights)


def test_sizes_grow_and_the_paper_s_has_the_paper_s_number_of_parameters():
    counts = {name: trainable(gmn_tf.GraphMetanetwork.from_preset(name)) for name in PRESETS}
    assert counts["tiny"] < counts["small"] < counts["paper"]
    assert counts["paper"] == pytest.approx(750_000, rel=0.05)


def test_small_is_what_the_defaults_are():
    small, plain = gmn_tf.GraphMetanetwork.from_preset("small", name="a"), gmn_tf.GraphMetanetwork(name="a")
    assert small.get_config() == plain.get_config()


def test_arguments_win_over_the_preset():
    model = gmn_tf.GraphMetanetwork.from_preset("tiny", 3, output="edge", num_blocks=1)
    config = model.get_config()
    assert (config["units"], config["output"], config["num_blocks"], config["edge_dim"]) == (3, "edge", 1, 16)


def test_an_unknown_name_is_refused():
    with pytest.raises(SchemaError, match="received preset 'huge', expected one of tiny, small, paper"):
        gmn_tf.GraphMetanetwork.from_preset("huge")
