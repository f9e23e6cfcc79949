"""K networks' parameters in flat buffers, and their steps: one call for all of them.

`take` moves the parameters that are trained, and what their steppers remember, into the buffers, and lets the networks'
parameters be views of them; `give` moves all back. For each parameter the K networks lie behind one another, each padded to
the width of a vector register, so that how an element is rounded depends on nothing but its own network. Networks step in
one call while their steppers are set alike, have one rate and have made as many steps. Gradients are in `parameter.grad`.
Neighbours: fused and kernels below; the engine steps with these.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch

from pipeops.net.optimizers.fused import FusedStepper, Stepper, Tensors

WIDTH = 16
"""Elements of a network's part are a multiple of these: a register of 64 bytes in single precision."""


class Flat:
    """Tensors of K networks in one buffer. rows: for each shape `(K, padded)`; stacks: the same as `(K, *shape)`."""

    def __init__(self, shapes: Sequence[torch.Size], k: int, like: torch.Tensor):
        sizes = [math.prod(shape) for shape in shapes]
        padded = [-(-size // WIDTH) * WIDTH for size in sizes]
        self.buffer = like.new_zeros(k * sum(padded))
        parts = self.buffer.split([k * width for width in padded])
        self.rows = [part.view(k, width) for part, width in zip(parts, padded, strict=True)]
        self.stacks = [
            row[:, :size].unflatten(1, shape) if shape else row[:, 0]
            for row, size, shape in zip(self.rows, sizes, shapes, strict=True)
        ]

    def part(self, start: int, stop: int) -> list[torch.Tensor]:
        """The memory of networks `start` to `stop`, contiguous."""
        return [self.buffer] if stop - start == len(self.rows[0]) else [row[start:stop].view(-1) for row in self.rows]


class Joint(ABC):
    """Parameters of K networks together. stacks and grads: of each parameter that is trained, `(K, *shape)`."""

    stacks: Tensors
    grads: Tensors

    @abstractmethod
    def take(self) -> None:
        """Take over from the networks."""

    @abstractmethod
    def step(self, start: int, stop: int) -> None:
        """Update networks `start` to `stop` from `grads`."""

    @abstractmethod
    def give(self) -> None:
        """Give back to the networks."""


class Part(NamedTuple):
    """Neighbours that step in one call, by the stepper of the first."""

    start: int
    stop: int
    stepper: FusedStepper
    values: Tensors
    grads: Tensors
    memory: Sequence[Tensors]


class FlatJoint(Joint):
    """Fused steppers on flat buffers."""

    def __init__(self, steppers: Sequence[FusedStepper], which: Sequence[int]):
        """which: the places of the parameters that are trained."""
        self.steppers, self.which = steppers, which
        first, k = steppers[0], len(steppers)
        shapes, like = [first.params[i].shape for i in which], first.values[0]
        self.values, self.flat = Flat(shapes, k, like), Flat(shapes, k, like)
        self.memory = [Flat(shapes, k, like) for _ in first.memory]
        self.stacks, self.grads = self.values.stacks, self.flat.stacks
        self.parts: dict[tuple[int, int], list[Part]] = {}
        self.own: list[list[torch.Tensor]] = []

    def take(self) -> None:
        self.own = [[stepper.params[i].data for i in self.which] for stepper in self.steppers]
        for k, stepper in enumerate(self.steppers):
            for place, i in enumerate(self.which):
                self.stacks[place][k].copy_(stepper.params[i].data)
                for flat, kept in zip(self.memory, stepper.memory, strict=True):
                    flat.stacks[place][k].copy_(kept[i])
                stepper.params[i].data, stepper.params[i].grad = self.stacks[place][k], self.grads[place][k]
        self.made = [max(stepper.steps[i] for i in self.which) for stepper in self.steppers]
        self.parts.clear()

    def step(self, start: int, stop: int) -> None:
        parts = self.parts.get((start, stop))
        if parts is None:
            parts = self.parts[start, stop] = self._parts(start, stop)
        made = self.made
        for part in parts:
            part.stepper.kernel(part.values, part.grads, part.memory, made[part.start] + 1)
        for k in range(start, stop):
            made[k] += 1
        if stop - start < len(made):
            self.parts.clear()

    def _parts(self, start: int, stop: int) -> list[Part]:
        keys = [(alike(s), s.lr, self.made[k]) for k, s in enumerate(self.steppers)]
        ends = [k for k in range(start, stop) if k == start or keys[k] != keys[k - 1]]
        return [self._part(a, b) for a, b in zip(ends, [*ends[1:], stop], strict=True)]

    def _part(self, start: int, stop: int) -> Part:
        values, grads, *memory = (flat.part(start, stop) for flat in (self.values, self.flat, *self.memory))
        return Part(start, stop, self.steppers[start], values, grads, memory)

    def give(self) -> None:
        for k, (stepper, own) in enumerate(zip(self.steppers, self.own, strict=True)):
            for place, i in enumerate(self.which):
                own[place].copy_(self.stacks[place][k])
                for flat, kept in zip(self.memory, stepper.memory, strict=True):
                    kept[i].copy_(flat.stacks[place][k])
                stepper.params[i].data, stepper.params[i].grad = own[place], None
                stepper.steps[i] = self.made[k]
            stepper.follow()


class Alone(Joint):
    """One network with any stepper, which finds its gradients where it looks for them."""

    def __init__(self, stepper: Stepper, params: Sequence[torch.nn.Parameter]):
        self.stepper, self.params = stepper, params
        self.grads = [torch.zeros_like(p, memory_format=torch.contiguous_format).unsqueeze(0) for p in params]
        self.own = [grad[0] for grad in self.grads]

    @property
    def stacks(self) -> list[torch.Tensor]:  # type: ignore[override]
        """The parameters as they are."""
        return [p.detach().unsqueeze(0) for p in self.params]

    def take(self) -> None:
        for param, grad in zip(self.params, self.own, strict=True):
            param.grad = grad

    def step(self, start: int, stop: int) -> None:
        self.stepper.step()
        self.take()

    def give(self) -> None:
        for param in self.params:
            param.grad = None


def alike(stepper: FusedStepper) -> tuple[object, ...]:
    """Equal for steppers that are set alike, but for the rate."""
    return type(stepper), stepper.torch_class, repr([(n, stepper.settings[n]) for n in sorted(stepper.named) if n != "lr"])


def joint(steppers: Sequence[Stepper], networks: Sequence[torch.nn.Module]) -> Joint | None:
    """The networks' parameters together, or None where their steppers do not join.

    Fused steppers join when all that is trained has made as many steps; any other stepper is alone with its network.
    """
    trained = [[p for p in network.parameters() if p.requires_grad] for network in networks]
    fused = [s for s in steppers if isinstance(s, FusedStepper)]
    if len(fused) < len(steppers):
        return Alone(steppers[0], trained[0]) if len(steppers) == 1 else None
    places = [[i for i, p in enumerate(s.params) if p.requires_grad] for s in fused]
    known = all(
        [id(s.params[i]) for i in which] == list(map(id, own)) for s, which, own in zip(fused, places, trained, strict=True)
    )
    even = all(len({s.steps[i] for i in which}) == 1 for s, which in zip(fused, places, strict=True))
    same = all(which == places[0] and s.kept() == fused[0].kept() for s, which in zip(fused, places, strict=True))
    if known and even and same:
        return FlatJoint(fused, places[0])
    return Alone(steppers[0], trained[0]) if len(steppers) == 1 else None
