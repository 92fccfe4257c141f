"""Every single edge of attention layers, worked out by hand; their orders are in `test_golden_attention`."""

from __future__ import annotations

import keras
from keras import layers
from reading import edges, labels

from gmn_tf import ParameterGraph
from gmn_tf.graph import schema


def attention_edges(kernels, biases, *, heads, key_heads, units=2):
    """Every edge of an attention layer with one dimension per head on 2 features, its kernels [2, heads, 1].

    Layers: 1 query, 2 key, 3 value, 4 scores, 5 weighted sums, 6 output projection [heads, 1, units].
    """
    found = set()
    for layer, (role, count) in enumerate((("query", heads), ("key", key_heads), ("value", key_heads)), 1):
        found |= {
            f"channel0.{i} -> neuron{layer}.{h} {role} a/{kernels[role]}[{i}, {h}, 0]"
            for i in range(2)
            for h in range(count)
        }
        found |= {f"bias{layer}.0 -> neuron{layer}.{h} bias a/{biases[role]}[{h}, 0]" for h in range(count)}
    for h in range(heads):
        read = h // (heads // key_heads)  # consecutive heads share a key and a value
        found |= {f"neuron1.{h} -> pair4.{h} pair k(0,)", f"neuron2.{read} -> pair4.{h} pair k(1,)"}
        found |= {f"pair4.{h} -> head4.{h} head"}
        found |= {f"head4.{h} -> neuron5.{h} weighted", f"neuron3.{read} -> neuron5.{h} weighted"}
        found |= {
            f"neuron5.{h} -> neuron6.{o} attention_out a/{kernels['output']}[{h}, 0, {o}]"
            for o in range(units)
        }
    found |= {f"bias6.0 -> neuron6.{o} bias a/{biases['output']}[{o}]" for o in range(units)}
    return found


ROLES = ("query", "key", "value", "output")


def test_multi_head_attention():
    # 2 heads of 1 dimension. Nodes: 2 + 3 * (2 + 1) + 2 pairs + 2 heads + 2 + (2 + 1) = 20.
    # Edges: 3 * (4 + 2) + 4 + 2 + 4 + (4 + 2) = 34, of which 24 carry weights.
    a = keras.Input((3, 2))
    attention = layers.MultiHeadAttention(2, 1, name="a")
    graph = ParameterGraph.from_keras(keras.Model(a, attention(a, a)))
    assert (graph.num_nodes, graph.num_edges, graph.num_parameters) == (20, 34, 24)
    want = attention_edges(
        {
            "query": "query/kernel",
            "key": "key/kernel",
            "value": "value/kernel",
            "output": "attention_output/kernel",
        },
        {"query": "query/bias", "key": "key/bias", "value": "value/bias", "output": "attention_output/bias"},
        heads=2,
        key_heads=2,
    )
    assert edges(graph) == want
    assert labels(graph, "head", 4, "activation") == [schema.Activation.SOFTMAX] * 2


def test_group_query_attention():
    # 2 query heads, 1 key-value head: 2 + (2+1) + (1+1) + (1+1) + 2 + 2 + 2 + (2+1) = 18 nodes,
    # (4+2) + (2+1) + (2+1) + 4 + 2 + 4 + (4+2) = 28 edges.
    a = keras.Input((3, 2))
    attention = layers.GroupQueryAttention(1, 2, 1, name="a")
    graph = ParameterGraph.from_keras(keras.Model(a, attention(a, a)))
    assert (graph.num_nodes, graph.num_edges) == (18, 28)
    paths = [v.path for v in attention.weights]  # query, key, value, output: kernel and bias of each
    kernels = {role: paths[2 * i].removeprefix("a/") for i, role in enumerate(ROLES)}
    biases = {role: paths[2 * i + 1].removeprefix("a/") for i, role in enumerate(ROLES)}
    assert edges(graph) == attention_edges(kernels, biases, heads=2, key_heads=1)
