"""`nn("fn")`: any function of a tensor, or module, as a node. Neighbours: `node` and `shape` below."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError
from pipeops.graph.pipeop import operator
from pipeops.net.layers.modules.shapes import FunctionModule
from pipeops.net.network.descriptor import Symbol
from pipeops.net.network.kept import GivenModule, kept
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import traced
from pipeops.params import UNSET, Param, anything
from pipeops.shorthand import nn


def called(fn: Any, arguments: dict[str, Any] | None = None) -> torch.nn.Module:
    """A module that calls a function, a copy of a module with its weights, or a new one of a class."""
    if isinstance(fn, GivenModule):
        return fn.copy()
    if isinstance(fn, type) and issubclass(fn, torch.nn.Module):
        return fn(**(arguments or {}))
    return FunctionModule(fn, arguments)


@nn.add("fn")
@operator
class Fn(NetworkNode):
    """A function of a tensor, `fn(x, **arguments)`: `(batch, ...)` to what it makes of it; or a module of torch.

    fn: a function, whose shape is found by calling it on the meta device, so that it must not look at values; a class of
    modules, made with `arguments` when the network is; or a module, which is copied with its weights. A function that a graph
    is to be pickled or saved with has a name in a module: no lambda.

    >>> import torch
    >>> from pipeops import nn
    >>> nn("fn", fn=torch.sin)
    nn("fn", fn=torch.sin)
    >>> nn("fn", fn=torch.nn.Linear(3, 2)).shape_out((None, 3))
    (None, 2)
    """

    torch_module = called
    example: ClassVar[Mapping[str, Any]] = {"fn": torch.sin}

    fn: Any = attrs.field(default=UNSET, converter=kept, kw_only=True, metadata={"param": Param("anything")})
    arguments: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.fn is not UNSET and not callable(self.fn):
            raise ConfigError(f"{self.id}: 'fn' must be a function of a tensor, or a module, got {self.fn!r}.")
        if isinstance(self.fn, GivenModule) and self.arguments:
            raise ConfigError(f"{self.id}: 'fn' is a module that is made already, it takes no 'arguments'; give its class.")

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        (symbol,) = inputs
        arguments = {"fn": self.fn, "arguments": self.arguments}
        shape, dtype = traced(lambda: called(**arguments), [(symbol.shape, symbol.dtype)], self.id)
        return self.symbol(inputs, arguments, shape, dtype)
