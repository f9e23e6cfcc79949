"""Modules that change nothing but the shape, and `FunctionModule`, which calls a function."""

from collections.abc import Callable, Sequence
from typing import Any

import torch


class Reshape(torch.nn.Module):
    """`(…)` -> `shape`, where one -1 stands for what is left of the elements, or what a function answers for the shape.

    >>> Reshape((-1, 2, 2))(torch.zeros(3, 4)).shape
    torch.Size([3, 2, 2])
    >>> Reshape(lambda shape: (shape[0], shape[1] // 2, 2))(torch.zeros(3, 4)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(self, shape: Sequence[int] | Callable[[tuple[int, ...]], Sequence[int]]):
        super().__init__()
        self.shape = shape if callable(shape) else tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(tuple(self.shape(tuple(x.shape))) if callable(self.shape) else self.shape)

    def extra_repr(self) -> str:
        return getattr(self.shape, "__name__", str(self.shape))


class Squeeze(torch.nn.Module):
    """Without the dimensions `dims`, whose size is 1.

    >>> Squeeze((1,))(torch.zeros(3, 1, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(self, dims: Sequence[int]):
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.squeeze(self.dims)

    def extra_repr(self) -> str:
        return str(self.dims)


class Unsqueeze(torch.nn.Module):
    """With a new dimension of size 1 at `dim`.

    >>> Unsqueeze(1)(torch.zeros(3, 4)).shape
    torch.Size([3, 1, 4])
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(self.dim)

    def extra_repr(self) -> str:
        return str(self.dim)


class FunctionModule(torch.nn.Module):
    """`fn(x, **arguments)` for any function of a tensor.

    >>> FunctionModule(torch.clamp, {"min": 0.0})(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, fn: Callable[..., torch.Tensor], arguments: dict[str, Any] | None = None):
        super().__init__()
        self.fn, self.arguments = fn, dict(arguments or {})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fn(x, **self.arguments)

    def extra_repr(self) -> str:
        return getattr(self.fn, "__name__", repr(self.fn))
