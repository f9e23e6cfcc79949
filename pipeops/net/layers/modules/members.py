"""Ensembles inside one network: k members that share most weights, `(batch, k, features)`; and what TabM begins and ends with.

Gorishniy et al. (2025), "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling",
https://arxiv.org/abs/2410.24210; Wen et al. (2020), "BatchEnsemble", https://arxiv.org/abs/2002.06715.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def _start(weight: Tensor, fan_in: int) -> None:
    """Uniform in ±1/sqrt(fan_in)."""
    nn.init.uniform_(weight, -(fan_in**-0.5), fan_in**-0.5)


def _start_scale(scale: Tensor, how: str, chunks: Sequence[int] | None = None) -> None:
    """Ones, random signs or normal numbers; each member has one number for all entries of a chunk."""
    if how == "ones":
        nn.init.ones_(scale)
        return
    sizes = [1] * scale.shape[1] if chunks is None else list(chunks)
    with torch.no_grad():
        drawn = torch.empty(len(scale), len(sizes), device=scale.device)
        drawn.normal_() if how == "normal" else drawn.bernoulli_(0.5).mul_(2).sub_(1)
        scale.copy_(drawn.repeat_interleave(torch.tensor(sizes, device=scale.device), dim=1, output_size=scale.shape[1]))


class OneHot(nn.Module):
    """Codes `(batch, columns)` as columns of 0 and 1, those of each column behind those before; an unknown level has none.

    >>> OneHot((2, 3))(torch.tensor([[1, 0], [0, 3]]))
    tensor([[0., 1., 1., 0., 0.],
            [1., 0., 0., 0., 0.]])
    """

    places: Tensor
    columns: Tensor

    def __init__(self, levels: Sequence[int]):
        super().__init__()
        self.register_buffer("places", torch.cat([torch.arange(n) for n in levels]), persistent=False)
        self.register_buffer("columns", torch.cat([torch.full((n,), k) for k, n in enumerate(levels)]), persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        return (codes.index_select(1, self.columns) == self.places).to(torch.float32)


class Members(nn.Module):
    """The same values for each of k members: `(batch, features) -> (batch, k, features)`.

    >>> Members(3)(torch.zeros(2, 4)).shape
    torch.Size([2, 3, 4])
    """

    def __init__(self, k: int = 32):
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(1).expand(-1, self.k, -1)


class MemberScale(nn.Module):
    """Each member's own factor for each feature: `(batch, k, features)` to the same.

    >>> MemberScale(3, 4)(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 3, 4])
    """

    def __init__(self, k: int, features: int, initialization: str = "random-signs", chunks: Sequence[int] | None = None):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(k, features))
        _start_scale(self.weight, initialization, chunks)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class BatchEnsemble(nn.Module):
    """k linear layers with one weight: `(batch, k, in) -> (batch, k, out)` as `((x * r) W^T) * s + bias`, with own r, s and bias.

    initialization: of r, "ones", "random-signs" or "normal", one number for each of `chunks`; s begins as ones, and all biases
    as one.

    >>> BatchEnsemble(3, 4, 5)(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 3, 5])
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        k: int,
        in_features: int,
        out_features: int,
        bias: bool = True,
        initialization: str = "ones",
        chunks: Sequence[int] | None = None,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.r = nn.Parameter(torch.empty(k, in_features))
        self.s = nn.Parameter(torch.ones(k, out_features))
        self.register_parameter("bias", nn.Parameter(torch.empty(k, out_features)) if bias else None)
        _start(self.weight, in_features)
        _start_scale(self.r, initialization, chunks)
        if self.bias is not None:
            with torch.no_grad():
                _start(self.bias[0], in_features)
                self.bias.copy_(self.bias[0].clone().expand_as(self.bias))

    def forward(self, x: Tensor) -> Tensor:
        x = (x * self.r) @ self.weight.T * self.s
        return x if self.bias is None else x + self.bias


class MemberHead(nn.Module):
    """The last layer of k members, each with weights of its own: `(batch, k, in) -> (batch, k, out)` in training.

    In eval mode the members are one: `(batch, out)`, the mean of what they predict. of: "number", "logit" (the logit of the
    mean probability) or "logits" (the logarithms of the mean probabilities).

    >>> MemberHead(3, 4, 1, "number").eval()(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 1])
    """

    def __init__(self, k: int, in_features: int, out_features: int, of: str):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(k, in_features, out_features))
        self.bias = nn.Parameter(torch.empty(k, out_features))
        self.of = of
        _start(self.weight, in_features)
        _start(self.bias, in_features)

    def forward(self, x: Tensor) -> Tensor:
        several = (x.transpose(0, 1) @ self.weight).transpose(0, 1) + self.bias
        return several if self.training else self.united(several)

    def united(self, several: Tensor) -> Tensor:
        """What the members predict together."""
        if self.of == "number":
            return several.mean(1)
        if self.of == "logits":
            return _log_mean(nn.functional.log_softmax(several, -1))
        return _log_mean(nn.functional.logsigmoid(several)) - _log_mean(nn.functional.logsigmoid(-several))


def _log_mean(logs: Tensor) -> Tensor:
    """The logarithm of the mean over the members."""
    return torch.logsumexp(logs, 1) - torch.log(torch.tensor(float(logs.shape[1]), device=logs.device))


class PerMember(nn.Module):
    """A loss of the outputs of members, `(batch, k, out)`: each is compared with the target, and weighted by its row."""

    def __init__(self, loss: Callable[..., Tensor]):
        super().__init__()
        self.loss = loss

    def forward(self, input: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """A scalar; an input of one output a row is passed on."""
        if input.ndim == 3:
            k, input = input.shape[1], input.flatten(0, 1)
            target = target.repeat_interleave(k, 0)
            weights = None if weights is None else weights.repeat_interleave(k, 0)
        return self.loss(input, target) if weights is None else self.loss(input, target, weights)


class PeriodicEmbedding(nn.Module):
    """Sines and cosines of each number at `n_frequencies` learnt frequencies, a linear layer of the column, and ReLU.

    `(batch, columns) -> (batch, columns, d_embedding)`; lite: one linear layer for all columns. Gorishniy et al. (2022), "On
    Embeddings for Numerical Features in Tabular Deep Learning", https://arxiv.org/abs/2203.05556.

    >>> PeriodicEmbedding(3, 4)(torch.zeros(2, 3)).shape
    torch.Size([2, 3, 4])
    """

    def __init__(
        self,
        n_features: int,
        d_embedding: int = 24,
        n_frequencies: int = 48,
        frequency_init_scale: float = 0.01,
        activation: bool = True,
        lite: bool = False,
    ):
        super().__init__()
        columns, size = 1 if lite else n_features, 2 * n_frequencies
        self.activation = activation
        self.frequencies = nn.Parameter(torch.empty(n_features, n_frequencies))
        self.weight = nn.Parameter(torch.empty(columns, size, d_embedding))
        self.bias = nn.Parameter(torch.empty(columns, d_embedding))
        bound = 3 * frequency_init_scale
        nn.init.trunc_normal_(self.frequencies, std=frequency_init_scale, a=-bound, b=bound)
        _start(self.weight, size)
        _start(self.bias, size)

    def forward(self, x: Tensor) -> Tensor:
        turns = 2 * torch.pi * self.frequencies * x.unsqueeze(-1)
        waves = torch.cat([turns.cos(), turns.sin()], -1)
        out = (waves.unsqueeze(-2) @ self.weight).squeeze(-2) + self.bias
        return out.relu() if self.activation else out


class Constant(nn.Module):
    """The same learnt numbers for every row, whatever comes in: `(batch, ...) -> (batch, out_features)`.

    >>> Constant(2)(torch.zeros(3, 0)).shape
    torch.Size([3, 2])
    """

    def __init__(self, out_features: int):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(out_features))

    def forward(self, x: Tensor) -> Tensor:
        return self.weights.expand(x.shape[0], -1)


class Pick(nn.Module):
    """One entry along a dimension, which goes: `(batch, n, d) -> (batch, d)` for `dim=1`.

    >>> Pick(1, -1)(torch.zeros(3, 5, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(self, dim: int, index: int):
        super().__init__()
        self.dim, self.index = dim, index

    def forward(self, x: Tensor) -> Tensor:
        return x.select(self.dim, self.index)
