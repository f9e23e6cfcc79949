"""Optimizer steps for networks whose parameters are slices of stacks.

Each network has the stepper that it would have alone. Neighbours in the stack whose fused steppers are set alike and have
made as many steps update in one kernel call on a part of the stacks (a *block*); any other stepper is a block of its own
and finds its gradients where it looks for them. Neighbours: fused below; stacked decides who steps when.
"""

import copy
from collections.abc import Hashable, Sequence
from typing import Any

import torch

from pipeops.net.optimizers.fused import FusedAdam, FusedSGD, FusedStepper, Stepper

MOMENTS: dict[type, tuple[str, ...]] = {FusedAdam: ("mean", "square", "largest"), FusedSGD: ("buffers",)}
Params = Sequence[torch.Tensor]


def alike(stepper: Stepper) -> Hashable:
    """Equal for fused steppers with the same settings, which may update together while they have made as many steps."""
    if type(stepper) not in MOMENTS:
        return id(stepper)
    settings = sorted(stepper.settings.items())  # type: ignore[attr-defined]
    return type(stepper), getattr(stepper, "decoupled", None), repr(settings)


class Block:
    """Networks `start` to `stop` of a stack, which step together. params: each network's own, in order."""

    def __init__(self, start: int, steppers: Sequence[Stepper], stacks: Params, params: Sequence[Params]):
        self.start, self.stop, self.steppers, self.stacks = start, start + len(steppers), steppers, stacks
        fused = [s for s in steppers if isinstance(s, FusedStepper)]
        if len(steppers) == 1:
            self.stepper, self.params = _alone(steppers[0]), params[0]
        else:
            self.params = stacks if len(stacks[0]) == len(steppers) else [s.detach()[start : self.stop] for s in stacks]
            self.stepper = _joined(fused, self.params)

    def step(self, grads: Sequence[torch.Tensor | None]) -> None:
        """Update from the stacks' gradients."""
        if self.params is not self.stacks:
            part: Any = self.start if len(self.steppers) == 1 else slice(self.start, self.stop)
            for param, grad in zip(self.params, grads, strict=True):
                param.grad = None if grad is None else grad[part]
        self.stepper.step()

    def take_rates(self) -> None:
        """Take over the learning rate that the networks' own steppers were given."""
        if len(self.steppers) > 1:
            self.stepper.lr = self.steppers[0].lr

    def give_counts(self) -> None:
        """Let the networks' own steppers know how many steps were made."""
        for stepper in self.steppers if len(self.steppers) > 1 else ():
            known = vars(self.stepper)
            vars(stepper).update({name: known[name] for name in ("counts", "distinct", "started") if name in known})


def boundaries(keys: Sequence[Hashable]) -> list[int]:
    """Where the key is another than just before, and where the keys end: the starts of blocks."""
    return [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]] + [len(keys)]


def _joined(steppers: Sequence[FusedStepper], params: Params) -> FusedStepper:
    """One stepper for all; what it remembers is stacked, and the networks' own steppers hold the slices."""
    made = copy.copy(steppers[0])
    made.params, made.values = list(params), [p.detach() for p in params]
    for name in MOMENTS[type(made)]:
        stacks = [torch.stack(several) for several in zip(*(getattr(s, name) for s in steppers), strict=True)]
        setattr(made, name, stacks)
        slices = [stack.unbind(0) for stack in stacks]
        for k, stepper in enumerate(steppers):
            setattr(stepper, name, [several[k] for several in slices])
    _count_apart(made)
    return made


def _alone(stepper: Stepper) -> Stepper:
    """A network's own stepper, which updates its slices."""
    if isinstance(stepper, FusedStepper):
        stepper.values = [p.detach() for p in stepper.params]
        _count_apart(stepper)
    return stepper


def _count_apart(stepper: Any) -> None:
    """Let a stepper have its counts of steps for itself."""
    if isinstance(stepper, FusedAdam):
        fresh = {id(c): c.clone() for c in stepper.distinct}
        stepper.counts, stepper.distinct = [fresh[id(c)] for c in stepper.counts], list(fresh.values())
    if isinstance(stepper, FusedSGD):
        stepper.started = set(stepper.started)
