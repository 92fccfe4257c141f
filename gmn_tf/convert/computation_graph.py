"""The computation graph: one node per activation, one edge per multiplication (Lim et al. 2024, section 2.2).

For small feed-forward models. A shared weight stands on an edge for every place where it is used, so the
graph grows with the input; the parameter graph has one edge for it. That is why parameter graphs exist.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, layers, tree
from keras.src.ops import core as core_ops

from gmn_tf.convert.from_keras import is_leaf, weight_layout
from gmn_tf.convert.registry import way_out
from gmn_tf.convert.trace import Call, trace
from gmn_tf.errors import ConversionError, UnsupportedLayerError
from gmn_tf.graph import schema
from gmn_tf.graph.layout import WeightLayout
from gmn_tf.graph.parameter_graph import ParameterGraph

_NOTHING = -1  # in arrays of node ids: padding, which no edge leaves
_Edges = list[tuple[Any, Any, Any, Any]]  # sources, targets, slots or -1, constants
_Draw = Callable[["_Drawing", Call], np.ndarray]
_CONVERTERS: dict[type, _Draw] = {}


@dataclasses.dataclass(frozen=True)
class _Step:
    """The nodes of one operation and the edges into them."""

    source: np.ndarray
    target: np.ndarray
    slot: np.ndarray  # -1 where the edge carries a constant
    constant: np.ndarray
    reduce: str  # "sum" or "max"
    nodes: np.ndarray  # ids, in the shape of the operation's result without batch
    activation: Callable[[Any], Any] | None


class ComputationGraph:
    """Computation graph of a small feed-forward Keras model.

    A node's value is its activation function applied to the sum (in maximum pooling the maximum) over
    its incoming edges of weight times source value. Node 0 is the constant 1 that biases are read from.

    Attributes:
        num_nodes, num_edges: its size.
        edges: int64 columns [num_edges]: source, target, slot (which scalar of the model's flat weights;
            equal slots mark a shared weight, -1 a constant).
        parameter_graph: the parameter graph of the same model.
    """

    def __init__(
        self,
        steps: list[_Step],
        *,
        num_nodes: int,
        inputs: list[np.ndarray],
        outputs: list[np.ndarray],
        layout: WeightLayout,
        parameter_graph: ParameterGraph,
    ) -> None:
        self._steps = steps
        self._inputs = inputs
        self._outputs = outputs
        self._layout = layout
        self.num_nodes = num_nodes
        self.num_edges = sum(step.source.size for step in steps)
        self.parameter_graph = parameter_graph
        self.edges = {
            name: np.concatenate([getattr(step, name) for step in steps] or [np.zeros(0, np.int64)])
            for name in (schema.SOURCE, schema.TARGET, schema.SLOT)
        }

    @classmethod
    def from_keras(cls, model: keras.Model) -> ComputationGraph:
        """The computation graph of a built Keras 3 model of known input sizes.

        Raises:
            UnsupportedLayerError: the model has a layer besides dense and convolutional ones, pooling,
                activations, sums, and rearrangements.
            ConversionError: an input has an axis of unknown size, or the model is not built.
        """
        if not isinstance(model, keras.Model):
            raise ConversionError(f"received {type(model).__name__}, expected a keras.Model (Keras 3)")
        graph = ParameterGraph.from_keras(model)
        if any(size is None for spec in model.inputs for size in spec.shape[1:]):
            raise ConversionError(
                f"model {model.name!r} has an input axis of unknown size; a computation graph has a node for "
                "each activation: build the model with sizes"
            )
        layout, offsets = weight_layout(model.weights)
        drawing = _Drawing(offsets)
        traced = trace(model, is_leaf, way_out)
        inputs = [drawing.new_nodes(tensor.shape[1:]) for tensor in traced.inputs]
        for tensor, ids in zip(traced.inputs, inputs, strict=True):
            drawing.values[id(tensor)] = ids
        for call in traced.calls:
            draw = next((_CONVERTERS[t] for t in type(call.operation).__mro__ if t in _CONVERTERS), None)
            if draw is None:
                raise UnsupportedLayerError(
                    f"{call.path!r} ({type(call.operation).__name__}) has no computation graph here, which "
                    "covers dense and convolutional layers, pooling, activations, sums and rearrangements; "
                    "its parameter graph: ParameterGraph.from_keras"
                )
            drawing.values[id(tree.flatten(call.outputs)[0])] = draw(drawing, call)
        return cls(
            drawing.steps,
            num_nodes=drawing.num_nodes,
            inputs=inputs,
            outputs=[drawing.values[id(tensor)] for tensor in traced.outputs],
            layout=layout,
            parameter_graph=graph,
        )

    def forward(self, weights: Any, inputs: Any) -> list[np.ndarray]:
        """The outputs, by passing messages along the edges.

        Args:
            weights: a model of this architecture or a list shaped like `model.get_weights()`.
            inputs: [batch, ...], or a list of them where the model has several.
        """
        flat = self._layout.flatten(weights.get_weights() if hasattr(weights, "get_weights") else weights)
        given = [np.asarray(x) for x in (inputs if isinstance(inputs, list | tuple) else [inputs])]
        values = np.zeros((self.num_nodes, len(given[0])))
        values[0] = 1.0
        for ids, array in zip(self._inputs, given, strict=True):
            values[ids.reshape(-1)] = array.reshape(len(array), -1).T
        for step in self._steps:
            weight = np.where(step.slot >= 0, flat[step.slot], step.constant)
            message = weight[:, None] * values[step.source]
            if step.reduce == "max":
                values[step.nodes.reshape(-1)] = -np.inf
                np.maximum.at(values, step.target, message)
            else:
                np.add.at(values, step.target, message)
            if step.activation is not None:
                result = values[step.nodes.reshape(-1)].T.reshape(-1, *step.nodes.shape)
                result = keras.ops.convert_to_numpy(step.activation(keras.ops.convert_to_tensor(result)))
                values[step.nodes.reshape(-1)] = result.reshape(len(result), -1).T
        return [values[ids.reshape(-1)].T.reshape(-1, *ids.shape) for ids in self._outputs]

    def summary(self) -> str:
        """Both graphs' sizes side by side."""
        parameter = self.parameter_graph
        uses, roles = (
            np.bincount(e[schema.SLOT][e[schema.SLOT] >= 0]) for e in (self.edges, parameter.edges)
        )
        rows = [
            ("", "computation graph", "parameter graph"),
            ("nodes", f"{self.num_nodes:,}", f"{parameter.num_nodes:,}"),
            ("edges", f"{self.num_edges:,}", f"{parameter.num_edges:,}"),
            ("parameters", f"{np.count_nonzero(uses):,}", f"{parameter.num_parameters:,}"),
            ("most edges of one parameter", f"{uses.max(initial=0):,}", f"{roles.max(initial=0):,}"),
        ]
        return "\n".join(f"{a:28s}{b:>18s}{c:>18s}" for a, b, c in rows)

    def __repr__(self) -> str:
        return f"<ComputationGraph: {self.num_nodes:,} nodes, {self.num_edges:,} edges>"


class _Drawing:
    """What converters draw on."""

    def __init__(self, offsets: dict[int, int]) -> None:
        self.num_nodes = 1  # node 0 is the constant 1
        self.steps: list[_Step] = []
        self.values: dict[int, np.ndarray] = {}
        self._offsets = offsets

    def new_nodes(self, shape: Any) -> np.ndarray:
        shape = tuple(int(n) for n in shape)
        self.num_nodes += math.prod(shape)
        return np.arange(self.num_nodes - math.prod(shape), self.num_nodes).reshape(shape)

    def slots(self, variable: keras.Variable) -> np.ndarray:
        shape = tuple(variable.shape)
        return self._offsets[id(variable)] + np.arange(math.prod(shape)).reshape(shape)

    def inputs(self, call: Call) -> list[np.ndarray]:
        tensors = [t for t in tree.flatten((call.args, call.kwargs)) if isinstance(t, KerasTensor)]
        if any(id(t) not in self.values for t in tensors):
            raise UnsupportedLayerError(
                f"{call.path!r} ({type(call.operation).__name__}) reads a variable or a constant outside of "
                "Keras layers, which computation graphs here do not cover; the parameter graph does"
            )
        return [self.values[id(t)] for t in tensors]

    def step(
        self,
        call: Call,
        edges: _Edges,
        nodes: np.ndarray,
        *,
        reduce: str = "sum",
        activation: Callable[[Any], Any] | None = None,
    ) -> np.ndarray:
        """Adds edges, each (sources, targets, slots or -1, constants) broadcast together, into `nodes`."""
        columns = [[a.reshape(-1) for a in np.broadcast_arrays(*part)] for part in edges]
        source, target, slot, constant = (np.concatenate(c) for c in zip(*columns, strict=True))
        real = source != _NOTHING
        self.steps.append(
            _Step(source[real], target[real], slot[real], constant[real], reduce, nodes, activation)
        )
        return nodes


def _computes(*classes: type) -> Callable[[_Draw], _Draw]:
    def register(draw: _Draw) -> _Draw:
        _CONVERTERS.update(dict.fromkeys(classes, draw))
        return draw

    return register


def _activation(layer: Any) -> Callable[[Any], Any] | None:
    return None if layer.activation is keras.activations.linear else layer.activation


@_computes(layers.Dense)
def _dense(drawing: _Drawing, call: Call) -> np.ndarray:
    layer: Any = call.operation
    (x,) = drawing.inputs(call)
    nodes = drawing.new_nodes((*x.shape[:-1], layer.units))
    edges: _Edges = [(x[..., :, None], nodes[..., None, :], drawing.slots(layer._kernel), 1.0)]
    if layer.bias is not None:
        edges.append((0, nodes, drawing.slots(layer.bias), 1.0))
    return drawing.step(call, edges, nodes, activation=_activation(layer))


@_computes(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def _convolution(drawing: _Drawing, call: Call) -> np.ndarray:
    layer: Any = call.operation
    _channels_last(call)
    (x,) = drawing.inputs(call)
    windows = _windows(x, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    nodes = drawing.new_nodes(call.outputs.shape[1:])
    kernel = drawing.slots(layer._kernel)  # [*kernel, channels of a group, filters]
    per_group, filters = kernel.shape[-2], kernel.shape[-1] // layer.groups
    rank = len(layer.kernel_size)
    edges: _Edges = []
    for group in range(layer.groups):
        read = windows[..., group * per_group : (group + 1) * per_group]
        out = slice(group * filters, (group + 1) * filters)
        target = nodes[..., out].reshape(*nodes.shape[:-1], *(1,) * (rank + 1), filters)
        edges.append((read[..., None], target, kernel[..., out], 1.0))
    if layer.bias is not None:
        edges.append((0, nodes, drawing.slots(layer.bias), 1.0))
    return drawing.step(call, edges, nodes, activation=_activation(layer))


@_computes(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def _depthwise(drawing: _Drawing, call: Call) -> np.ndarray:
    layer: Any = call.operation
    _channels_last(call)
    (x,) = drawing.inputs(call)
    windows = _windows(x, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    nodes = drawing.new_nodes(call.outputs.shape[1:])
    kernel = drawing.slots(layer.kernel)  # [*kernel, channels, multiplier]
    rank = len(layer.kernel_size)
    target = nodes.reshape(*nodes.shape[:-1], *(1,) * rank, *kernel.shape[-2:])
    edges: _Edges = [(windows[..., None], target, kernel, 1.0)]
    if layer.bias is not None:
        edges.append((0, nodes, drawing.slots(layer.bias), 1.0))
    return drawing.step(call, edges, nodes, activation=_activation(layer))


@_computes(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)
def _max_pooling(drawing: _Drawing, call: Call) -> np.ndarray:
    return _pooling(drawing, call, "max")


@_computes(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)
def _average_pooling(drawing: _Drawing, call: Call) -> np.ndarray:
    return _pooling(drawing, call, "sum")


def _pooling(drawing: _Drawing, call: Call, reduce: str) -> np.ndarray:
    layer: Any = call.operation
    _channels_last(call)
    (x,) = drawing.inputs(call)
    rank = len(layer.pool_size)
    windows = _windows(x, layer.pool_size, layer.strides, (1,) * rank, layer.padding)
    inside = tuple(range(rank, 2 * rank))
    count = np.sum(windows != _NOTHING, axis=inside, keepdims=True)  # padding does not count in a mean
    nodes = drawing.new_nodes(call.outputs.shape[1:])
    weight = 1.0 if reduce == "max" else 1.0 / count
    return drawing.step(call, [(windows, np.expand_dims(nodes, inside), -1, weight)], nodes, reduce=reduce)


@_computes(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D)
def _global_average(drawing: _Drawing, call: Call) -> np.ndarray:
    return _global_pooling(drawing, call, "sum")


@_computes(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D)
def _global_maximum(drawing: _Drawing, call: Call) -> np.ndarray:
    return _global_pooling(drawing, call, "max")


def _global_pooling(drawing: _Drawing, call: Call, reduce: str) -> np.ndarray:
    _channels_last(call)
    (x,) = drawing.inputs(call)
    nodes = drawing.new_nodes(call.outputs.shape[1:])
    read = x.reshape(-1, x.shape[-1])
    weight = 1.0 if reduce == "max" else 1.0 / len(read)
    return drawing.step(call, [(read, nodes.reshape(1, -1), -1, weight)], nodes, reduce=reduce)


@_computes(layers.Add)
def _sum(drawing: _Drawing, call: Call) -> np.ndarray:
    nodes = drawing.new_nodes(call.outputs.shape[1:])
    return drawing.step(call, [(x, nodes, -1, 1.0) for x in drawing.inputs(call)], nodes)


@_computes(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax)
def _elementwise(drawing: _Drawing, call: Call) -> np.ndarray:
    layer: Any = call.operation
    (x,) = drawing.inputs(call)
    nodes = drawing.new_nodes(x.shape)
    return drawing.step(call, [(x, nodes, -1, 1.0)], nodes, activation=lambda values: layer(values))


@_computes(layers.Flatten, layers.Reshape)
def _reshaped(drawing: _Drawing, call: Call) -> np.ndarray:
    (x,) = drawing.inputs(call)
    return x.reshape(tuple(call.outputs.shape[1:]))


@_computes(layers.Permute)
def _permuted(drawing: _Drawing, call: Call) -> np.ndarray:
    layer: Any = call.operation
    (x,) = drawing.inputs(call)
    return np.transpose(x, [axis - 1 for axis in layer.dims])


@_computes(
    core_ops.ConvertToTensor,
    core_ops.Cast,
    layers.Dropout,
    layers.GaussianNoise,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
)
def _nothing(drawing: _Drawing, call: Call) -> np.ndarray:
    return drawing.inputs(call)[0]


def _channels_last(call: Call) -> None:
    if getattr(call.operation, "data_format", "channels_last") != "channels_last":
        raise UnsupportedLayerError(
            f"{call.path!r} ({type(call.operation).__name__}) has channels first; computation graphs take "
            "data_format='channels_last'"
        )


def _windows(x: np.ndarray, size: Any, strides: Any, dilation: Any, padding: str) -> np.ndarray:
    """Node ids [*positions, *kernel, channels] that a kernel reads at each position."""
    for axis, (kernel, stride, rate) in enumerate(zip(size, strides, dilation, strict=True)):
        reach = (kernel - 1) * rate + 1
        length = x.shape[axis]
        before = after = 0
        if padding == "same":
            missing = max((math.ceil(length / stride) - 1) * stride + reach - length, 0)
            before, after = missing // 2, missing - missing // 2
        elif padding == "causal":
            before = reach - 1
        pads = [(before, after) if a == axis else (0, 0) for a in range(x.ndim)]
        x = np.pad(x, pads, constant_values=_NOTHING)
    rank = len(size)
    reaches = [(kernel - 1) * rate + 1 for kernel, rate in zip(size, dilation, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(x, reaches, axis=tuple(range(rank)))
    windows = windows[tuple(slice(None, None, s) for s in strides)]
    inside = tuple(slice(None, None, rate) for rate in dilation)
    windows = windows[(slice(None),) * (rank + 1) + inside]
    return np.moveaxis(windows, rank, -1)
