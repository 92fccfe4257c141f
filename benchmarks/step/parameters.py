"""The trunk's weights under names that no framework owns; numpy alone, both interpreters read it.

The trunk is the residual form that the paper's public code trains (Lim et al. 2024), messages along the
edges, x node and e edge states, W the width, `Linear` with a bias:

    x' = LN(x);  e' = LN(e)
    h_ij = SiLU(Linear([x'_i, x'_j, e'_ij]))                         block_k/edge
    m_j  = Linear(mean over edges at j of SiLU(Linear([h, x'_i])))   block_k/message, block_k/aggregate
    x_j <- x_j + Linear(SiLU(Linear([x'_j, m_j])))                   block_k/hidden, block_k/node_output
    e_ij <- e_ij + Linear(h_ij)                                      block_k/edge_output
    answer = Linear(mean over the network's edges of e)              readout

The last block updates edges alone. Kernels are [inputs, outputs], as in `x @ kernel`.
"""

from __future__ import annotations

import numpy as np

NORM_EPSILON = 1e-3
LEARNING_RATE = 1e-3
ADAM_EPSILON = 1e-7

Arrays = dict[str, np.ndarray]


def shapes(*, width: int, num_blocks: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of each weight of the trunk."""
    result: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inputs: int, outputs: int = width) -> None:
        result[f"{name}/kernel"] = (inputs, outputs)
        result[f"{name}/bias"] = (outputs,)

    for number in range(num_blocks):
        block = f"block_{number}"
        for norm in ("node_norm", "edge_norm"):
            result[f"{block}/{norm}/gamma"] = result[f"{block}/{norm}/beta"] = (width,)
        linear(f"{block}/edge", 3 * width)
        linear(f"{block}/edge_output", width)
        if number < num_blocks - 1:
            linear(f"{block}/message", 2 * width)
            linear(f"{block}/aggregate", width)
            linear(f"{block}/hidden", 2 * width)
            linear(f"{block}/node_output", width)
    linear("readout", width, 1)
    return result


def draw(*, width: int, num_blocks: int, seed: int) -> Arrays:
    """Random weights: kernels that keep the scale, biases and norms off their trivial values."""
    rng = np.random.default_rng(seed)
    weights: Arrays = {}
    for name, shape in shapes(width=width, num_blocks=num_blocks).items():
        scale = shape[0] ** -0.5 if name.endswith("kernel") else 0.1
        offset = 1.0 if name.endswith("gamma") else 0.0
        weights[name] = (offset + scale * rng.standard_normal(shape)).astype(np.float32)
    return weights


def num_blocks(weights: Arrays) -> int:
    """How many blocks the weights are of."""
    return len({name.split("/")[0] for name in weights if name.startswith("block_")})


def block(weights: Arrays, number: int) -> Arrays:
    """The weights of one block, without its prefix."""
    prefix = f"block_{number}/"
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}
