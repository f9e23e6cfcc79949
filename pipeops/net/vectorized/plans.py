"""How the networks of an ensemble compute on batches of one size: by rules, in buffers that are made once.

Neighbours: rules say how each call is computed; mapped is the way through autograd; the ensemble makes the steps.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from pipeops.net.rules.base import Call, Rule


class Wire(NamedTuple):
    """One call in the blueprint of K networks: its rule, each network's module, and which values it takes.

    Values are numbered: first the ingresses, then what each call answers, in order. params: all parameters by name, `(K, ...)`;
    grads: where the gradients of those that are trained go.
    """

    rule: Rule | None
    modules: Sequence[Any]
    sources: Sequence[int]
    params: Mapping[str, torch.Tensor]
    grads: Mapping[str, torch.Tensor]
    buffers: Mapping[str, torch.Tensor]

    def part(self, start: int, stop: int) -> "Wire":
        """The same call in some of the networks."""
        cut = [{name: t[start:stop] for name, t in named.items()} for named in (self.params, self.grads, self.buffers)]
        return self._replace(modules=self.modules[start:stop], params=cut[0], grads=cut[1], buffers=cut[2])


class NotRuledError(Exception):
    """What cannot be computed in this way: a rule does not hold, or a module does not map."""


class Plan(ABC):
    """K networks on batches of one size."""

    @abstractmethod
    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The outputs `(K, batch, width)`."""

    @abstractmethod
    def backward(self, slope: torch.Tensor) -> None:
        """Write the gradients of the parameters, from that of the outputs."""


class RulePlan(Plan):
    """By rules, without autograd."""

    def __init__(self, wires: Sequence[Wire], generators: Sequence[torch.Generator], inputs: Sequence[torch.Tensor]):
        values, reached = list(inputs), [False] * len(inputs)
        self.ahead: list[tuple[Any, tuple[int, ...]]] = []
        self.back: list[tuple[Any, tuple[int, ...], int, tuple[int, ...]]] = []
        for wire in wires:
            sources, wanted = tuple(wire.sources), [reached[i] for i in wire.sources]
            assert wire.rule is not None
            call = Call(wire.modules, wire.params, wire.grads, wire.buffers, wanted, generators)
            made = wire.rule(call, *(values[i] for i in sources))
            if made is None:
                raise NotRuledError
            if any(wanted) or wire.grads:
                targets = tuple(i if asked else -1 for i, asked in zip(sources, wanted, strict=True))
                self.back.append((made.backward, sources, len(values), targets))
            self.ahead.append((made.forward, sources))
            values.append(made.out)
            reached.append(any(wanted) or bool(wire.grads))
        self.back.reverse()
        self.first, self.values = len(inputs), values

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        values, place = self.values, self.first
        values[:place] = inputs
        for call, sources in self.ahead:
            values[place] = call(values[sources[0]]) if len(sources) == 1 else call(*[values[i] for i in sources])
            place += 1
        return values[-1]

    def backward(self, slope: torch.Tensor) -> None:
        values, slopes = self.values, {len(self.values) - 1: slope}
        for call, sources, place, targets in self.back:
            own = slopes.pop(place)
            for target, gradient in zip(targets, call(own, *[values[i] for i in sources]), strict=True):
                if target >= 0:
                    slopes[target] = slopes[target] + gradient if target in slopes else gradient
