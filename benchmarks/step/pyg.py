"""The trunk in PyTorch Geometric: `MetaLayer` with models that concatenate per edge, as the paper does."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import nn
from torch_geometric.nn import MetaLayer
from torch_geometric.utils import scatter

from benchmarks.step import parameters
from benchmarks.step.parameters import Arrays
from benchmarks.step.problem import Problem


class EdgeModel(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * width, width)

    def forward(self, source: Any, target: Any, edges: Any, u: Any = None, batch: Any = None) -> Any:
        return nn.functional.silu(self.linear(torch.cat([source, target, edges], dim=-1)))


class NodeModel(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = nn.Linear(2 * width, width)
        self.aggregate = nn.Linear(width, width)
        self.hidden = nn.Linear(2 * width, width)

    def forward(self, nodes: Any, edge_index: Any, update: Any, u: Any = None, batch: Any = None) -> Any:
        source, target = edge_index
        message = nn.functional.silu(self.message(torch.cat([update, nodes[source]], dim=-1)))
        pooled = scatter(message, target, dim=0, dim_size=len(nodes), reduce="mean")
        return nn.functional.silu(self.hidden(torch.cat([nodes, self.aggregate(pooled)], dim=-1)))


class Block(nn.Module):
    """LayerNorm, update, Linear, skip; without nodes in the last block."""

    def __init__(self, width: int, *, last: bool) -> None:
        super().__init__()
        self.node_norm = nn.LayerNorm(width, eps=parameters.NORM_EPSILON)
        self.edge_norm = nn.LayerNorm(width, eps=parameters.NORM_EPSILON)
        self.update = MetaLayer(EdgeModel(width), None if last else NodeModel(width))
        self.edge_output = nn.Linear(width, width)
        self.node_output = None if last else nn.Linear(width, width)

    def forward(self, nodes: Any, edge_index: Any, edges: Any) -> tuple[Any, Any]:
        hidden, update, _ = self.update(self.node_norm(nodes), edge_index, self.edge_norm(edges))
        if self.node_output is not None:
            nodes = nodes + self.node_output(hidden)
        return nodes, edges + self.edge_output(update)


class Trunk(nn.Module):
    def __init__(self, width: int, num_blocks: int) -> None:
        super().__init__()
        blocks = [Block(width, last=number == num_blocks - 1) for number in range(num_blocks)]
        self.blocks = nn.ModuleList(blocks)
        self.readout = nn.Linear(width, 1)

    def forward(self, nodes: Any, edge_index: Any, edges: Any, network: Any, num_networks: int) -> Any:
        for block in self.blocks:
            nodes, edges = block(nodes, edge_index, edges)
        return self.readout(scatter(edges, network, dim=0, dim_size=num_networks, reduce="mean"))


_PLACES = {
    "edge": "update.edge_model.linear",
    "message": "update.node_model.message",
    "aggregate": "update.node_model.aggregate",
    "hidden": "update.node_model.hidden",
}


def _torch_name(name: str) -> tuple[str, bool]:
    """Where a weight of `parameters` is in `Trunk`, and whether it is transposed there."""
    *path, leaf = name.split("/")
    if len(path) == 2:
        path = ["blocks", path[0].removeprefix("block_"), _PLACES.get(path[1], path[1])]
    return ".".join([*path, "bias" if leaf in ("bias", "beta") else "weight"]), leaf == "kernel"


class Training:
    """The trunk, its loss and Adam on one batch; a `worker.Run`."""

    steps = 1

    def __init__(self, problem: Problem, *, compile_model: bool = False) -> None:
        model = Trunk(problem.width, problem.num_blocks)
        self._parameters = dict(model.named_parameters())
        self._names = list(problem.weights)
        with torch.no_grad():
            for name, array in problem.weights.items():
                place, transposed = _torch_name(name)
                tensor = torch.from_numpy(np.ascontiguousarray(array.T if transposed else array))
                assert self._parameters[place].shape == tensor.shape, name
                self._parameters[place].copy_(tensor)
        assert len(self._parameters) == len(self._names)
        self._model = torch.compile(model, dynamic=False) if compile_model else model
        self._optimizer = torch.optim.Adam(
            model.parameters(), lr=parameters.LEARNING_RATE, eps=parameters.ADAM_EPSILON
        )
        network = np.repeat(np.arange(problem.num_networks), problem.edge_sizes)
        self._inputs = (
            torch.from_numpy(problem.nodes),
            torch.from_numpy(np.stack([problem.source, problem.target]).astype(np.int64)),
            torch.from_numpy(problem.edges),
            torch.from_numpy(network),
            problem.num_networks,
        )
        self._labels = torch.from_numpy(problem.labels)

    def unit(self) -> None:
        self._step()

    def _step(self) -> tuple[Any, Any]:
        self._optimizer.zero_grad()
        answer = self._model(*self._inputs)
        loss = nn.functional.binary_cross_entropy_with_logits(answer, self._labels)
        loss.backward()
        self._optimizer.step()
        return answer.detach(), loss.detach()

    def first(self) -> Arrays:
        answer, loss = self._step()
        result = {"answer": answer.numpy(), "loss": loss.numpy()}
        for name in self._names:
            place, transposed = _torch_name(name)
            gradient = self._parameters[place].grad.numpy()
            result[f"gradient/{name}"] = gradient.T if transposed else gradient
        return result


def shipped(problem: Problem) -> Training:
    """As it comes: torch's own number of threads, glibc's own settings."""
    return Training(problem)


def tuned(problem: Problem) -> Training:
    """A thread per core; the process keeps its memory."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return Training(problem)


def compiled(problem: Problem) -> Training:
    """`tuned`, through torch.compile."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return Training(problem, compile_model=True)
