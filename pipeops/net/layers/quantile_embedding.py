"""`nn("piecewise_linear_embedding")`: numbers by where they lie between the quantiles of the training data.

The node reads the training rows of the ingress before it to find the quantiles, which become arguments of the module.
Neighbours: `node` below; TabM uses it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs
import numpy as np
import torch
from torch import Tensor, nn

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import operator
from pipeops.net.network.descriptor import Symbol
from pipeops.net.network.node import NetworkNode, described, require_set
from pipeops.net.network.shape import check_rank
from pipeops.params import flag, integer
from pipeops.shorthand import nn as layers


class PiecewiseLinearEmbedding(nn.Module):
    """A linear embedding of each number, plus a linear layer of its piecewise linear encoding, which begins as zero.

    `(batch, columns) -> (batch, columns, d_embedding)`. edges: of each column, rising; a number is encoded as 1 for each bin
    below it, the share of its own bin, and 0 above; beyond the first and the last edge the shares go on. activation: ReLU
    behind the linear layer of the encoding. Gorishniy et al. (2022), https://arxiv.org/abs/2203.05556, as in TabM.

    >>> PiecewiseLinearEmbedding([[0.0, 1.0, 3.0]], 4).encoded(torch.tensor([[2.0]]))
    tensor([[[1.0000, 0.5000]]])
    """

    scale: Tensor
    shift: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, edges: Sequence[Sequence[float]], d_embedding: int = 16, activation: bool = False):
        super().__init__()
        n, most = len(edges), max(len(own) for own in edges) - 1
        self.linear_weight = nn.Parameter(torch.empty(n, d_embedding))
        self.linear_bias = nn.Parameter(torch.empty(n, d_embedding))
        self.weight = nn.Parameter(torch.zeros(n, most, d_embedding))
        self.activation = activation
        for parameter in (self.linear_weight, self.linear_bias):
            nn.init.uniform_(parameter, -(d_embedding**-0.5), d_embedding**-0.5)
        for name, values in _bounds(edges, most).items():
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def encoded(self, x: Tensor) -> Tensor:
        """The encoding, `(batch, columns, bins)`; the last bin of each column stands last."""
        return torch.minimum(torch.maximum(x.unsqueeze(-1) * self.scale + self.shift, self.low), self.high)

    def forward(self, x: Tensor) -> Tensor:
        pieces = (self.encoded(x).unsqueeze(-2) @ self.weight).squeeze(-2)
        return self.linear_weight * x.unsqueeze(-1) + self.linear_bias + (pieces.relu() if self.activation else pieces)


def _bounds(edges: Sequence[Sequence[float]], most: int) -> dict[str, Any]:
    """Slope, offset and bounds of each bin: the first has no lower one, the last no upper one; places without a bin are zero."""
    found = {name: np.zeros((len(edges), most), dtype=np.float32) for name in ("scale", "shift", "low", "high")}
    for k, own in enumerate(edges):
        left, width = np.asarray(own[:-1], dtype=np.float64), np.diff(np.asarray(own, dtype=np.float64))
        places = [*range(len(width) - 1), most - 1]
        found["scale"][k, places], found["shift"][k, places], found["high"][k, places] = 1 / width, -left / width, 1.0
        found["low"][k, places[0]], found["high"][k, places[-1]] = -np.inf, np.inf
    return found


@layers.add("piecewise_linear_embedding")
@operator
class QuantileEmbedding(NetworkNode):
    """Piecewise linear embedding of numbers: `(batch, columns) -> (batch, columns, d_embedding)`, right behind an ingress.

    n_bins: how many bins between the quantiles of the training data, fewer where quantiles are equal; less than there are rows.
    activation: ReLU behind the linear layer of the encoding. Refuses columns whose training values are all equal.

    >>> from pipeops import nn, po, tsk
    >>> graph = po("torch_ingress_num") >> nn("piecewise_linear_embedding", n_bins=4, d_embedding=3)
    >>> graph.train(tsk("iris")).symbol.shape
    (None, 4, 3)
    """

    torch_module = PiecewiseLinearEmbedding
    rank: ClassVar[tuple[int, ...]] = (2,)
    any_rows: ClassVar[bool] = False
    example: ClassVar[Mapping[str, Any]] = {"n_bins": 4}

    d_embedding: int = integer(1, default=16)
    n_bins: int = integer(2, default=48)
    activation: bool = flag(False)

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        raise ConfigError(f'{self.id}: its bins follow from the training data; it stands right behind po("torch_ingress_num").')

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        require_set(self)
        descriptor = described(self, inputs)
        symbol = descriptor.symbol
        check_rank(symbol.shape, self.rank, str(self.id))
        if symbol.spec is not None or symbol.dtype != torch.float32:
            return [self.extend([symbol], None)], {}
        edges = self._edges(descriptor.feed.sources[symbol.id].tensor().numpy())
        arguments = {"edges": edges, "d_embedding": self.d_embedding, "activation": self.activation}
        made = self.symbol([symbol], arguments, (*symbol.shape, self.d_embedding))
        return [attrs.evolve(descriptor, symbol=made)], {}

    def _edges(self, x: np.ndarray) -> list[list[float]]:
        """The different quantiles of each column."""
        if self.n_bins >= len(x):
            raise DataError(f"{self.id}: 'n_bins' must be less than the number of rows, got {self.n_bins} for {len(x)}.")
        several = np.quantile(x.astype(np.float64), np.linspace(0, 1, self.n_bins + 1), axis=0).T
        edges = [np.unique(own).tolist() for own in several]
        constant = [k for k, own in enumerate(edges) if len(own) < 2]
        if constant:
            raise DataError(f'{self.id}: column {constant[0]} has one value only in training; po("removeconstants") drops it.')
        return edges
