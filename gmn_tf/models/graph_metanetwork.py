"""GraphMetanetwork: a Keras model from parameter graphs to one answer per network or per parameter."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.graph import schema
from gmn_tf.layers.canonical_values import canonical_ratios, canonical_values, symmetry_names
from gmn_tf.layers.dense_layers import check_dense_layers
from gmn_tf.layers.edge_encoder import EdgeEncoder
from gmn_tf.layers.edge_stream import Columns, EdgeStream, default_chunk_size
from gmn_tf.layers.group_encoder import GroupEncoder
from gmn_tf.layers.group_statistics import NUM_STATISTICS, group_statistics
from gmn_tf.layers.groups import GROUP, EdgeGroups, edge_groups
from gmn_tf.layers.host_stream import HostStream
from gmn_tf.layers.label_normalizer import LabelNormalizer, stepped
from gmn_tf.layers.label_statistics import LabelStatistics
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.node_encoder import NodeEncoder
from gmn_tf.layers.probes import ProbeFeatures, num_sweeps
from gmn_tf.layers.readout import GroupReadout
from gmn_tf.layers.recomputing_stream import RecomputingStream
from gmn_tf.layers.topology import topology
from gmn_tf.models.adaptation import training_moments
from gmn_tf.models.arguments import arguments
from gmn_tf.models.options import STATES, check, make_blocks, states_are_written
from gmn_tf.models.presets import preset
from gmn_tf.models.smallest import smallest_graph
from gmn_tf.models.streaming import edge_progress


@tf.keras.utils.register_keras_serializable(package=PACKAGE)
class GraphMetanetwork(tf.keras.Model):
    """Graph metanetwork on parameter graphs (Lim et al., ICLR 2024, section 2.3).

    Its answer per network does not change when the network's neurons are permuted, and its answers per
    edge are permuted with them. It is built (has its weights) as soon as it is made.

    ```python
    model = gmn_tf.GraphMetanetwork(1, num_blocks=3, node_dim=32, edge_dim=32)
    model.adapt(training_graphs)
    logits = model(graph)                               # [components, 1]
    ```

    Args:
        units: width of the answer; logits, nothing is applied to them.
        output: "graph" for one answer per component, "edge" for one per edge.
        block: "message_passing" (`MetanetworkBlock`), or "transformer" for attention along the edges
            (`TransformerBlock`), which has no `reduce_type`.
        num_blocks: rounds of edge and node updates.
        node_dim, edge_dim, message_dim: widths of the states and of the messages.
        directions: "both" for messages along and against the edges, "forward" for along alone.
        reduce_type: how a node reduces its messages: "mean", "sum", "fan_in", "max" or "attention", or
            several joined by "|".
        num_heads: heads of "attention" and of the transformer.
        global_dim: width of the global state, 0 for none.
        use_layer_normalization, dropout_rate: in every block.
        symmetry: symmetries of the input networks beyond permutation that are taken out of their values
            first (`canonical_values`, which says where and within which limits): "scale" for hidden neurons
            that end with ReLU or leaky ReLU, "sign" for tanh and sine, "scale|sign" for both, None.
        num_channels: channels of the edge feature `value`.
        bundled: whether several channels are parallel edges in one (the taps of a kernel), rather than
            several facts of one parameter; the statistics of the readout then pool them.
        num_frequencies: sine and cosine pairs of the value that join its encoder's input.
        num_probes: learnt inputs that are run through the input networks, on their graphs; what a node says
            to them joins its features (`ProbeFeatures`). For networks of dense layers alone, MLPs and INRs;
            other graphs are refused by `adapt` and by eager calls, and not looked at in compiled ones.
        sine_frequency: factor of the argument of their sines at the probes, 30 for most SIRENs; the graph
            does not hold it.
        readout_dim, readout_heads: width and attention heads of the readout over layers.
        readout_outputs: whether the states of the network's outputs join it apart.
        readout_statistics: whether moments and quantiles of the values in each group join it.
        readout_dropout_rate, group_dropout_rate: in the readout alone, where a small training set is
            overfitted: of its hidden units, and of whole groups.
        readout_members: readouts with weights of their own on the same states; the answer is their
            mean, and each is taught by itself: in training the model returns [components,
            units * readout_members], the members' answers side by side.
        initial_step: for output="edge", a learnt factor of the answer that starts here, times the deviation
            that values of the edge's type and layer have in the training networks: an edit
            `weights + answer` starts small beside the weights it is added to. With a `symmetry` it is a
            change of the canonical values, carried back to the values as they are, so that networks that
            are the same function are the same function after it. None for none.
        max_layers, max_groups: room for layers and for (layer, type) groups per network; what is beyond
            is pooled together.
        num_indices, position_buckets: rows of the encoders' tables.
        edge_chunk_size: edges that are worked on at a time; their cheap intermediate results are computed
            anew in the backward pass instead of being kept. 0 takes all edges at once and keeps everything;
            None decides: chunks of a megabyte of states for a model compiled with `jit_compile=True` on
            processors, and wherever the states of a batch would take more than a gigabyte.
        recompute: True if the backward pass shall compute the products of a chunk anew as well, so that a
            step needs little more memory than one state per edge and block. "states" if states shall be
            computed anew, too, from the last ones kept: those of about the square root of all blocks. Both
            only where edges are taken in chunks.

    Call arguments:
        graph: scalar GraphTensor as of `gmn_tf.graph.tensor`, any number of components, the last of
            which may be padding: it touches no other. Fixed sizes make it compile under XLA.
    Call returns:
        float32 [num_components, units], the padding's row included (mask it), or [num_edges, units].
    """

    def __init__(
        self,
        units: int = 1,
        *,
        output: str = "graph",
        block: str = "message_passing",
        num_blocks: int = 3,
        node_dim: int = 32,
        edge_dim: int = 32,
        message_dim: int = 32,
        directions: str = "both",
        reduce_type: str = "mean",
        num_heads: int = 4,
        global_dim: int = 0,
        use_layer_normalization: bool = True,
        dropout_rate: float = 0.0,
        symmetry: str | None = None,
        num_channels: int = 1,
        bundled: bool = True,
        num_frequencies: int = 0,
        num_probes: int = 0,
        sine_frequency: float = 1.0,
        readout_dim: int = 32,
        readout_heads: int = 8,
        readout_outputs: bool = False,
        readout_statistics: bool = True,
        readout_dropout_rate: float = 0.3,
        group_dropout_rate: float = 0.0,
        readout_members: int = 1,
        initial_step: float | None = None,
        max_layers: int = 64,
        max_groups: int = 64,
        num_indices: int = 64,
        position_buckets: int = 12,
        edge_chunk_size: int | None = None,
        recompute: bool | str = False,
        **kwargs: Any,
    ) -> None:
        options = arguments(locals())
        super().__init__(**kwargs)
        check(options)
        self._settings: dict[str, Any] = options
        self._symmetries = symmetry_names(symmetry)
        self.bundled = bundled
        self.num_statistics = NUM_STATISTICS * (1 if bundled else num_channels)
        self.per_edge = output == "edge"
        self.num_channels, self.global_dim = num_channels, global_dim
        self.max_layers, self.max_groups = max_layers, max_groups
        # Under mixed precision neither weights as they come in nor answers are rounded.
        final = "float32" if tf.as_dtype(self.compute_dtype).size < 4 else None
        self._normalizer = LabelNormalizer(num_channels, max_layers=max_layers, dtype=final, name="values")
        self._node_encoder = NodeEncoder(node_dim, num_indices=num_indices, name="nodes")
        self._probes = None
        if num_probes:
            self._probes = ProbeFeatures(
                num_probes,
                num_inputs=num_indices,
                sine_frequency=sine_frequency,
                max_layers=max_layers,
                dtype=final,
                name="probes",
            )
        self._group_encoder = GroupEncoder(edge_dim, name="labels")
        self._edge_encoder = EdgeEncoder(
            edge_dim, num_frequencies=num_frequencies, position_buckets=position_buckets, name="edges"
        )
        self._blocks = make_blocks(options)
        self._statistics_normalizer = self._readout = self._edge_output = self._step = None
        if self.per_edge:
            self._edge_output = tf.keras.layers.Dense(units, dtype=final, name="edge_output")
            if initial_step is not None:
                start = tf.keras.initializers.Constant(initial_step)
                self._step = self.add_weight("step", (), initializer=start)
        else:
            if readout_statistics:
                self._statistics_normalizer = LabelNormalizer(
                    self.num_statistics, max_layers=max_layers, dtype=final, name="statistics"
                )
            self._readout = [
                GroupReadout(
                    units,
                    hidden_dim=readout_dim,
                    num_heads=readout_heads,
                    dropout_rate=readout_dropout_rate,
                    group_dropout_rate=group_dropout_rate,
                    outputs=readout_outputs,
                    dtype=final,
                    name="readout" if readout_members == 1 else f"readout_{member}",
                )
                for member in range(readout_members)
            ]
        self(smallest_graph(num_channels))

    @classmethod
    def from_preset(cls, size: str, /, units: int = 1, **kwargs: Any) -> GraphMetanetwork:
        """A metanetwork of a named size: "tiny", "small" or "paper" (`gmn_tf.models.presets`).

        Args:
            size: which one.
            units, kwargs: as of the class; they win over the preset's.

        Raises:
            SchemaError: there is no such preset.
        """
        return cls(units, **{**preset(size), **kwargs})

    def get_config(self) -> dict[str, Any]:
        own = dict(self._settings)
        if not own["readout_outputs"]:  # runs that were made before do not name it
            del own["readout_outputs"]
        return {"name": self.name, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> GraphMetanetwork:
        return cls(**config)

    def call(self, graph: tfgnn.GraphTensor, training: bool | None = None) -> tf.Tensor:
        return self._answer(graph, self._divide(graph), training)

    def represent(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Answers per network, and the last hidden layers they are read from: [num_components, units],
        [num_components, readout_members * 2 * readout_dim]; one pass, without dropout."""
        state = self._states(graph, self._divide(graph))
        hidden = [readout.represent(state) for readout in self._readout or ()]
        answers = [member.answer(h) for member, h in zip(self._readout or (), hidden, strict=True)]
        return tf.add_n(answers) / len(answers), tf.concat(hidden, axis=-1)

    def call_streaming(
        self, graph: tfgnn.GraphTensor, *, chunk_size: int = 65536, progress: bool = True
    ) -> np.ndarray:
        """The same answers with bounded memory: one state per edge is held, everything else per chunk.

        For networks of tens of millions of weights. Not differentiable, not to be traced.

        Args:
            graph: as of `call`.
            chunk_size: edges worked on at a time.
            progress: whether a bar shows how many edges are done.

        Returns:
            float32 [num_components, units], or [num_edges, units].
        """
        readouts = 2 * len(self._readout or ())
        passes = 1 + sum(block.num_passes for block in self._blocks) + readouts
        if self._probes is not None:
            passes += int(num_sweeps(graph))
        total = passes * int(graph.edge_sets[schema.EDGE_SET].total_size)
        with edge_progress(total, show=progress) as advance:
            divide = functools.partial(HostStream.of, chunk_size=chunk_size, advance=advance)
            return np.asarray(self._answer(graph, divide))

    def _answer(
        self,
        graph: tfgnn.GraphTensor,
        make_stream: Callable[[Columns], EdgeStream],
        training: bool | None = None,
    ) -> tf.Tensor:
        state = self._states(graph, make_stream)
        if self._edge_output is not None:
            answer = self._edge_output(state[2].stream.unpad(state[1]))
            answer = stepped(answer, graph, self._step, self._normalizer)
            if self._step is None or not self._symmetries:
                return answer
            ratios = canonical_ratios(graph, self._symmetries, max_layers=self.max_layers)
            return tf.math.divide_no_nan(answer, tf.cast(ratios, answer.dtype))
        answers = [readout(state) for readout in self._readout or ()]
        return tf.concat(answers, axis=-1) if training else tf.add_n(answers) / len(answers)

    def _states(
        self, graph: tfgnn.GraphTensor, make_stream: Callable[[Columns], EdgeStream]
    ) -> tuple[Any, ...]:
        """What a readout takes: final states, and what they are pooled by."""
        if tf.executing_eagerly():
            self._check(graph)
        edge_set = graph.edge_sets[schema.EDGE_SET]
        groups = self.groups(graph)
        labels = self._group_encoder(groups)
        raw_values = self._values(graph)
        values = self._normalizer((edge_set[schema.TYPE], edge_set[schema.LAYER], raw_values))
        columns = {GROUP: groups.of_edge, **self._edge_encoder.columns(graph)}
        shape = topology(graph, columns, make_stream)
        probes = None if self._probes is None else self._probes((graph, shape, raw_values))
        nodes = self._node_encoder(graph, probes)
        edges = self._edge_encoder((shape.stream, labels, values))
        context = tf.zeros([shape.num_components, self.global_dim], nodes.dtype) if self.global_dim else None
        for index, block in enumerate(self._blocks):
            if isinstance(shape.stream, RecomputingStream) and states_are_written(index, len(self._blocks)):
                seen = dataclasses.replace(shape, stream=shape.stream.writing())
            else:
                seen = shape
            nodes, edges, context = block(((nodes, edges, context), seen))
        statistics = None
        if self._statistics_normalizer is not None:
            raw = group_statistics(groups, raw_values, bundled=self.bundled)
            statistics = self._statistics_normalizer((groups.type, groups.layer, raw))
            statistics = tf.math.asinh(statistics)
        return nodes, edges, shape, groups, labels, statistics

    def _divide(self, graph: tfgnn.GraphTensor) -> Callable[[Columns], EdgeStream]:
        num_edges = graph.edge_sets[schema.EDGE_SET][schema.TYPE].shape[0]
        stream = RecomputingStream if self._settings["recompute"] == STATES else EdgeStream
        return functools.partial(stream.of, chunk_size=self._chunk_size(num_edges))

    def _chunk_size(self, num_edges: int | None) -> int:
        chosen = self._settings["edge_chunk_size"]
        if chosen is not None:
            return chosen
        width = self._settings["edge_dim"]
        size = default_chunk_size(width)
        if num_edges is None or num_edges < 4 * size or tf.config.list_logical_devices("GPU"):
            return 0
        return size if self.jit_compile or 4 * width * num_edges > 2**30 else 0

    def groups(self, graph: tfgnn.GraphTensor) -> EdgeGroups:
        """The (component, layer, type) groups of a graph's edges, as this model counts them."""
        return edge_groups(graph, max_layers=self.max_layers, max_groups=self.max_groups)

    def _check(self, graph: tfgnn.GraphTensor) -> None:
        """Refuses an eager graph that this model cannot read."""
        if self._probes is not None:
            check_dense_layers(graph)

    def _values(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        if not self._symmetries:
            return graph.edge_sets[schema.EDGE_SET][schema.VALUE]
        return canonical_values(graph, self._symmetries, max_layers=self.max_layers)

    def adapt(self, graphs: Iterable[Any]) -> None:
        """Sets the normalisation of values, and of group statistics, from training graphs; one pass.

        Args:
            graphs: GraphTensors, of which every component counts, or tuples (graph, ..., weight) as
                `fit` takes them, of which the components count whose weight [components] is not 0:
                so padding is left out by its weight.
        """
        values = LabelStatistics(self.num_channels, max_layers=self.max_layers)
        statistics = LabelStatistics(self.num_statistics, max_layers=self.max_layers)
        training_moments(
            graphs,
            values_of=self._values,
            groups_of=self.groups,
            check=self._check,
            bundled=self.bundled,
            values=values,
            statistics=statistics,
        )
        self.adapt_statistics(values.count, values.mean, values.variance)
        if self._statistics_normalizer is not None:
            moments = (statistics.count, statistics.mean, statistics.variance)
            self._statistics_normalizer.set_statistics(*moments)

    def adapt_statistics(self, count: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
        """Sets the normalisation of values alone, from moments per (type, layer).

        Args:
            count: [types, max_layers], mean, variance: [types, max_layers, channels], as
                `gmn_tf.layers.label_statistics.LabelStatistics` collects them; of canonical values where
                the model has a `symmetry`.
        """
        self._normalizer.set_statistics(count, mean, variance)
