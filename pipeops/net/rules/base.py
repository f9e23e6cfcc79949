"""What a rule is: how one call of a network, and its gradient, are computed for K networks at once without autograd.

A rule is a function of a `Call` and of tensors like those that will come in, `(K, batch, ...)`. It makes what it needs once,
buffers among it, and answers a `Made`; or None where it does not hold for these settings, and then autograd runs. Rules are
for training. Neighbours: rows of the table of layers name them; the engine makes them for each size of a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch


class Call(NamedTuple):
    """One call of a module in K networks.

    modules: the module of each network, all with the same settings. params, buffers: its own by name, `(K, ...)`. grads: where
    the gradients of the parameters that are trained are to be written. wanted: for each input, whether its gradient is
    asked for. generators: what each network's random numbers are drawn from.
    """

    modules: Sequence[Any]
    params: Mapping[str, torch.Tensor]
    grads: Mapping[str, torch.Tensor]
    buffers: Mapping[str, torch.Tensor]
    wanted: Sequence[bool]
    generators: Sequence[torch.Generator]


class Made(NamedTuple):
    """What a rule answers.

    out: a tensor like the one that comes out. forward: from the inputs to what comes out, in a buffer or a view. backward: from
    the gradient of what came out and the inputs to the gradient of each input (None where it is not wanted), after it has
    written those of the parameters. Neither may write into what it is given.
    """

    out: torch.Tensor
    forward: Callable[..., torch.Tensor]
    backward: Callable[..., Sequence[torch.Tensor | None]]


Rule = Callable[..., Made | None]


def summed(grads: Mapping[str, torch.Tensor], name: str, values: torch.Tensor) -> None:
    """Write the sum over batch and all further dimensions that the parameter does not have, where it is trained."""
    grad = grads.get(name)
    if grad is not None:
        over = tuple(range(1, values.ndim - grad.ndim + 1))
        grad.copy_(values.sum(over)) if over else grad.copy_(values)


def beside(param: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A parameter `(K, *shape)` so that it meets the last dimensions of `(K, batch, ..., *shape)`."""
    return param.view(len(param), *[1] * (x.ndim - param.ndim), *param.shape[1:])
