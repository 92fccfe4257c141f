"""GraphMetanetwork: a Keras model from parameter graphs to one answer per network or per parameter."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.layers.canonical_values import canonical_values, symmetry_names
from gmn_tf.layers.edge_encoder import EdgeEncoder
from gmn_tf.layers.edge_stream import Columns, EdgeStream, default_chunk_size
from gmn_tf.layers.group_encoder import GroupEncoder
from gmn_tf.layers.group_statistics import NUM_STATISTICS, group_statistics
from gmn_tf.layers.groups import GROUP, EdgeGroups, edge_groups
from gmn_tf.layers.host_stream import HostStream
from gmn_tf.layers.label_normalizer import LabelNormalizer
from gmn_tf.layers.label_statistics import LabelStatistics
from gmn_tf.layers.names import PACKAGE
from gmn_tf.layers.node_encoder import NodeEncoder
from gmn_tf.layers.readout import GroupReadout
from gmn_tf.layers.topology import topology
from gmn_tf.models.block import MetanetworkBlock
from gmn_tf.models.presets import preset
from gmn_tf.models.smallest import smallest_graph
from gmn_tf.models.streaming import edge_progress
from gmn_tf.models.transformer_block import TransformerBlock

BLOCKS = ("message_passing", "transformer")


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
        readout_dim, readout_heads: width and attention heads of the readout over layers.
        readout_statistics: whether moments and quantiles of the values in each group join it.
        readout_dropout_rate, group_dropout_rate: in the readout alone, where a small training set is
            overfitted: of its hidden units, and of whole groups.
        readout_members: readouts with weights of their own on the same states; the answer is their
            mean, and each is taught by itself: in training the model returns [components,
            units * readout_members], the members' answers side by side.
        initial_step: for output="edge", a learnt factor of the answer that starts here, so that an
            edit `weights + answer` starts small; None for none.
        max_layers, max_groups: room for layers and for (layer, type) groups per network; what is beyond
            is pooled together.
        num_indices, position_buckets: rows of the encoders' tables.
        edge_chunk_size: edges that are worked on at a time; their cheap intermediate results are computed
            anew in the backward pass instead of being kept. 0 takes all edges at once and keeps everything;
            None decides: chunks of a megabyte of states for a model compiled with `jit_compile=True` on
            processors, and wherever the states of a batch would take more than a gigabyte.
        recompute: whether the backward pass computes the products of a chunk anew as well, so that a step
            needs little more memory than one state per edge and block.

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
        readout_dim: int = 32,
        readout_heads: int = 8,
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
        recompute: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if output not in ("graph", "edge"):
            raise SchemaError(f"received output={output!r}, expected 'graph' or 'edge'")
        if block not in BLOCKS:
            raise SchemaError(f"received block={block!r}, expected 'message_passing' or 'transformer'")
        if block == "transformer" and reduce_type not in ("mean", "attention"):
            raise SchemaError(
                f"received reduce_type={reduce_type!r} for block='transformer', which reduces by attention: "
                "leave reduce_type out"
            )
        if readout_members < 1:
            raise SchemaError(f"received readout_members={readout_members}, expected 1 or more")
        self._settings: dict[str, Any] = {
            "units": units,
            "output": output,
            "block": block,
            "num_blocks": num_blocks,
            "node_dim": node_dim,
            "edge_dim": edge_dim,
            "message_dim": message_dim,
            "directions": directions,
            "reduce_type": reduce_type,
            "num_heads": num_heads,
            "global_dim": global_dim,
            "use_layer_normalization": use_layer_normalization,
            "dropout_rate": dropout_rate,
            "symmetry": symmetry,
            "num_channels": num_channels,
            "bundled": bundled,
            "num_frequencies": num_frequencies,
            "readout_dim": readout_dim,
            "readout_heads": readout_heads,
            "readout_statistics": readout_statistics,
            "readout_dropout_rate": readout_dropout_rate,
            "group_dropout_rate": group_dropout_rate,
            "readout_members": readout_members,
            "initial_step": initial_step,
            "max_layers": max_layers,
            "max_groups": max_groups,
            "num_indices": num_indices,
            "position_buckets": position_buckets,
            "edge_chunk_size": edge_chunk_size,
            "recompute": recompute,
        }
        self._symmetries = symmetry_names(symmetry)
        if self._symmetries and num_channels > 1 and not bundled:
            raise SchemaError(
                f"received symmetry={symmetry!r} with num_channels={num_channels} of bundled=False, expected "
                "values that are weights alone: other facts of a weight do not scale as it does"
            )
        self.bundled = bundled
        self.num_statistics = NUM_STATISTICS * (1 if bundled else num_channels)
        self.per_edge = output == "edge"
        self.num_channels, self.global_dim = num_channels, global_dim
        self.max_layers, self.max_groups = max_layers, max_groups
        # Under mixed precision neither weights as they come in nor answers are rounded.
        final = "float32" if tf.as_dtype(self.compute_dtype).size < 4 else None
        self._normalizer = LabelNormalizer(num_channels, max_layers=max_layers, dtype=final, name="values")
        self._node_encoder = NodeEncoder(node_dim, num_indices=num_indices, name="nodes")
        self._group_encoder = GroupEncoder(edge_dim, name="labels")
        self._edge_encoder = EdgeEncoder(
            edge_dim, num_frequencies=num_frequencies, position_buckets=position_buckets, name="edges"
        )
        make_block: Callable[..., Any] = TransformerBlock
        if block == "message_passing":
            make_block = functools.partial(MetanetworkBlock, reduce_type=reduce_type)
        self._blocks = [
            make_block(
                node_dim=node_dim,
                edge_dim=edge_dim,
                message_dim=message_dim,
                directions=directions,
                num_heads=num_heads,
                global_dim=global_dim,
                use_layer_normalization=use_layer_normalization,
                dropout_rate=dropout_rate,
                recompute=recompute,
                edges_only=self.per_edge and index == num_blocks - 1,
                name=f"block_{index}",
            )
            for index in range(num_blocks)
        ]
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
        return {"name": self.name, **self._settings}

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
            return answer if self._step is None else tf.cast(self._step, answer.dtype) * answer
        answers = [readout(state) for readout in self._readout or ()]
        return tf.concat(answers, axis=-1) if training else tf.add_n(answers) / len(answers)

    def _states(self, graph: tfgnn.GraphTensor, make_stream: Callable[[Columns], EdgeStream]) -> tuple:
        """What a readout takes: final states, and what they are pooled by."""
        edge_set = graph.edge_sets[schema.EDGE_SET]
        groups = self.groups(graph)
        labels = self._group_encoder(groups)
        raw_values = self._values(graph)
        values = self._normalizer((edge_set[schema.TYPE], edge_set[schema.LAYER], raw_values))
        columns = {GROUP: groups.of_edge, **self._edge_encoder.columns(graph)}
        shape = topology(graph, columns, make_stream)
        nodes = self._node_encoder(graph)
        edges = self._edge_encoder((shape.stream, labels, values))
        context = tf.zeros([shape.num_components, self.global_dim], nodes.dtype) if self.global_dim else None
        for block in self._blocks:
            nodes, edges, context = block(((nodes, edges, context), shape))
        statistics = None
        if self._statistics_normalizer is not None:
            raw = group_statistics(groups, raw_values, bundled=self.bundled)
            statistics = self._statistics_normalizer((groups.type, groups.layer, raw))
            statistics = tf.math.asinh(statistics)
        return nodes, edges, shape, groups, labels, statistics

    def _divide(self, graph: tfgnn.GraphTensor) -> Callable[[Columns], EdgeStream]:
        num_edges = graph.edge_sets[schema.EDGE_SET][schema.TYPE].shape[0]
        return functools.partial(EdgeStream.of, chunk_size=self._chunk_size(num_edges))

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
        groups_of = tf.function(self._adaptation, reduce_retracing=True)
        for element in graphs:
            graph, weight = (element[0], element[-1]) if isinstance(element, tuple) else (element, None)
            arrays = [array.numpy() for array in groups_of(graph)]
            edge_component, edge_type, layer, value, count, group_type, group_layer, rows = arrays
            keep_edge, keep_group = np.ones(len(edge_type), bool), count > 0
            if weight is not None:
                real = np.asarray(weight).reshape(-1) != 0
                keep_edge = real[edge_component]
                keep_group &= np.repeat(real, self.max_groups)
            values.update(edge_type[keep_edge], layer[keep_edge], value[keep_edge])
            statistics.update(group_type[keep_group], group_layer[keep_group], rows[keep_group])
        if values.count.sum() == 0:
            raise SchemaError("received no edges to adapt to, expected at least one graph of positive weight")
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

    def _adaptation(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, ...]:
        edges = graph.edge_sets[schema.EDGE_SET]
        groups, values = self.groups(graph), self._values(graph)
        return (
            groups.of_edge // self.max_groups,
            edges[schema.TYPE],
            edges[schema.LAYER],
            values,
            groups.count,
            groups.type,
            groups.layer,
            group_statistics(groups, values, bundled=self.bundled),
        )
