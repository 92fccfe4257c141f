"""Values of which scalings and sign flips of hidden neurons, as their activations allow them, are taken out.

Where an activation is positively homogeneous (ReLU), a hidden neuron's incoming weights and bias may be
multiplied by q > 0 and its outgoing weights divided by q; where it is odd (tanh, sine), q = -1 does the
same. The function of the network stays (Kalogeropoulos et al. 2024, "Scale Equivariant Graph
Metanetworks", section 4). Here one member of each class is chosen, the canonical one, neuron by neuron
from the inputs on.
"""

from __future__ import annotations

import tensorflow as tf
import tensorflow_gnn as tfgnn

from gmn_tf.errors import SchemaError
from gmn_tf.graph import schema
from gmn_tf.graph.schema import Activation, EdgeType

SCALE, SIGN = "scale", "sign"

_ACTIVATIONS = {
    # LINEAR is not among them: it also stands for functions that have no label, such as a power.
    SCALE: (Activation.RELU, Activation.LEAKY_RELU),
    SIGN: (Activation.TANH, Activation.HARD_TANH, Activation.SOFTSIGN, Activation.SINE),
}
_WEIGHTS = (EdgeType.LINEAR, EdgeType.CONV, EdgeType.DEPTHWISE)


def symmetry_names(symmetry: str | None) -> list[str]:
    """The names in `symmetry`: "scale", "sign", both joined by "|", or None for none.

    Raises:
        SchemaError: another name is among them.
    """
    names = symmetry.split("|") if symmetry else []
    if not all(name in _ACTIVATIONS for name in names):
        raise SchemaError(f"received symmetry={symmetry!r}, expected 'scale', 'sign', 'scale|sign' or None")
    return names


def canonical_values(graph: tfgnn.GraphTensor, names: list[str], *, max_layers: int) -> tf.Tensor:
    """The edges' values in canonical form: `w_ij * m_i / m_j`.

        m_j = norm of w_ij * m_i over the edges into j              "scale", at ReLU and leaky ReLU
        m_j = sign of the sum of w_ij * m_i over the edges into j   "sign", at tanh, hard tanh, softsign, sine
        m_j = 1                                                     at every other node

    A node counts as one with a symmetry if it is hidden (has no index), its activation is one of those,
    all edges into it are weights or biases of dense or convolutional layers, and all edges out of it are
    weights of such. So inputs, outputs and all nodes that touch a normalisation, a residual connection,
    attention or a shared layer are left alone. A neuron without any input weight other than 0 has m_j = 0
    under "scale": it says 0, so its outgoing weights do not matter. Under "sign", where the sum is exactly
    0, no sign is well defined and the neuron is left as it is.

    Args:
        graph: scalar GraphTensor as of `gmn_tf.graph.tensor`; all channels of its values are weights.
        names: as of `symmetry_names`.
        max_layers: neurons behind more than this number of others are left alone.

    Returns:
        float32 [E, channels]; differentiable.
    """
    return graph.edge_sets[schema.EDGE_SET][schema.VALUE] * canonical_ratios(
        graph, names, max_layers=max_layers
    )


def canonical_ratios(graph: tfgnn.GraphTensor, names: list[str], *, max_layers: int) -> tf.Tensor:
    """`m_i / m_j` of every edge, float32 [E, 1], 0 where m_j is 0; arguments as of `canonical_values`."""
    nodes, edges = graph.node_sets[schema.NODE_SET], graph.edge_sets[schema.EDGE_SET]
    values = edges[schema.VALUE]
    source, target = edges.adjacency[tfgnn.SOURCE], edges.adjacency[tfgnn.TARGET]
    activation = nodes[schema.ACTIVATION]
    num_nodes = tf.shape(activation)[0] if activation.shape[0] is None else activation.shape[0]

    def at_any(condition: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
        """Whether a condition [E] holds for any of the edges at each node, [N]."""
        return tf.math.unsorted_segment_sum(tf.cast(condition, tf.int32), ends, num_nodes) > 0

    weight = _is_any(edges[schema.TYPE], _WEIGHTS)
    bias = edges[schema.TYPE] == EdgeType.BIAS
    free = (
        (nodes[schema.INDEX] == schema.NO_INDEX)
        & ~at_any(~weight, source)
        & ~at_any(~(weight | bias), target)
    )
    nothing = tf.zeros_like(free)
    scaled = free & _is_any(activation, _ACTIVATIONS[SCALE]) if SCALE in names else nothing
    signed = free & _is_any(activation, _ACTIVATIONS[SIGN]) if SIGN in names else nothing

    def waits(done: tf.Tensor) -> tf.Tensor:
        """Nodes that read one whose factor is not known yet, [N]."""
        return at_any(~tf.gather(done, source), target)

    def more(step: tf.Tensor, done: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        return (step < max_layers) & ~tf.reduce_all(done)

    def advance(step: tf.Tensor, done: tf.Tensor, factor: tf.Tensor) -> tuple[tf.Tensor, ...]:
        incoming = values * tf.gather(factor, source)[:, tf.newaxis]
        found = _factors(incoming, target, num_nodes, scaled, signed)
        ready = ~done & ~waits(done)
        return step + 1, done | ready, tf.where(ready, found, factor)

    if not names:
        return tf.ones_like(values[:, :1])
    factor = tf.ones_like(nodes[schema.DEPTH])
    _, _, factor = tf.while_loop(
        more, advance, (tf.constant(0), ~(scaled | signed), factor), maximum_iterations=max_layers
    )
    ratio = tf.math.divide_no_nan(tf.gather(factor, source), tf.gather(factor, target))
    return ratio[:, tf.newaxis]


def _factors(
    incoming: tf.Tensor,
    target: tf.Tensor,
    num_nodes: int | tf.Tensor,
    scaled: tf.Tensor,
    signed: tf.Tensor,
) -> tf.Tensor:
    """m of all nodes [N], from canonical predecessors: values [E, channels] times their m."""
    square = tf.reduce_sum(tf.square(incoming), axis=-1)
    square = tf.math.unsorted_segment_sum(square, target, num_nodes)
    positive = square > 0
    norm = tf.where(positive, tf.sqrt(tf.where(positive, square, 1.0)), 0.0)  # no infinite slope at 0
    total = tf.math.unsorted_segment_sum(tf.reduce_sum(incoming, axis=-1), target, num_nodes)
    sign = tf.where(total < 0, -tf.ones_like(total), tf.ones_like(total))
    return tf.where(scaled, norm, tf.where(signed, sign, tf.ones_like(norm)))


def _is_any(labels: tf.Tensor, kinds: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(labels[:, tf.newaxis] == tf.constant([int(kind) for kind in kinds]), axis=-1)
