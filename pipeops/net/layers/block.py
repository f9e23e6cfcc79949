"""Nodes that hold a graph of layers: `nn("block")` repeats it, `nn("shared")` applies it to several inputs with the same weights.

What is inside is laid into the network under dotted names (`block.0.linear`), value by value, so that shapes, rules, saving and
training see nothing but layers. Neighbours: `node` below; `graph` has the graph that is held.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import attrs

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.graph.graph import Graph
from pipeops.graph.pipeop import AutoId, Channel, operator
from pipeops.net.network.descriptor import Symbol
from pipeops.net.network.node import NetworkNode
from pipeops.params import UNSET, anything, integer
from pipeops.shorthand import nn
from pipeops.text import source

CARRIED = ("ModelDescriptor", "Feed")


def segment(given: Any) -> Graph:
    """A graph of layers with one output, from a node, a graph or a list; refused when it is no such thing."""
    if given is None:
        raise ConfigError('a block needs the graph that it holds, as in nn("block", block=nn("relu"), n_blocks=2).')
    graph = given.copy() if isinstance(given, Graph) else Graph().extend(given)
    strange = [node for node in graph.nodes.values() if not isinstance(node, NetworkNode)]
    if strange or not len(graph):
        raise ConfigError(f"a block is made of layers alone, got {strange[0]!r:.80}." if strange else "a block needs a layer.")
    if len(graph.outputs) != 1:
        ends = ", ".join(end.name for end in graph.outputs)
        raise ConfigError(f'a block has one output, this one ends in {ends}; join them, as with nn("merge_sum").')
    return graph


def laid(graph: Graph, prefix: str, symbol: Symbol, task: Task | None) -> Symbol:
    """What the graph makes of a value, which goes to all of its open inputs; its nodes are called `prefix.id`."""
    for address, value in graph.params.items():
        if value is UNSET:
            raise ConfigError(f"{prefix}: set '{address}' before training.")
    values: dict[tuple[str, str], Symbol] = {}
    feeds: dict[tuple[str, str], list[tuple[str, str] | None]] = {(e.node, e.channel.name): [None] for e in graph.inputs}
    for edge in graph.edges:
        feeds.setdefault((edge.target, edge.input), []).append((edge.source, edge.output))
    for id, node in graph.nodes.items():
        named: Any = node.renamed(AutoId(f"{prefix}.{id}"))
        given = [symbol if s is None else values[s] for c in node.inputs for s in feeds[id, c.name]]
        made = named.values(given, task)
        values |= {(id, c.name): value for c, value in zip(node.outputs, made, strict=True)}
    (end,) = graph.outputs
    return values[end.node, end.channel.name]


@operator
class Holder(NetworkNode):
    """A node that holds a graph of layers, whose hyperparameters are addressed beside its own."""

    block: Graph = attrs.field(default=None, converter=segment, kw_only=True)  # pyright: ignore[reportAssignmentType]

    def parts(self) -> dict[str, Graph]:
        """The graph."""
        return {"": self.block}

    def with_part(self, name: str, part: Graph) -> Self:
        """A copy with a changed graph."""
        return attrs.evolve(self, block=part)

    def changed(self) -> dict[str, Any]:
        """The graph and the own hyperparameters."""
        return {"block": AsWritten(self.block), **super().changed()}


class AsWritten:
    """A graph in a node's `repr`: a chain as it was written, else its ids."""

    def __init__(self, graph: Graph):
        self.graph = graph

    def __repr__(self) -> str:
        nodes = list(self.graph.nodes.values())
        steps = [(a.id, b.id) for a, b in pairwise(nodes)]
        if [(e.source, e.target) for e in self.graph.edges] == steps:
            return " >> ".join(map(repr, nodes))
        return f"<Graph of {', '.join(self.graph.ids())}>"


@nn.add("block")
@operator
class RepeatedBlock(Holder):
    """A segment of a network, repeated: `n_blocks` copies behind one another, each with weights of its own.

    block: a graph of layers with one output; what comes in goes to all of its open inputs, so that `[layers, nn("identity")] >>
    nn("merge_sum")` is a residual block. n_blocks: 0 hands on what comes in. Hyperparameters inside are addressed through the
    node (`block.linear.out_features`). trafo: `trafo(i, params)` answers what is different in copy i (from 0), as a dictionary
    by the addresses of `params`. Weights are called `block.0.linear.weight`.

    >>> from pipeops import nn
    >>> nn("block", block=nn("linear", out_features=3) >> nn("relu"), n_blocks=2).shape_out((None, 5))
    (None, 3)
    """

    example: ClassVar[Mapping[str, Any]] = {"block": nn("linear", out_features=4) >> nn("relu"), "n_blocks": 2}

    n_blocks: int = integer(0)
    trafo: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.trafo is not None and not callable(self.trafo):
            raise ConfigError(f"{self.id}: 'trafo' must be a function (i, params), got {self.trafo!r}.")

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        (symbol,) = inputs
        for i in range(self.n_blocks):
            symbol = laid(self.copy(i), f"{self.id}.{i}", symbol, task)
        return symbol

    def copy(self, i: int) -> Graph:
        """The graph of copy i, changed by `trafo`."""
        if self.trafo is None:
            return self.block
        answer = self.trafo(i, dict(self.block.params))
        if not isinstance(answer, Mapping):
            raise ConfigError(
                f"{self.id}: trafo({i}, params) must answer a dictionary of hyperparameters by address, got {source(answer):.80}."
            )
        graph = self.block.copy()
        for address, value in answer.items():
            graph.params[address] = value
        return graph


@nn.add("shared")
@operator
class Shared(Holder):
    """A segment of a network, applied to each input with the same weights: siamese towers.

    block: a graph of layers with one output. n_inputs: how many values come in; as many go out, in order. All must have
    one shape. Batch norms inside see one input after another.

    >>> from pipeops import nn
    >>> [c.name for c in nn("shared", block=nn("linear", out_features=3)).outputs]
    ['output1', 'output2']
    """

    example: ClassVar[Mapping[str, Any]] = {"block": nn("linear", out_features=4) >> nn("relu")}

    n_inputs: int = integer(1, default=2)

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel(f"input{k}", *CARRIED) for k in range(1, self.n_inputs + 1))

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel(f"output{k}", *CARRIED) for k in range(1, self.n_inputs + 1))

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        return self.values(inputs, task)[0]

    def values(self, inputs: Sequence[Symbol], task: Task | None) -> Sequence[Symbol]:
        kinds = list(dict.fromkeys((s.shape, s.dtype, s.levels) for s in inputs))
        if len(kinds) > 1:
            shapes = ", ".join(str(s.shape) for s in inputs)
            raise DataError(f"{self.id}: the same weights are applied to all inputs, which must be of one kind, got {shapes}.")
        return [laid(self.block, str(self.id), symbol, task) for symbol in inputs]
