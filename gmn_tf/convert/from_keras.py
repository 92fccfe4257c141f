"""Keras model in, parameter graph out: trace, draw every call, label the outputs, account for all weights."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, Layer, tree

from gmn_tf.convert.check_identity import assert_identity
from gmn_tf.convert.choosing import pinned
from gmn_tf.convert.converters.activations import is_known
from gmn_tf.convert.entries import Choices, Composed, Entries, Weights, varying_axes
from gmn_tf.convert.opaque import opaque
from gmn_tf.convert.pen import Pen, Slots
from gmn_tf.convert.registry import find_converter, takes_choices, takes_composed, takes_weights, way_out
from gmn_tf.convert.relations import first_along, unique_rows
from gmn_tf.convert.running import fitting_runner
from gmn_tf.convert.ties import tie
from gmn_tf.convert.tokens import token_inputs
from gmn_tf.convert.trace import Call, Trace, trace
from gmn_tf.convert.variables import entrywise, materialized
from gmn_tf.errors import ConversionError, GmnError, UnsupportedLayerError
from gmn_tf.graph import schema
from gmn_tf.graph.canvas import Canvas
from gmn_tf.graph.folding import finish
from gmn_tf.graph.layout import WeightLayout, make_layout
from gmn_tf.graph.parameter_graph import ParameterGraph


def from_keras(model: Any, *, trainable_only: bool = False) -> ParameterGraph:
    """See `ParameterGraph.from_keras`."""
    if not isinstance(model, keras.Model):
        from gmn_tf.convert.tf_keras_models import is_tf_keras_model, translate

        if not is_tf_keras_model(model):
            raise ConversionError(
                f"received {type(model).__name__}, expected a keras.Model (Keras 3 or tf_keras)"
            )
        translated, order = translate(model)
        return _convert(translated, trainable_only=trainable_only, order=order)
    return _convert(model, trainable_only=trainable_only)


def _convert(
    model: keras.Model, *, trainable_only: bool, order: list[keras.Variable] | None = None
) -> ParameterGraph:
    """`order`: the variables in the order of the caller's `get_weights()`, where it is not the model's."""
    traced = trace(model, is_leaf, way_out)
    layout, offsets = weight_layout(order if order is not None else model.weights)
    slots = Slots(offsets, trainable_only=trainable_only)
    pen = Pen(Canvas(), slots)
    values = _draw(traced, pen, slots)
    outputs, output_index = _outputs([pinned(pen, values[id(t)]) for t in traced.outputs], pen)
    tie(pen.canvas, layout)
    _draw_the_rest(model, pen.canvas, layout, offsets, slots.left_out)
    if trainable_only:
        _empty_frozen_edges(pen.canvas, layout)
    structure = finish(pen.canvas, outputs=outputs, output_index=output_index)
    return ParameterGraph(
        structure,
        layout,
        name=model.name,
        layer_names={new: pen.layer_names.get(old, "") for new, old in enumerate(structure.drawn_layers)},
        trainable_only=trainable_only,
    )


def _empty_frozen_edges(canvas: Canvas, layout: WeightLayout) -> None:
    """Weights of frozen layers leave the graph; their edges stay, parameterless, to join the rest."""
    frozen = np.zeros(layout.size, bool)
    for spec in layout.specs:
        if not spec.is_state and not spec.trainable:
            frozen[spec.offset : spec.offset + spec.size] = True
    canvas.blocks = [
        dataclasses.replace(b, slot=None) if b.slot is not None and frozen[b.slot].all() else b
        for b in canvas.blocks
    ]


def is_leaf(operation: Any) -> bool:
    """Whether an operation is drawn as it is.

    One with an activation of the user's own is opened, and one whose kernel is a sum (LoRA).
    """
    if getattr(operation, "lora_enabled", False) and not getattr(operation, "quantization_mode", None):
        return False
    return find_converter(operation) is not None and is_known(getattr(operation, "activation", None))


def weight_layout(variables: list[keras.Variable]) -> tuple[WeightLayout, dict[int, int]]:
    layout = make_layout(
        [(v.path, tuple(v.shape), keras.backend.standardize_dtype(v.dtype), v.trainable) for v in variables]
    )
    offsets = {
        id(v): spec.offset for v, spec in zip(variables, layout.specs, strict=True) if not spec.is_state
    }
    return layout, offsets


def _draw(traced: Trace, pen: Pen, slots: Slots) -> dict[int, Entries]:
    """Entries of every symbolic tensor, by its id."""
    values: dict[int, Entries] = {}
    first = 0
    tokens = token_inputs(traced)
    for tensor in traced.inputs:
        entries = pen.input(
            tensor.shape,
            first_index=first,
            tokens=id(tensor) in tokens,
            sequence=id(tensor) in traced.sequences,
        )
        first += np.unique(entries.node).size
        values[id(tensor)] = entries

    for tensor, variable in traced.variables:
        values[id(tensor)] = Weights(slots.take(variable, variable.path))
    for tensor, constant in traced.constants:
        values[id(tensor)] = pen.constant(constant)

    read = [traced.outputs, *((call.args, call.kwargs) for call in traced.calls)]
    pen.read = {id(t) for t in tree.flatten(read) if isinstance(t, KerasTensor)}
    repeats = Counter(id(c.operation) for c in traced.calls if _has_weights(c.operation))
    done: Counter[int] = Counter()
    memories: dict[int, dict[str, Any]] = {}

    def entries_of(item: Any) -> Any:
        return values[id(item)] if isinstance(item, KerasTensor) else item

    for call in traced.calls:
        key = id(call.operation)
        weighted = _has_weights(call.operation)
        pen.call = call
        pen.repeats = repeats[key] if weighted else 1
        pen.repeat = done[key] if weighted else 0
        pen.memory = memories.setdefault(key, {}) if weighted else {}
        done[key] += 1
        converter = functools.partial(opaque, refusal=call.refusal) if call.refusal else _converter(call)
        before = pen.canvas.num_layers
        try:
            args, kwargs = tree.map_structure(entries_of, (call.args, call.kwargs))
            args, kwargs = _prepared(pen, converter, call.operation, args, kwargs)
            result = converter(pen, call.operation, *args, **kwargs)
        except GmnError as error:
            if call.path in str(error):
                raise
            raise type(error)(f"{call.path!r} ({type(call.operation).__name__}): {error}") from error
        except Exception as error:
            shapes = [tuple(t.shape) for t in tree.flatten(call.args) if isinstance(t, KerasTensor)]
            raise UnsupportedLayerError(
                f"the converter of {call.path!r} ({type(call.operation).__name__}) failed on inputs of "
                f"shapes {shapes} with {type(error).__name__}: {str(error).partition(chr(10))[0]}; "
                f"{way_out(call.operation)}"
            ) from error
        for number in range(before, pen.canvas.num_layers):
            pen.layer_names[number] = f"{call.path.partition('/')[2]} ({type(call.operation).__name__})"
        drawn = [e for e in tree.flatten(result) if isinstance(e, Entries)]
        tensors = [t for t in tree.flatten(call.outputs) if isinstance(t, KerasTensor)]
        if len(drawn) != len(tensors):
            raise ConversionError(
                f"the converter of {call.path!r} returned {len(drawn)} results, its layer {len(tensors)}"
            )
        for tensor, entries in zip(tensors, drawn, strict=True):
            if entries.shape != tuple(tensor.shape):
                raise ConversionError(
                    f"the converter of {call.path!r} ({type(call.operation).__name__}) drew shape "
                    f"{entries.shape}, its layer gives {tuple(tensor.shape)}"
                )
            if not isinstance(entries, (Weights, Composed)):
                assert_identity(entries, call.path)
            values[id(tensor)] = entries
    return values


def _converter(call: Call) -> Any:
    converter = find_converter(call.operation)
    assert converter is not None
    return converter


def _prepared(pen: Pen, converter: Any, operation: Any, args: Any, kwargs: Any) -> Any:
    """Arguments with nodes in place of the variables and choices that the converter does not take as such."""
    given = [e for e in tree.flatten((args, kwargs)) if isinstance(e, Entries)]
    alone = not isinstance(operation, Layer) and all(isinstance(e, (Weights, Composed)) for e in given)

    def prepare(item: Any) -> Any:
        if isinstance(item, Composed):
            return item if takes_composed(converter) else entrywise(pen, item)
        if isinstance(item, Choices):
            return item if takes_choices(converter) else pinned(pen, item)
        if takes_weights(converter):
            return item
        return entrywise(pen, item) if alone else materialized(pen, item)

    return tree.map_structure(prepare, (args, kwargs))


def _has_weights(operation: Any) -> bool:
    return isinstance(operation, Layer) and bool(operation.weights)


def _outputs(results: list[Entries], pen: Pen) -> tuple[np.ndarray, np.ndarray]:
    """The nodes that outputs read, and their labels: numbered in order of first appearance.

    A node that is pinned already (an input that is an output too) gets a result node of its own.
    """
    read = []
    for entries in results:
        axes = set(range(entries.ndim)) - set(varying_axes(entries.node))
        ids = first_along(entries.node, axes).reshape(-1)
        read.append(ids[ids >= 0])  # a padded output is partly a constant, the same for all weights
    nodes = unique_rows(np.concatenate(read))[0][:, 0]
    index = np.arange(nodes.size)
    labels = pen.canvas.nodes
    pinned = labels.index[nodes] != schema.NO_INDEX
    if pinned.any():
        layer = pen.canvas.new_layer()
        own = pen.canvas.add_nodes(int(pinned.sum()), type=schema.NodeType.NEURON, layer=layer)
        pen.canvas.add_edges(nodes[pinned], own, type=schema.EdgeType.IDENTITY, layer=layer)
        nodes = nodes.copy()
        nodes[pinned] = own
    return nodes, index


def _draw_the_rest(
    model: keras.Model,
    canvas: Canvas,
    layout: WeightLayout,
    offsets: dict[int, int],
    left_out: set[int],
) -> None:
    """Draws weights that act on no output apart from the rest; any other weight left is an error.

    Such weights exist (an output head that this model does not call). That they do nothing is not
    taken from the trace but seen in a run with other values for them.

    Raises:
        UnsupportedLayerError: a weight that acts on the outputs is on no edge.
    """
    carried = np.zeros(layout.size, bool)
    for block in canvas.blocks:
        if block.slot is not None:
            carried[block.slot] = True
    left = [
        v
        for v in model.weights
        if id(v) in offsets
        and id(v) not in left_out
        and not carried[offsets[id(v)] : offsets[id(v)] + math.prod(v.shape)].all()
    ]
    if not left:
        return
    if _act(model, left):
        raise UnsupportedLayerError(
            f"no converter drew the weights {', '.join(repr(v.path) for v in left[:5])}"
            f"{' ...' if len(left) > 5 else ''} of model {model.name!r}, which act on its outputs: they are "
            "used in a way that could not be traced; " + way_out(model)
        )
    for variable in left:
        layer = canvas.new_layer()
        start, shape = offsets[id(variable)], tuple(variable.shape)
        slots = np.arange(start, start + math.prod(shape), dtype=np.int64).reshape(
            -1, shape[-1] if shape else 1
        )
        rows = canvas.add_nodes((len(slots), 1), type=schema.NodeType.VALUE, layer=layer)
        columns = canvas.add_nodes((1, slots.shape[1]), type=schema.NodeType.VALUE, layer=layer)
        canvas.add_edges(rows, columns, type=schema.EdgeType.SCALE, layer=layer, slot=slots)


def _act(model: keras.Model, variables: list[keras.Variable]) -> bool:
    """Whether other values of `variables` change the model's outputs."""
    weights = model.get_weights()
    chosen = {id(v) for v in variables}
    rng = np.random.default_rng(0)
    other = [
        (rng.normal(1.0, 1.0, w.shape)).astype(w.dtype) if id(v) in chosen else w
        for v, w in zip(model.weights, weights, strict=True)
    ]
    run, expected = fitting_runner(model, weights, seed=0)
    return not np.array_equal(run(other), expected, equal_nan=True)
