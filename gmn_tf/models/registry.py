"""The methods that learn from networks' weights, a table per task, by name: `method`, `methods`.

Tables of names and dotted paths, which import nothing until a method is loaded: a method that is added
is one entry. There are two kinds.

`GRAPH` methods are tf_keras models on GraphTensors with the interface of `GraphMetanetwork`: `(units, *,
output="graph", num_channels=1, ..., name)`, `adapt(graphs)`, a call on a (padded) batch that gives
[components, units] (or [edges, units] for output="edge"), `get_config`/`from_config`. `gmn_tf.training.fit`
trains them alike: same batches, same optimiser.

`FIT` methods read weights their own way: `(*, seed, ...)`, `fit(zoo, indices, *, validation)`, `predict(zoo,
indices)`, `get_state()` and the class's `from_state(arrays)`, which hold all that was learnt as plain arrays,
`num_parameters`, `history`, and `settings`, what was chosen on the validation networks. Constructor
arguments that carry the name of a training setting (epochs, batch_size, ...) are given its value.
"""

from __future__ import annotations

from typing import Any

from gmn_tf.errors import RunError
from gmn_tf.models.inr_methods import CLASSIFIERS, REPRESENTATIONS
from gmn_tf.models.method import FIT, GRAPH, Method

ACCURACY, EDIT, CLASSIFY, REPRESENT = "accuracy", "edit", "classify", "represent"
"""The tasks."""

_ALL = (
    Method(
        name="gmn",
        title="graph metanetwork",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024",
        # Statistics of each tap of a kernel apart, four readouts averaged.
        model={"bundled": False, "readout_members": 4},
    ),
    Method(
        name="deepsets",
        title="DeepSets",
        kind=GRAPH,
        target="gmn_tf.models.deepsets:DeepSets",
        source="Zaheer et al. 2017; Lim et al. 2024, section 5.1",
        # A set has no orientation: mirrored networks would be the same set.
        settings={"channels": 1, "augment": False},
    ),
    Method(
        name="dmc",
        title="DMC",
        kind=GRAPH,
        target="gmn_tf.models.dmc:DeepMetaClassifier",
        source="Eilertsen et al. 2020",
        model={"max_filters": 64},
    ),
    Method(
        name="weight_transformer",
        title="weight transformer",
        kind=GRAPH,
        target="gmn_tf.models.weight_transformer:WeightTransformer",
        source="Schürholt et al. 2024 (SANE)",
        model={"token_dim": 64, "num_blocks": 3},
    ),
    Method(
        name="nfn",
        title="NFN-NP",
        kind=GRAPH,
        target="gmn_tf.models.neural_functional:NeuralFunctional",
        source="Zhou et al. 2023",
        model={"width": 23},
    ),
    Method(
        name="statnn",
        title="StatNN, trees",
        kind=FIT,
        target="gmn_tf.tasks.statnn:StatNN",
        source="Unterthiner et al. 2020",
    ),
    Method(
        name="statnn_mlp",
        title="StatNN, MLP",
        kind=FIT,
        target="gmn_tf.tasks.statnn_mlp:StatNNMLP",
        source="Unterthiner et al. 2020",
        settings={"epochs": 60, "batch_size": 32},
    ),
    Method(
        name="probes",
        title="learnt probes",
        kind=FIT,
        target="gmn_tf.tasks.probes:Probes",
        source="Kahana et al. 2025 (ProbeGen)",
        settings={"epochs": 30, "batch_size": 32, "learning_rate": 1e-3},
    ),
)

METHODS: dict[str, Method] = {entry.name: entry for entry in _ALL}
"""The methods that predict accuracies, the metanetwork first."""

_EDITS: dict[str, Any] = {
    "channels": 1,
    "augment": False,  # mirroring weights does not mirror what an INR shows
    "batch_size": 8,
    "learning_rate": 0.01,
    "epochs": 8,
    "patience": 0,
}

_STEP = 0.02
"""Edits start small: a change of this many deviations of the layer's weights, times the answer."""

_GMN: dict[str, Any] = {"symmetry": "scale|sign", "num_indices": 8, "initial_step": _STEP}
"""The table has rows without the symmetry, which show what it is worth (docs/inrs.md)."""

_EDITORS = (
    Method(
        name="gmn",
        title="graph metanetwork",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024",
        settings=_EDITS,
        model={**_GMN, "num_blocks": 4},
    ),
    Method(
        name="gmn_transformer",
        title="graph metanetwork, transformer",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024; Ma et al. 2023 (GRIT)",
        settings=_EDITS,
        model={**_GMN, "block": "transformer"},
    ),
    Method(
        name="nfn",
        title="NFN-NP",
        kind=GRAPH,
        target="gmn_tf.models.neural_functional:NeuralFunctional",
        source="Zhou et al. 2023",
        settings=_EDITS,
        model={"num_places": 3, "num_indices": 8, "width": 16, "max_taps": 1, "initial_step": _STEP},
    ),
    Method(
        name="mlp",
        title="MLP on flattened weights",
        kind=GRAPH,
        target="gmn_tf.models.flat_mlp:FlatMLP",
        source="Zhou et al. 2023, section 4.3",
        settings={**_EDITS, "learning_rate": 0.003},
        model={"length": 1280, "hidden_dim": 24, "initial_step": _STEP},
    ),
    Method(
        name="unedited",
        title="unedited",
        kind=FIT,
        target="gmn_tf.tasks.editing:Unedited",
        source="none",
    ),
)

EDITORS: dict[str, Method] = {entry.name: entry for entry in _EDITORS}
"""The methods that edit networks, the metanetwork first."""

_TABLES: dict[str, dict[str, Method]] = {
    ACCURACY: METHODS,
    EDIT: EDITORS,
    CLASSIFY: CLASSIFIERS,
    REPRESENT: REPRESENTATIONS,
}


def methods(task: str = ACCURACY) -> dict[str, Method]:
    """All methods of a task by name, the metanetwork first."""
    return _TABLES[task]


def method(name: str, task: str = ACCURACY) -> Method:
    """The method of a task that is called `name`.

    Raises:
        RunError: there is none.
    """
    known = methods(task)
    if name not in known:
        raise RunError(f"received the method {name!r}, expected one of {', '.join(known)}")
    return known[name]


def is_method(name: str) -> bool:
    """Whether any task has a method of this name."""
    return any(name in table for table in _TABLES.values())
