"""Gated activations: one half of the last dimension decides how much of the other half passes.

Shazeer (2020), "GLU Variants Improve Transformer", https://arxiv.org/abs/2002.05202.
"""

import torch
from torch.nn.functional import gelu, relu


class ReGLU(torch.nn.Module):
    """ReGLU: `a * relu(b)` for the halves a and b of the last dimension, `(..., 2 n) -> (..., n)`.

    >>> ReGLU()(torch.tensor([[3.0, 2.0]]))
    tensor([[6.]])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, dim=-1)
        return a * relu(b)


class GEGLU(torch.nn.Module):
    """GEGLU: `a * gelu(b)` for the halves a and b of the last dimension, `(..., 2 n) -> (..., n)`.

    >>> GEGLU()(torch.tensor([[3.0, 0.0]]))
    tensor([[0.]])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, dim=-1)
        return a * gelu(b)
