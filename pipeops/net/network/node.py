"""NetworkNode: the base of every node that adds one value to a network.

While a graph trains it takes model descriptors and returns a longer one; when the graph predicts it hands the data on.
A subclass states `torch_module`, which makes its module, and `extend`, which works out arguments and shape.
Neighbours: `descriptor` and `shape` below; `layer` (rows of the table), `merge`, `head` and `fn` above.
"""

import keyword
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

import attrs
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.net.network.descriptor import Feed, ModelDescriptor, Shape, Spec, Symbol
from pipeops.net.rules.base import Rule
from pipeops.params import UNSET, hyperparameters


@cache
def reserved_ids() -> frozenset[str]:
    """Names that a compiled network has itself, and which so cannot name one of its modules."""
    return frozenset(dir(torch.fx.GraphModule({}, torch.fx.Graph())))


def check_id(node: PipeOp) -> None:
    """Refuse an id that would hide an attribute of the compiled network."""
    if node.id in reserved_ids():
        raise ConfigError(f"{type(node).key}: the id '{node.id}' is an attribute of torch.fx.GraphModule; choose another one.")


def described(node: PipeOp, inputs: Sequence[Any]) -> ModelDescriptor:
    """What comes in as one descriptor; refused when it is none."""
    for given in inputs:
        if not isinstance(given, ModelDescriptor):
            raise DataError(
                f"{node.id}: takes a ModelDescriptor, the network that the nodes before it make, got {type(given).__name__}; "
                'put po("torch_ingress_num") or po("torch_ingress_categ") before it.'
            )
    joined: ModelDescriptor = inputs[0]
    for other in inputs[1:]:
        joined = joined.merge(other, str(node.id))
    return joined


def check_name(id: str) -> None:
    """Refuse what cannot name a module of a network, or a value."""
    first, *rest = id.split(".")
    named = [first, *(part for part in rest if not (part.isascii() and part.isdigit()))]
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in named) or first in reserved_ids():
        raise ConfigError(f"'{id[:80]}' cannot name a part of a network.")


def require_set(node: PipeOp) -> None:
    """Refuse to train a node while a required hyperparameter is unset."""
    for name in hyperparameters(type(node)):
        if getattr(node, name) is UNSET:
            raise ConfigError(f"{node.id}: set '{name}' before training.")


@operator
class NetworkNode(PipeOp):
    """A node that adds one value to the network under construction."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "ModelDescriptor", "Feed"),)
    torch_module: ClassVar[Callable[..., torch.nn.Module]]
    """What makes the module, from keyword arguments."""
    rank: ClassVar[tuple[int, ...]] = ()
    """How many dimensions must come in, with the batch; empty where the node takes what a table gives."""
    rule: ClassVar[Rule | None] = None
    """The module written out, for training without autograd."""

    def __attrs_post_init__(self) -> None:
        check_id(self)

    @abstractmethod
    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        """The new value that hangs on `inputs`; refused when their shapes do not fit."""

    def values(self, inputs: Sequence[Symbol], task: Task | None) -> Sequence[Symbol]:
        """The new values, one for each output."""
        return [self.extend(inputs, task)]

    def symbol(
        self, inputs: Sequence[Symbol], arguments: dict[str, Any], shape: Shape, dtype: torch.dtype = torch.float32
    ) -> Symbol:
        """The value that this node's module makes with these arguments."""
        spec = Spec(type(self).key, type(self).torch_module, arguments)
        return Symbol(str(self.id), spec, tuple(inputs), shape, dtype)

    def shape_out(self, *shapes: Shape, task: Task | None = None) -> Shape:
        """The shape that comes out where these go in; `None` is an unknown size.

        >>> from pipeops import nn
        >>> nn("linear", out_features=7).shape_out((None, 4))
        (None, 7)
        """
        require_set(self)
        return self.extend([Symbol(f"input{i}", None, (), shape, self.takes()) for i, shape in enumerate(shapes)], task).shape

    def takes(self) -> torch.dtype:
        """The type of the numbers that come in, where nothing else says it."""
        return torch.float32

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        require_set(self)
        joined = described(self, inputs)
        values = self.values([d.symbol for d in inputs], joined.feed.task)
        return [attrs.evolve(joined, symbol=value) for value in values], {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        joined: Feed = inputs[0]
        for other in inputs[1:]:
            joined = joined.merge(other, self.id)
        return [joined] * len(self.outputs)
