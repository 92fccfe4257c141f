"""Hand-made parameter graphs of small CNNs, and what the tests do to them; plain numpy."""

from __future__ import annotations

import numpy as np

from gmn_tf.graph import schema
from gmn_tf.graph.tensor import assemble, depth

Columns = tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]


def small_cnn(seed: int = 0, *, channels=(1, 4, 5, 3), kernel: int = 3, scale: float = 1.0) -> Columns:
    """Columns and values of a chain of convolutions with biases: nodes, edges, values [E]."""
    rng = np.random.default_rng(seed)
    nodes: list[tuple] = []  # type, layer, index, activation
    edges: list[tuple] = []  # source, target, type, layer, kernel position
    starts = [0]
    last = len(channels) - 1
    for layer, width in enumerate(channels):
        free = 0 < layer < last
        activation = schema.Activation.RELU if free else schema.Activation.LINEAR
        nodes += [
            (schema.NodeType.CHANNEL, layer, schema.NO_INDEX if free else i, activation) for i in range(width)
        ]
        starts.append(len(nodes))
    for layer in range(1, len(channels)):
        bias = len(nodes)
        nodes.append((schema.NodeType.BIAS, layer, schema.NO_INDEX, schema.Activation.LINEAR))
        for target in range(starts[layer], starts[layer + 1]):
            edges.append((bias, target, schema.EdgeType.BIAS, layer, -1, -1))
            edges += [
                (source, target, schema.EdgeType.CONV, layer, row, column)
                for source in range(starts[layer - 1], starts[layer])
                for row in range(kernel)
                for column in range(kernel)
            ]
    node = np.array(nodes, np.int32)
    edge = np.array(edges, np.int32)
    node_columns = dict(
        zip((schema.TYPE, schema.LAYER, schema.INDEX, schema.ACTIVATION), node.T, strict=True)
    )
    node_columns[schema.DEPTH] = depth(node_columns[schema.LAYER], len(channels))
    names = (schema.SOURCE, schema.TARGET, schema.TYPE, schema.LAYER)
    edge_columns = dict(zip(names, edge[:, :4].T, strict=True))
    edge_columns[schema.DEPTH] = depth(edge_columns[schema.LAYER], len(channels))
    none = np.full((len(edge), 1), schema.NO_POSITION, np.int32)
    edge_columns[schema.KERNEL_POSITION] = np.concatenate([edge[:, 4:], none], axis=1)
    edge_columns[schema.ENTRY_POSITION] = np.repeat(none, schema.POSITION_SIZE, axis=1)
    return node_columns, edge_columns, (scale * rng.normal(size=len(edge))).astype(np.float32)


def small_mlp(seed: int = 0, *, widths=(2, 4, 5, 3), activation=schema.Activation.RELU) -> Columns:
    """The same of dense layers with biases; hidden neurons end with `activation`."""
    nodes, edges, values = small_cnn(seed, channels=widths, kernel=1)
    nodes[schema.TYPE] = np.where(
        nodes[schema.TYPE] == schema.NodeType.CHANNEL, schema.NodeType.NEURON, nodes[schema.TYPE]
    )
    hidden = nodes[schema.ACTIVATION] == schema.Activation.RELU
    nodes[schema.ACTIVATION] = np.where(hidden, activation, nodes[schema.ACTIVATION])
    edges[schema.TYPE] = np.where(
        edges[schema.TYPE] == schema.EdgeType.CONV, schema.EdgeType.LINEAR, edges[schema.TYPE]
    )
    edges[schema.KERNEL_POSITION] = np.full_like(edges[schema.KERNEL_POSITION], schema.NO_POSITION)
    return nodes, edges, values


def relabelled(columns: Columns, seed: int = 0) -> tuple[Columns, np.ndarray]:
    """The same graph with nodes renumbered and edges shuffled; the order the edges are now in."""
    nodes, edges, values = columns
    rng = np.random.default_rng(seed)
    node_order = rng.permutation(len(nodes[schema.TYPE]))
    new_id = np.argsort(node_order)
    edge_order = rng.permutation(len(values))
    new_edges = {name: column[edge_order] for name, column in edges.items()}
    for name in (schema.SOURCE, schema.TARGET):
        new_edges[name] = new_id[new_edges[name]].astype(np.int32)
    new_nodes = {name: column[node_order] for name, column in nodes.items()}
    return (new_nodes, new_edges, values[edge_order]), edge_order


def reversed_edges(columns: Columns) -> Columns:
    nodes, edges, values = columns
    turned = {**edges, schema.SOURCE: edges[schema.TARGET], schema.TARGET: edges[schema.SOURCE]}
    return nodes, turned, values


def merge(*networks: Columns):
    """One GraphTensor with a component per network."""
    offset, node_sizes, edge_sizes = 0, [], []
    all_nodes, all_edges, all_values = [], [], []
    for nodes, edges, values in networks:
        shifted = {**edges}
        for name in (schema.SOURCE, schema.TARGET):
            shifted[name] = edges[name] + offset
        node_sizes.append(len(nodes[schema.TYPE]))
        edge_sizes.append(len(values))
        offset += node_sizes[-1]
        all_nodes.append(nodes)
        all_edges.append(shifted)
        all_values.append(values)
    return assemble(
        {name: np.concatenate([nodes[name] for nodes in all_nodes]) for name in all_nodes[0]},
        {name: np.concatenate([edges[name] for edges in all_edges]) for name in all_edges[0]},
        np.concatenate(all_values),
        node_sizes=np.array(node_sizes),
        edge_sizes=np.array(edge_sizes),
    )


def padding(num_nodes: int, num_edges: int) -> Columns:
    """A component as padding makes it: zeros everywhere, edges within it."""
    nodes = {name: np.zeros(num_nodes, np.int32) for name in (schema.TYPE, schema.LAYER, schema.INDEX)}
    nodes[schema.ACTIVATION] = nodes[schema.TYPE]
    nodes[schema.DEPTH] = np.zeros(num_nodes, np.float32)
    names = (schema.SOURCE, schema.TARGET, schema.TYPE, schema.LAYER)
    edges = {name: np.zeros(num_edges, np.int32) for name in names}
    edges[schema.DEPTH] = np.zeros(num_edges, np.float32)
    for name in (schema.KERNEL_POSITION, schema.ENTRY_POSITION):
        edges[name] = np.zeros((num_edges, schema.POSITION_SIZE), np.int32)
    return nodes, edges, np.zeros(num_edges, np.float32)
