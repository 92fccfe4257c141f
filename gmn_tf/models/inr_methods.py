"""The methods that classify INRs, and those that represent them; tables of `gmn_tf.models.registry`."""

from __future__ import annotations

from typing import Any

from gmn_tf.models.method import FIT, GRAPH, Method

_CLASSES: dict[str, Any] = {
    "channels": 1,
    "augment": {
        "rotation": 15,
        "translation": 0.1,
        "scaling": 0.15,
        "shear": 0.15,
        "contrast": 0.1,
        "noise": 0.005,
        "signs": 0.5,
    },
    "batch_size": 32,
    "patience": 0,
    "epochs": 30,
}
"""INRs moved a little in every epoch, which is exact, in other signs, with a little noise on top: a SIREN of
omega 30 magnifies noise, 0.005 changes what it shows by 7 % (root mean square), 0.02 by 27 %
(scripts/compare_inrs.py)."""

_CLASSIFIERS = (
    Method(
        name="gmn",
        title="graph metanetwork",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024",
        settings=_CLASSES,
        model={"symmetry": "sign", "readout_outputs": True},
    ),
    Method(
        name="gmn_transformer",
        title="graph metanetwork, transformer",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024; Ma et al. 2023 (GRIT)",
        settings=_CLASSES,
        model={"block": "transformer", "symmetry": "sign", "readout_outputs": True},
    ),
    Method(
        name="gmn_probes",
        title="graph metanetwork with 16 probes",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024; Kofinas et al. 2024",
        settings=_CLASSES,
        model={"symmetry": "sign", "readout_outputs": True, "num_probes": 16, "sine_frequency": 30.0},
    ),
    Method(
        name="nfn",
        title="NFN-NP",
        kind=GRAPH,
        target="gmn_tf.models.neural_functional:NeuralFunctional",
        source="Zhou et al. 2023",
        settings=_CLASSES,
        model={"num_layers": 3, "width": 32, "max_taps": 1, "num_places": 3},
    ),
    Method(
        name="mlp",
        title="MLP on flattened weights",
        kind=GRAPH,
        target="gmn_tf.models.flat_mlp:FlatMLP",
        source="Zhou et al. 2023, section 4.2",
        settings=_CLASSES,
        model={"hidden_dim": 64},
    ),
    Method(
        name="statnn",
        title="StatNN, trees",
        kind=FIT,
        target="gmn_tf.tasks.statnn_classifier:StatNNClassifier",
        source="Unterthiner et al. 2020",
    ),
)

CLASSIFIERS: dict[str, Method] = {entry.name: entry for entry in _CLASSIFIERS}
"""The methods that classify networks, the metanetwork first."""

_VIEWS: dict[str, Any] = {
    "channels": 1,
    "augment": {"noise": 0.005, "dropout": 0.01, "signs": 0.5},
    "batch_size": 128,
    "patience": 0,
    "epochs": 30,
}
"""What two views of a network may differ in: nothing that changes amplitude or frequency of a wave by much.
Either changes what a wave's INR shows by 12 to 14 % (root mean square), four times as much noise by 56 %
(scripts/compare_inrs.py)."""

_REPRESENTING: dict[str, Any] = {
    "symmetry": "sign",
    "readout_outputs": True,
    "readout_dim": 64,
    "readout_members": 2,
    "readout_dropout_rate": 0.0,
}
"""256 features: what is read linearly is wider than what answers are read from."""

_REPRESENTATIONS = (
    Method(
        name="gmn",
        title="graph metanetwork",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024, section 5.3",
        settings=_VIEWS,
        model=_REPRESENTING,
    ),
    Method(
        name="gmn_probes",
        title="graph metanetwork with 16 probes",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024; Kofinas et al. 2024",
        settings=_VIEWS,
        model={**_REPRESENTING, "num_probes": 16, "sine_frequency": 30.0},
    ),
    Method(
        name="gmn_untrained",
        title="graph metanetwork, untrained",
        kind=GRAPH,
        target="gmn_tf.models.graph_metanetwork:GraphMetanetwork",
        source="Lim et al. 2024",
        settings={**_VIEWS, "epochs": 1, "learning_rate": 1e-12},  # its random start is what is judged
        model=_REPRESENTING,
    ),
    Method(
        name="nfn",
        title="NFN-NP",
        kind=GRAPH,
        target="gmn_tf.models.neural_functional:NeuralFunctional",
        source="Zhou et al. 2023",
        settings=_VIEWS,
        model={"num_layers": 3, "width": 32, "max_taps": 1, "num_places": 3, "dropout_rate": 0.0},
    ),
    Method(
        name="mlp",
        title="MLP on flattened weights",
        kind=GRAPH,
        target="gmn_tf.models.flat_mlp:FlatMLP",
        source="Navon et al. 2023, section 6",
        settings=_VIEWS,
        model={"hidden_dim": 64, "dropout_rate": 0.0},
    ),
    Method(
        name="statistics",
        title="statistics of the weights, nothing learnt",
        kind=FIT,
        target="gmn_tf.tasks.statistic_features:StatisticFeatures",
        source="Unterthiner et al. 2020",
    ),
)

REPRESENTATIONS: dict[str, Method] = {entry.name: entry for entry in _REPRESENTATIONS}
"""The methods that represent networks without labels, the metanetwork first."""
