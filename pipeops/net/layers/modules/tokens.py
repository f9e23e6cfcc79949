"""Tokenizers: each column of a table becomes a vector of its own, `(batch, columns) -> (batch, columns, d_token)`.

Gorishniy et al. (2021), "Revisiting Deep Learning Models for Tabular Data", https://arxiv.org/abs/2106.11959.
"""

from collections.abc import Sequence

import torch

from pipeops.net.layers.modules.embedding import CategoricalEmbedding


def start_token(weight: torch.Tensor, initialization: str) -> None:
    """Draw tokens: uniform in ±1/sqrt(d), or normal with that standard deviation."""
    bound = weight.shape[-1] ** -0.5
    if initialization == "uniform":
        torch.nn.init.uniform_(weight, -bound, bound)
    else:
        torch.nn.init.normal_(weight, std=bound)


class NumericTokenizer(torch.nn.Module):
    """Each number times the vector of its column, plus a bias of the column.

    >>> NumericTokenizer(3, 4)(torch.zeros(2, 3)).shape
    torch.Size([2, 3, 4])
    """

    bias: torch.nn.Parameter | None

    def __init__(self, n_features: int, d_token: int, bias: bool = True, initialization: str = "uniform"):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(n_features, d_token))
        self.register_parameter("bias", torch.nn.Parameter(torch.empty(n_features, d_token)) if bias else None)
        for parameter in self.parameters():
            start_token(parameter, initialization)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.weight * x.unsqueeze(-1)
        return tokens if self.bias is None else tokens + self.bias


class CategoricalTokenizer(torch.nn.Module):
    """The vector of each category, plus a bias of the column; a category that training did not see has the mean of its column.

    >>> CategoricalTokenizer((2, 3), 4)(torch.tensor([[1, 2]])).shape
    torch.Size([1, 2, 4])
    """

    bias: torch.nn.Parameter | None

    def __init__(self, levels: Sequence[int], d_token: int, bias: bool = True, initialization: str = "uniform"):
        super().__init__()
        self.embeddings = CategoricalEmbedding(levels, d_token)
        self.register_parameter("bias", torch.nn.Parameter(torch.empty(len(levels), d_token)) if bias else None)
        for parameter in self.parameters():
            start_token(parameter, initialization)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        tokens = self.embeddings(codes)
        return tokens if self.bias is None else tokens + self.bias


class ClassToken(torch.nn.Module):
    """One more token behind the others, the same for every row: `(batch, n, d) -> (batch, n + 1, d)`.

    >>> ClassToken(4)(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 4, 4])
    """

    def __init__(self, d_token: int, initialization: str = "uniform"):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(d_token))
        start_token(self.weight, initialization)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.cat([tokens, self.weight.expand(tokens.shape[0], 1, -1)], dim=1)
