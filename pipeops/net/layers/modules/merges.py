"""Modules that make one tensor of several."""

from functools import reduce

import torch


class Sum(torch.nn.Module):
    """The elementwise sum; sizes of 1 are repeated."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return reduce(torch.add, inputs)


class Product(torch.nn.Module):
    """The elementwise product; sizes of 1 are repeated."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return reduce(torch.mul, inputs)


class Concatenation(torch.nn.Module):
    """The concatenation along `dim`."""

    def __init__(self, dim: int = -1):
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return torch.cat(inputs, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
