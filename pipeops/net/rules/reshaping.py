"""Rules of what moves or joins values: changes of shape, softmax along a dimension, gates, merges.

Neighbours: base below; the table of layers and the merging nodes name these.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch

from pipeops.net.rules.base import Call, Made

aten: Any = torch.ops.aten


def reshaped(call: Call, x: torch.Tensor) -> Made:
    """The same numbers in the same order, in another shape: identity, flatten, reshape, squeeze and their like."""
    shape = (len(x), *call.modules[0](x[0]).shape)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.reshape(shape)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return (slope.reshape(x.shape) if call.wanted[0] else None,)

    return Made(x.reshape(shape), forward, backward)


def _beyond(dim: int) -> int:
    """A dimension of one network's value among those of K networks."""
    return dim if dim < 0 else dim + 1


def softmax(call: Call, x: torch.Tensor) -> Made:
    """Positive numbers with sum 1 along a dimension."""
    dim, out, back = _beyond(call.modules[0].dim), torch.empty_like(x), torch.empty_like(x)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, dim, out=out)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return (aten._softmax_backward_data.out(slope, out, dim, x.dtype, grad_input=back),)

    return Made(out, forward, backward)


def softmin(call: Call, x: torch.Tensor) -> Made:
    """The softmax of the negated numbers."""
    dim, out = _beyond(call.modules[0].dim), torch.empty_like(x)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(-x, dim, out=out)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return (aten._softmax_backward_data(slope, out, dim, x.dtype).neg_(),)

    return Made(out, forward, backward)


def log_softmax(call: Call, x: torch.Tensor) -> Made:
    """The logarithm of the softmax."""
    dim, out = _beyond(call.modules[0].dim), torch.empty_like(x)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(x, dim, out=out)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return (aten._log_softmax_backward_data(slope, out, dim, x.dtype),)

    return Made(out, forward, backward)


def glu(call: Call, x: torch.Tensor) -> Made:
    """One half times the sigmoid of the other."""
    dim = _beyond(call.modules[0].dim)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return aten.glu(x, dim)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return (aten.glu_backward(slope, x, dim),)

    return Made(aten.glu(x, dim), forward, backward)


def added(call: Call, *inputs: torch.Tensor) -> Made | None:
    """The sum; the gradient of what was repeated is summed up again."""
    if len({x.ndim for x in inputs}) > 1:
        return None

    def forward(*inputs: torch.Tensor) -> torch.Tensor:
        return reduce(torch.add, inputs)

    def backward(slope: torch.Tensor, *inputs: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return [slope.sum_to_size(x.shape) if wanted else None for x, wanted in zip(inputs, call.wanted, strict=True)]

    return Made(forward(*inputs), forward, backward)


def multiplied(call: Call, *inputs: torch.Tensor) -> Made | None:
    """The product."""
    if len({x.ndim for x in inputs}) > 1:
        return None

    def forward(*inputs: torch.Tensor) -> torch.Tensor:
        return reduce(torch.mul, inputs)

    def backward(slope: torch.Tensor, *inputs: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return [
            reduce(torch.mul, [*inputs[:i], *inputs[i + 1 :]], slope).sum_to_size(x.shape) if wanted else None
            for i, (x, wanted) in enumerate(zip(inputs, call.wanted, strict=True))
        ]

    return Made(forward(*inputs), forward, backward)


def concatenated(call: Call, *inputs: torch.Tensor) -> Made:
    """One after another along a dimension; the gradient is cut where they meet."""
    dim, sizes = _beyond(call.modules[0].dim), [x.shape[_beyond(call.modules[0].dim)] for x in inputs]
    out = torch.cat(inputs, dim)

    def forward(*inputs: torch.Tensor) -> torch.Tensor:
        return torch.cat(inputs, dim, out=out)

    def backward(slope: torch.Tensor, *inputs: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return slope.split(sizes, dim)

    return Made(out, forward, backward)
