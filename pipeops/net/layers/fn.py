"""`nn("fn")`: any function of a tensor as a node. Neighbours: `node` and `shape` below."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from pipeops.data import Task
from pipeops.errors import ConfigError
from pipeops.graph.pipeop import operator
from pipeops.net.layers.modules.shapes import Call
from pipeops.net.network.descriptor import Symbol
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import traced
from pipeops.params import UNSET, anything
from pipeops.shorthand import nn


@nn.add("fn")
@operator
class Fn(NetworkNode):
    """A function of a tensor, `fn(x, **arguments)`: `(batch, ...)` to what it makes of it.

    The shape is found by calling it on the meta device, so it must not look at values. A function that a graph is to be
    pickled or saved with has a name in a module: no lambda.

    >>> import torch
    >>> from pipeops import nn
    >>> nn("fn", fn=torch.sin)
    nn("fn", fn=torch.sin)
    """

    torch_module = Call
    example: ClassVar[Mapping[str, Any]] = {"fn": torch.sin}

    fn: Any = anything()
    arguments: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if isinstance(self.fn, torch.nn.Module) or (isinstance(self.fn, type) and issubclass(self.fn, torch.nn.Module)):
            raise ConfigError(
                f"{self.id}: 'fn' must be a function of a tensor, got the module {self.fn!r:.80}, whose weights would "
                "be made before any seed; register its class by layer(key, cls), which makes it a node."
            )
        if self.fn is not UNSET and not callable(self.fn):
            raise ConfigError(f"{self.id}: 'fn' must be a function of a tensor, got {self.fn!r}.")

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        (symbol,) = inputs
        arguments = {"fn": self.fn, "arguments": self.arguments}
        shape, dtype = traced(lambda: Call(**arguments), [(symbol.shape, symbol.dtype)], self.id)
        return self.symbol(inputs, arguments, shape, dtype)
