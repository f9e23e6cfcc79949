"""What meets when a graph is composed: edges, open ends, which channel goes to which, and whether their kinds fit.

Pure functions on channels; `graph.py` uses them, and no state is held here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pipeops.errors import CompositionError, listing
from pipeops.graph.pipeop import Channel, PipeOp


class Edge(NamedTuple):
    """From an output channel of one node to an input channel of another."""

    source: str
    output: str
    target: str
    input: str


class End(NamedTuple):
    """A channel of a node that no edge has reached yet, with the kinds that flow through it."""

    node: str
    channel: Channel

    @property
    def name(self) -> str:
        """`"node.channel"`."""
        return f"{self.node}.{self.channel.name}"

    def carrying(self, other: Channel) -> "End":
        """This end with the kinds of another channel."""
        same = self.channel.train == other.train and self.channel.predict == other.predict
        return self if same else End(self.node, self.channel.carrying(other))


def check_types(source: End, sink: End) -> None:
    """Refuse to join two ends whose kinds differ in either phase."""
    given, taken = source.channel, sink.channel
    for phase, gives, takes in (("train", given.train, taken.train), ("predict", given.predict, taken.predict)):
        if gives != takes and not gives.fits(takes):
            raise CompositionError(
                f"'{source.node}' gives a {gives} in {phase} (output '{source.channel.name}'), "
                f"but '{sink.node}' takes a {takes} (input '{sink.channel.name}').{takes.advice(gives)}"
            )


def channel(channels: Sequence[Channel], name: str) -> Channel:
    """The channel of that name."""
    return next(c for c in channels if c.name == name)


def pick(node: PipeOp, side: str, name: str | None) -> Channel:
    """A node's channel by name; the name may be left out where there is one. side: "input" or "output"."""
    channels: Sequence[Channel] = node.inputs if side == "input" else node.outputs
    names = [c.name for c in channels]
    if name is None and len(channels) == 1:
        return channels[0]
    if name is None:
        raise CompositionError(f"'{node.id}' has {len(names)} {side}s; choose one: {side}= one of {listing(names)}.")
    if name not in names:
        raise CompositionError(f"'{node.id}' has no {side} '{name}'; its {side}s are {listing(names)}.")
    return channels[names.index(name)]


def pair(outputs: list[End], inputs: list[End]) -> list[tuple[End, End]]:
    """Which output goes to which input: in order, one to all, or all to one that takes any number."""
    if len(inputs) == 1 and len(outputs) > 1 and inputs[0].channel.many:
        return [(o, inputs[0]) for o in outputs]
    if len(outputs) == len(inputs):
        return list(zip(outputs, inputs, strict=True))
    if len(outputs) == 1 and inputs:
        return [(outputs[0], i) for i in inputs]
    raise CompositionError(f"cannot join {_counted(outputs, 'output')} to {_counted(inputs, 'input')}.")


def _counted(ends: list[End], what: str) -> str:
    names = f" ({listing(e.name for e in ends)})" if ends else ""
    return f"{len(ends)} {what}{'s' * (len(ends) != 1)}{names}"
