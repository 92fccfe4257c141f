"""Every method of the registry keeps the registry's contract."""

from __future__ import annotations

import inspect

import pytest

import gmn_tf  # noqa: F401  (sets the environment before TensorFlow starts)
from gmn_tf.errors import RunError
from gmn_tf.models.registry import METHODS, Method, method

GRAPH = [name for name, entry in METHODS.items() if entry.on_graphs]
FIT = [name for name, entry in METHODS.items() if not entry.on_graphs]
MATCHED = 0.1
"""By how much the parameters of two methods may differ and still be called about equal."""


def build(entry: Method):
    from gmn_tf.training.settings import Settings

    settings = Settings.of(entry.name)
    return entry.load()(
        1, output="graph", num_channels=settings.channels, name="metanetwork", **settings.model
    )


def test_the_metanetwork_comes_first():
    assert next(iter(METHODS)) == "gmn"
    assert all(name == entry.name for name, entry in METHODS.items())
    assert len({entry.title for entry in METHODS.values()}) == len(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_arguments_of_the_class(name):
    entry = method(name)
    assert set(entry.model) <= entry.arguments()
    assert not entry.arguments() & {"units", "output", "num_channels", "seed", "name", "self", "kwargs"}
    assert entry.source


@pytest.mark.parametrize("name", FIT)
def test_fitted_methods_have_their_interface(name):
    cls = method(name).load()
    for function, names in {
        "fit": ["self", "zoo", "indices", "validation"],
        "predict": ["self", "zoo", "indices"],
        "get_state": ["self"],
        "from_state": ["state"],
    }.items():
        found = list(inspect.signature(getattr(cls, function)).parameters)
        assert found[: len(names)] == names
    made = cls(seed=3)
    assert made.settings == {} and made.history == [] and made.num_parameters == 0


@pytest.mark.parametrize("name", GRAPH)
def test_models_on_graphs_are_built_at_once_and_from_their_configuration(name):
    model = build(method(name))
    assert model.built and model.weights and callable(model.adapt)
    twin = method(name).load().from_config(model.get_config())
    shapes = [[tuple(v.shape) for v in each.weights] for each in (model, twin)]
    assert shapes[0] == shapes[1]


def test_models_on_graphs_have_about_as_many_parameters_as_the_metanetwork():
    from gmn_tf.training.summary import num_parameters

    counts = {name: num_parameters(build(method(name))) for name in GRAPH}
    for name, count in counts.items():
        assert abs(count / counts["gmn"] - 1) < MATCHED, counts | {"of": name}


def test_an_unknown_method_is_refused():
    with pytest.raises(RunError, match=r"received the method 'magic', expected one of gmn, deepsets"):
        method("magic")
