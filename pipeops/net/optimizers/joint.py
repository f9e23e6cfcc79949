"""K networks' parameters in flat buffers, and their steps: one call for all of them.

`take` moves the parameters that are trained, and what their steppers remember, into the buffers, and lets the networks'
parameters be views of them; `give` moves all back. For each parameter the K networks lie behind one another, each padded to
the width of a vector register, so that how an element is rounded depends on nothing but its own network. Networks step in
one call while their steppers are set alike and have made as many steps; rates and weight decays may differ (`Spread`), and
may change between steps. Gradients are in `parameter.grad`. Parameters that have made other numbers of steps (unfrozen late) or
are set otherwise (rates by node) have buffers of their own (`Several`).
Neighbours: fused and kernels below; the engine steps with these.
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

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

    def spread(self, start: int, numbers: Sequence[float]) -> list[torch.Tensor]:
        """Numbers of as many networks, for each element, in the shape of their part."""
        each = self.buffer.new_tensor(numbers).unsqueeze(1)
        several = [each.expand(-1, row.shape[1]).reshape(-1) for row in self.rows]
        return [torch.cat(several)] if len(numbers) == len(self.rows[0]) else several


class Joint(ABC):
    """Parameters of K networks together. stacks and grads: of each parameter that is trained, `(K, *shape)`."""

    stacks: Tensors
    grads: Tensors

    @abstractmethod
    def take(self) -> None:
        """Take over from the networks."""

    def renew(self) -> None:  # noqa: B027 what steps by the steppers themselves has nothing to renew
        """Go on with the settings that the steppers have now."""

    @abstractmethod
    def step(self, start: int, stop: int) -> None:
        """Update networks `start` to `stop` from `grads`."""

    @abstractmethod
    def give(self) -> None:
        """Give back to the networks."""


class Stretch:
    """Neighbours that step in one call, by the stepper of the first."""

    def __init__(self, start: int, stepper: FusedStepper, values: Tensors, grads: Tensors, memory: Sequence[Tensors]):
        self.start, self.stepper, self.values, self.grads, self.memory = start, stepper, values, grads, memory

    def step(self, number: int) -> None:
        """Their step of this number (from 1)."""
        self.stepper.kernel(self.values, self.grads, self.memory, number)


class Spread(Stretch):
    """Neighbours whose rates or weight decays differ: the kernel makes the step of rate 1 from zero, which its rate scales.

    rates, decays: the value of each element's network, like `values`.
    """

    def __init__(self, rates: Tensors, decays: Tensors, *part: Any):
        super().__init__(*part)
        self.rates, self.unit, self.moves = rates, self.stepper.unit(), [torch.zeros_like(v) for v in self.values]
        self.decays = decays if any(bool(d.any()) for d in decays) else None
        self.kept = [1 - r * d for r, d in zip(rates, decays, strict=True)] if self.stepper.decouples else None
        self.sign = -1 if self.stepper.settings.get("maximize") else 1

    def step(self, number: int) -> None:
        if self.decays is not None:
            self._decay(self.decays)
        for move in self.moves:
            move.zero_()
        self.unit.kernel(self.moves, self.grads, self.memory, number)
        for value, move, rate in zip(self.values, self.moves, self.rates, strict=True):
            value.addcmul_(move, rate)

    def _decay(self, decays: Tensors) -> None:
        if self.kept is not None:
            for value, kept in zip(self.values, self.kept, strict=True):
                value.mul_(kept)
            return
        for value, grad, decay in zip(self.values, self.grads, decays, strict=True):
            grad.addcmul_(value, decay, value=self.sign)


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
        self.parts: dict[tuple[int, ...], list[Stretch]] = {}
        self.set: list[dict[str, Any]] = []
        self.own: list[list[torch.Tensor]] = []

    def take(self) -> None:
        self.own = [[stepper.params[i].data for i in self.which] for stepper in self.steppers]
        for k, stepper in enumerate(self.steppers):
            for place, i in enumerate(self.which):
                self.stacks[place][k].copy_(stepper.params[i].data)
                for flat, kept in zip(self.memory, stepper.memory, strict=True):
                    flat.stacks[place][k].copy_(kept[i])
                stepper.params[i].data, stepper.params[i].grad = self.stacks[place][k], self.grads[place][k]
            stepper.catch_up = functools.partial(self.tell, k)
        self.made = [max(stepper.steps[i] for i in self.which) for stepper in self.steppers]
        self.parts.clear()

    def tell(self, k: int) -> None:
        """Let a stepper know what is remembered here in its place."""
        stepper = self.steppers[k]
        for place, i in enumerate(self.which):
            stepper.steps[i] = self.made[k]
            for flat, kept in zip(self.memory, stepper.memory, strict=True):
                kept[i].copy_(flat.stacks[place][k])

    def renew(self) -> None:
        now = [dict(stepper.settings) for stepper in self.steppers]
        if now != self.set:
            if any(one != now[0] for one in now) or any(one != self.set[0] for one in self.set):
                self.parts.clear()  # neighbours that were and are set alike step in one call as before
            self.set = now

    def step(self, start: int, stop: int) -> None:
        made = self.made
        ahead = [n - made[start] for n in made[start:stop]] if stop - start > 1 else ()
        parts = self.parts.get((start, stop, *ahead))
        if parts is None:
            parts = self.parts[start, stop, *ahead] = self._parts(start, stop)
        for part in parts:
            part.step(made[part.start] + 1)
        for k in range(start, stop):
            made[k] += 1

    def _parts(self, start: int, stop: int) -> list[Stretch]:
        keys = [(alike(s), n) for s, n in zip(self.steppers[start:stop], self.made[start:stop], strict=True)]
        ends = [k for k in range(start, stop) if k == start or keys[k - start] != keys[k - start - 1]]
        return [self._part(a, b) for a, b in zip(ends, [*ends[1:], stop], strict=True)]

    def _part(self, start: int, stop: int) -> Stretch:
        values, grads, *memory = (flat.part(start, stop) for flat in (self.values, self.flat, *self.memory))
        steppers = self.steppers[start:stop]
        rates, decays = [s.lr for s in steppers], [s.settings.get("weight_decay", 0.0) for s in steppers]
        part = (start, steppers[0], values, grads, memory)
        if len({*zip(rates, decays, strict=True)}) == 1:
            return Stretch(*part)
        return Spread(self.values.spread(start, rates), self.values.spread(start, decays), *part)

    def give(self) -> None:
        for k, (stepper, own) in enumerate(zip(self.steppers, self.own, strict=True)):
            self.tell(k)
            stepper.catch_up = None
            for place, i in enumerate(self.which):
                own[place].copy_(self.stacks[place][k])
                stepper.params[i].data, stepper.params[i].grad = own[place], None
            stepper.follow()


class Several(Joint):
    """Parameters that step apart: those that have made as many steps, and are set alike, in flat buffers of their own."""

    def __init__(self, flats: Sequence[FlatJoint], order: Sequence[tuple[int, int]]):
        """order: for each parameter that is trained, which of the flats has it, at which place."""
        self.flats = flats
        self.stacks = [flats[number].stacks[place] for number, place in order]
        self.grads = [flats[number].grads[place] for number, place in order]

    def take(self) -> None:
        for flat in self.flats:
            flat.take()
        for flat in self.flats:
            for k, stepper in enumerate(flat.steppers):
                stepper.catch_up = functools.partial(self._tell, k)

    def _tell(self, k: int) -> None:
        for flat in self.flats:
            flat.tell(k)

    def renew(self) -> None:
        for flat in self.flats:
            flat.renew()

    def step(self, start: int, stop: int) -> None:
        for flat in self.flats:
            flat.step(start, stop)

    def give(self) -> None:
        for flat in self.flats:
            flat.give()


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
    """Equal for steppers that are set alike, but for rate and weight decay."""
    own = [(n, stepper.settings[n]) for n in sorted(stepper.named) if n not in ("lr", "weight_decay")]
    return type(stepper), stepper.torch_class, repr(own)


def joint(steppers: Sequence[Stepper], networks: Sequence[torch.nn.Module]) -> Joint | None:
    """The networks' parameters together, or None where their steppers do not join.

    Fused steppers join when they have the same parameters, cut alike; any other stepper is alone with its network.
    """
    trained = [[p for p in network.parameters() if p.requires_grad] for network in networks]
    return _joined(steppers, trained) or (Alone(steppers[0], trained[0]) if len(steppers) == 1 else None)


def _joined(steppers: Sequence[Stepper], trained: Sequence[Sequence[torch.nn.Parameter]]) -> Joint | None:
    cuts = [_even(stepper) for stepper in steppers]
    orders = [_order(cut, own) for cut, own in zip(cuts, trained, strict=True)]
    layouts = [[(which, part.kept()) for part, which in cut] for cut in cuts]
    if orders[0] is None or any(o != orders[0] for o in orders) or any(one != layouts[0] for one in layouts):
        return None
    flats = [FlatJoint([part for part, _ in parts], parts[0][1]) for parts in zip(*cuts, strict=True)]
    return flats[0] if len(flats) == 1 else Several(flats, orders[0])


def _even(stepper: Stepper) -> list[tuple[FusedStepper, list[int]]]:
    """The places of what is trained in each part of a stepper, those together that have made as many steps."""
    found: dict[tuple[int, int], tuple[FusedStepper, list[int]]] = {}
    for number, part in enumerate(stepper.parts):
        for i, param in enumerate(part.params):
            if param.requires_grad:
                found.setdefault((number, part.steps[i]), (part, []))[1].append(i)
    return [found[key] for key in sorted(found)]


def _order(cut: Sequence[tuple[FusedStepper, list[int]]], own: Sequence[torch.nn.Parameter]) -> list[tuple[int, int]] | None:
    """For each parameter that is trained, which part of a cut has it, at which place; None where these are not the same."""
    found = {id(part.params[i]): (n, place) for n, (part, which) in enumerate(cut) for place, i in enumerate(which)}
    return [found[id(p)] for p in own] if own and found.keys() == {id(p) for p in own} else None
